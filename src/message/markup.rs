//! How untrusted text is made harmless for each kind of reader.

/// Behind this sign no reader looks for a mention, and nobody sees it.
const NOTHING: char = '\u{200b}';

/// The markup a sink speaks. What comes out of an event goes through [`Markup::escape`] once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Markup {
    /// Nothing is special (consoles, pagers): only control characters go.
    Plain,
    /// Slack's mrkdwn: exactly `&`, `<` and `>` become entities.
    Slack,
    /// Google Chat's text: it has no escape, so a zero-width space behind `<` breaks mentions and links.
    GoogleChat,
    /// Discord's Markdown, where a backslash also takes the meaning from `<`.
    Discord,
    /// Mattermost's Markdown, which is searched for Slack's `<!channel>` before anything is read as Markdown.
    Mattermost,
    /// The little Markdown of an Adaptive Card, with `<at>` for mentions.
    Teams,
}

impl Markup {
    pub const ALL: [Self; 6] =
        [Self::Plain, Self::Slack, Self::GoogleChat, Self::Discord, Self::Mattermost, Self::Teams];

    /// Appends `text` to `out` so that it can only be read as text.
    pub fn escape(self, text: &str, out: &mut String) {
        let mut line_begins = true;
        for letter in text.chars() {
            match (self, letter) {
                (Self::Slack, '&') => out.push_str("&amp;"),
                (Self::Slack, '<') => out.push_str("&lt;"),
                (Self::Slack, '>') => out.push_str("&gt;"),
                (Self::GoogleChat | Self::Mattermost | Self::Teams, '<') | (Self::Discord | Self::Mattermost, '@') => {
                    out.extend([letter, NOTHING]);
                }
                // Terminals obey escape sequences, and JSON readers choke on some of the others.
                (_, letter) if letter.is_control() && letter != '\n' && letter != '\t' => out.push('\u{fffd}'),
                (_, letter) if self.marks(letter, line_begins) => out.extend(['\\', letter]),
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

    /// Whether a backslash must stand in front. Where a value is put into the middle of a line its beginning
    /// counts as one, too: a backslash too many is not shown.
    fn marks(self, letter: char, line_begins: bool) -> bool {
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
    fn nothing_out_of_an_event_is_obeyed() {
        assert_eq!(Markup::Slack.escaped("a<b> & <!channel>"), "a&lt;b&gt; &amp; &lt;!channel&gt;");
        assert_eq!(Markup::GoogleChat.escaped("<users/all>"), "<\u{200b}users/all>");
        assert_eq!(Markup::Plain.escaped("a\u{1b}[31mb\0\nc"), "a\u{fffd}[31mb\u{fffd}\nc");
    }

    #[test]
    fn markdown_is_taken_at_its_letters() {
        let said = "@everyone [a](b) *c* <@1>\n - d-e # f";
        assert_eq!(
            Markup::Discord.escaped(said),
            "@\u{200b}everyone \\[a\\](b) \\*c\\* \\<@\u{200b}1\\>\n \\- d-e # f"
        );
        assert_eq!(
            Markup::Mattermost.escaped(said),
            "@\u{200b}everyone \\[a\\](b) \\*c\\* <\u{200b}@\u{200b}1\\>\n \\- d-e # f"
        );
        assert_eq!(Markup::Teams.escaped(said), "@everyone \\[a\\](b) \\*c\\* <\u{200b}@1>\n \\- d-e # f");
    }

    #[test]
    fn every_markup_is_among_all_at_its_number() {
        for (number, markup) in Markup::ALL.into_iter().enumerate() {
            assert_eq!(markup as usize, number);
        }
    }
}
