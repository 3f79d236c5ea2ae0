//! Counts the events that were sent, the messages that they must cause, and the messages that arrived.

/// Each expected message has a mark that no other has.
#[derive(Debug, Default)]
pub(super) struct Expectations {
    sent: usize,
    wanted: Vec<Wanted>,
}

#[derive(Debug)]
struct Wanted {
    chat: Chat,
    mark: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chat {
    Slack,
    GoogleChat,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) sent: usize,
    pub(super) wanted: usize,
    pub(super) delivered: usize,
    /// Copies beyond the first.
    pub(super) twice: usize,
    pub(super) lost: usize,
    /// Messages that arrived and that no relay wants.
    pub(super) unexpected: Vec<String>,
}

impl Expectations {
    /// One more event was sent.
    pub(super) fn sent(&mut self) {
        self.sent += 1;
    }

    pub(super) fn want(&mut self, chat: Chat, mark: impl Into<String>) {
        self.wanted.push(Wanted { chat, mark: mark.into() });
    }

    pub(super) fn compare(&self, arrived: &[(Chat, String)]) -> Counts {
        let mut copies = vec![0_usize; self.wanted.len()];
        let mut unexpected = Vec::new();
        for (chat, text) in arrived {
            let matches = |wanted: &Wanted| wanted.chat == *chat && text.contains(&wanted.mark);
            match self.wanted.iter().position(matches).and_then(|found| copies.get_mut(found)) {
                Some(copies) => *copies += 1,
                None => unexpected.push(text.clone()),
            }
        }
        let wanted = copies.len();
        let delivered = copies.iter().filter(|copies| **copies > 0).count();
        let twice = copies.iter().map(|copies| copies.saturating_sub(1)).sum();
        Counts { sent: self.sent, wanted, delivered, twice, lost: wanted - delivered, unexpected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_repeated_and_unexpected_messages_are_counted_for_each_chat() {
        let mut expectations = Expectations::default();
        for mark in ["a1", "b2", "c3"] {
            expectations.sent();
            expectations.want(Chat::Slack, mark);
        }
        expectations.want(Chat::GoogleChat, "c3");
        let message = |chat, text: &str| (chat, text.to_owned());
        let arrived = [
            message(Chat::Slack, "see a1"),
            message(Chat::Slack, "see c3"),
            message(Chat::Slack, "see a1"),
            message(Chat::GoogleChat, "see a1"),
        ];
        let unexpected = vec!["see a1".to_owned()];
        let counts = expectations.compare(&arrived);
        assert_eq!(counts, Counts { sent: 3, wanted: 4, delivered: 2, twice: 1, lost: 2, unexpected });
    }
}
