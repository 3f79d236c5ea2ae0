//! How untrusted text is made harmless for each kind of reader.

/// The markup a sink speaks. What comes out of an event goes through [`Markup::escape`] once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Markup {
    /// Nothing is special (consoles, pagers): only control characters go.
    Plain,
    /// Slack's mrkdwn: exactly `&`, `<` and `>` become entities.
    Slack,
    /// Google Chat's text: it has no escape, so a zero-width space behind `<` breaks mentions and links.
    GoogleChat,
}

impl Markup {
    /// Appends `text` to `out` so that it can only be read as text.
    pub fn escape(self, text: &str, out: &mut String) {
        for letter in text.chars() {
            match (self, letter) {
                (Self::Slack, '&') => out.push_str("&amp;"),
                (Self::Slack, '<') => out.push_str("&lt;"),
                (Self::Slack, '>') => out.push_str("&gt;"),
                (Self::GoogleChat, '<') => out.push_str("<\u{200b}"),
                // Terminals obey escape sequences, and JSON readers choke on some of the others.
                (_, letter) if letter.is_control() && letter != '\n' && letter != '\t' => out.push('\u{fffd}'),
                (_, letter) => out.push(letter),
            }
        }
    }

    pub fn escaped(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        self.escape(text, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_out_of_an_event_is_obeyed() {
        assert_eq!(Markup::Slack.escaped("a<b> & <!channel>"), "a&lt;b&gt; &amp; &lt;!channel&gt;");
        assert_eq!(Markup::GoogleChat.escaped("<users/all>"), "<\u{200b}users/all>");
        assert_eq!(Markup::Plain.escaped("a\u{1b}[31mb\0\nc"), "a\u{fffd}[31mb\u{fffd}\nc");
    }
}
