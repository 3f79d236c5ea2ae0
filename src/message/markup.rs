//! Escaping of untrusted text.

/// Invisible; after it no receiver recognizes a mention.
const ZERO_WIDTH_SPACE: char = '\u{200b}';

/// The markup of a sink. Text out of an event is escaped once, by [`Markup::escape`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Markup {
    /// No markup (consoles, pagers): only control characters are replaced.
    Plain,
    /// Slack's mrkdwn: exactly `&`, `<` and `>` become entities.
    Slack,
    /// Google Chat's text. It has no escape, so a zero-width space after `<` disables mentions and links.
    GoogleChat,
    /// Discord's Markdown, where a backslash escapes `<`, too.
    Discord,
    /// Mattermost's Markdown. The server looks for Slack's `<!channel>` before it parses Markdown.
    Mattermost,
    /// The Markdown subset of an Adaptive Card, with `<at>` for mentions.
    Teams,
}

impl Markup {
    pub const ALL: [Self; 6] =
        [Self::Plain, Self::Slack, Self::GoogleChat, Self::Discord, Self::Mattermost, Self::Teams];

    /// Appends `text` to `out`, without any markup in it.
    pub fn escape(self, text: &str, out: &mut String) {
        let mut line_begins = true;
        for letter in text.chars() {
            match (self, letter) {
                (Self::Slack, '&') => out.push_str("&amp;"),
                (Self::Slack, '<') => out.push_str("&lt;"),
                (Self::Slack, '>') => out.push_str("&gt;"),
                (Self::GoogleChat | Self::Mattermost | Self::Teams, '<') | (Self::Discord | Self::Mattermost, '@') => {
                    out.extend([letter, ZERO_WIDTH_SPACE]);
                }
                // Terminals act on escape sequences, and some JSON parsers refuse other control characters.
                (_, letter) if letter.is_control() && letter != '\n' && letter != '\t' => out.push('\u{fffd}'),
                (_, letter) if self.needs_backslash(letter, line_begins) => out.extend(['\\', letter]),
                (_, letter) => out.push(letter),
            }
            line_begins = letter == '\n' || (line_begins && letter.is_whitespace());
        }
    }

    pub fn escaped(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        self.escape(text, &mut out);
        out
    }

    /// Whether `letter` needs a backslash. The beginning of `text` counts as that of a line wherever it is inserted: an
    /// unnecessary backslash is invisible.
    fn needs_backslash(self, letter: char, line_begins: bool) -> bool {
        let anywhere = match self {
            Self::Plain | Self::Slack | Self::GoogleChat => return false,
            Self::Discord => r"\*_~`|>[]<",
            Self::Mattermost => r"\*_~`|>[]!",
            Self::Teams => r"\*_~`[]",
        };
        anywhere.contains(letter) || (line_begins && matches!(letter, '#' | '-' | '+' | '>'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_an_event_has_no_markup() {
        assert_eq!(Markup::Slack.escaped("a<b> & <!channel>"), "a&lt;b&gt; &amp; &lt;!channel&gt;");
        assert_eq!(Markup::GoogleChat.escaped("<users/all>"), "<\u{200b}users/all>");
        assert_eq!(Markup::Plain.escaped("a\u{1b}[31mb\0\nc"), "a\u{fffd}[31mb\u{fffd}\nc");
    }

    #[test]
    fn markdown_is_escaped() {
        let text = "@everyone [a](b) *c* <@1>\n - d-e # f";
        assert_eq!(
            Markup::Discord.escaped(text),
            "@\u{200b}everyone \\[a\\](b) \\*c\\* \\<@\u{200b}1\\>\n \\- d-e # f"
        );
        assert_eq!(
            Markup::Mattermost.escaped(text),
            "@\u{200b}everyone \\[a\\](b) \\*c\\* <\u{200b}@\u{200b}1\\>\n \\- d-e # f"
        );
        assert_eq!(Markup::Teams.escaped(text), "@everyone \\[a\\](b) \\*c\\* <\u{200b}@1>\n \\- d-e # f");
    }

    #[test]
    fn every_markup_is_among_all_at_its_number() {
        for (number, markup) in Markup::ALL.into_iter().enumerate() {
            assert_eq!(markup as usize, number);
        }
    }
}
