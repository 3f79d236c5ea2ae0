//! Counts the events that were sent, the messages that they must cause, and the messages that arrived.

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: usize,
    pub(super) wanted: Vec<Wanted>,
    /// Messages that arrived and that no relay wants.
    pub(super) unexpected: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Wanted {
    chat: Chat,
    /// In the text of this message and of no other.
    mark: String,
    copies: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chat {
    Slack,
    GoogleChat,
}

impl Tally {
    pub(super) fn want(&mut self, chat: Chat, mark: impl Into<String>) {
        self.wanted.push(Wanted { chat, mark: mark.into(), copies: 0 });
    }

    /// The place of a message in `wanted`, and how often it has arrived; None if it is unexpected.
    pub(super) fn arrived(&mut self, chat: Chat, text: &str) -> Option<(usize, usize)> {
        let mut wanted = self.wanted.iter_mut().enumerate();
        let found = wanted.find(|(_, wanted)| wanted.chat == chat && text.contains(&wanted.mark));
        if let Some((place, wanted)) = found {
            wanted.copies += 1;
            return Some((place, wanted.copies));
        }
        self.unexpected.push(text.to_owned());
        None
    }

    /// How many of the messages wanted from this place on have arrived.
    pub(super) fn delivered(&self, first: usize) -> usize {
        self.wanted.iter().skip(first).filter(|wanted| wanted.copies > 0).count()
    }

    pub(super) fn lost(&self) -> usize {
        self.wanted.len() - self.delivered(0)
    }

    /// Copies beyond the first.
    pub(super) fn twice(&self) -> usize {
        self.wanted.iter().map(|wanted| wanted.copies.saturating_sub(1)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_repeated_and_unexpected_messages_are_counted_for_each_chat() {
        let mut tally = Tally::default();
        for mark in ["a1", "b2", "c3"] {
            tally.want(Chat::Slack, mark);
        }
        tally.want(Chat::GoogleChat, "c3");
        assert_eq!(tally.arrived(Chat::Slack, "see a1"), Some((0, 1)));
        assert_eq!(tally.arrived(Chat::Slack, "see c3"), Some((2, 1)));
        assert_eq!(tally.arrived(Chat::Slack, "see a1"), Some((0, 2)));
        assert_eq!(tally.arrived(Chat::GoogleChat, "see a1"), None);
        assert_eq!((tally.wanted.len(), tally.delivered(0), tally.delivered(1)), (4, 2, 1));
        assert_eq!((tally.twice(), tally.lost()), (1, 2));
        assert_eq!(tally.unexpected, ["see a1"]);
    }
}
