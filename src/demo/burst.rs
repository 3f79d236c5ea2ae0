//! Many events sent at once, whose messages are shown as numbers.

#[derive(Debug, Default)]
pub(super) struct Burst {
    /// What marks the message of each event, in the order in which they were sent, and whether it has arrived.
    messages: Vec<(String, bool)>,
}

impl Burst {
    pub(super) fn expect(&mut self, mark: String) {
        self.messages.push((mark, false));
    }

    /// Notes a message that arrived, and returns its number as it is shown.
    pub(super) fn arrive(&mut self, text: &str) -> String {
        let found = self.messages.iter_mut().enumerate().find(|(_, (mark, _))| text.contains(mark.as_str()));
        match found {
            None => " ?".to_owned(),
            Some((number, (_, true))) => format!(" ({} again)", number + 1),
            Some((number, (_, arrived))) => {
                *arrived = true;
                format!(" {}", number + 1)
            }
        }
    }

    pub(super) fn arrived(&self) -> usize {
        self.messages.iter().filter(|(_, arrived)| *arrived).count()
    }
}
