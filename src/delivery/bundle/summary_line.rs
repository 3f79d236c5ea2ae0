//! One line for each of a bundle's first members.

use crate::message::{Markup, Message, Unit, cut};
use crate::store::Delivery;

pub(super) const LONGEST_LINE: usize = 160;
/// Opens a block in most chats, which would take in everything below.
const FENCE: &str = "```";

/// How readers recognize a member.
#[derive(Debug)]
pub(super) enum SummaryLine {
    /// In the sink's own markup already.
    Rendered(String),
    /// Not escaped yet: for a message without text.
    Bare(String),
}

impl SummaryLine {
    /// The title, or the first line that has a letter or digit; for a message without any, the event's type and subject.
    pub(super) fn of(delivery: &Delivery, message: &Message) -> Self {
        let lines = message.title.iter().flat_map(|title| title.lines()).chain(message.text.lines());
        let mut lines = lines.filter(|line| line.chars().any(char::is_alphanumeric));
        // Only as far as memory demands; the sink's markup decides the rest.
        let beginning = |line: &str| one_line(line.trim()).chars().take(2 * LONGEST_LINE).collect();
        match lines.next() {
            Some(line) => Self::Rendered(beginning(line)),
            None => Self::Bare(beginning(&format!("{} {}", delivery.event.r#type, delivery.event.subject))),
        }
    }

    pub(super) fn shown(&self, markup: Markup) -> String {
        match self {
            Self::Rendered(line) => cut_line(line, markup),
            Self::Bare(line) => markup.escaped(&cut(line, LONGEST_LINE, Unit::Chars)),
        }
    }
}

/// A line that is already in the sink's markup, cut so that no half of its markup is left behind.
fn cut_line(line: &str, markup: Markup) -> String {
    let short = cut(line, LONGEST_LINE, Unit::Chars);
    if short == line {
        return short;
    }
    let mut kept = short.trim_end_matches('…');
    match markup {
        Markup::Slack | Markup::GoogleChat => {
            // What comes out of an event is never a bare `<`, so this one begins a link of the template.
            let opened = kept.rfind('<').filter(|at| !kept.get(*at..).is_some_and(|rest| rest.contains('>')));
            let opened = opened.filter(|at| !kept.get(*at..).is_some_and(|rest| rest.starts_with("<\u{200b}")));
            kept = opened.and_then(|at| kept.get(..at)).unwrap_or(kept);
        }
        Markup::Discord | Markup::Mattermost | Markup::Teams => {
            let bare = kept.trim_end_matches('\\');
            let half = (kept.len() - bare.len()) % 2;
            kept = kept.get(..kept.len() - half).unwrap_or(kept);
        }
        Markup::Plain => {}
    }
    format!("{}…", kept.trim_end())
}

pub(super) fn one_line(text: &str) -> String {
    text.replace(FENCE, "").replace(['\n', '\r', '\t', '\u{2028}', '\u{2029}'], " ")
}
