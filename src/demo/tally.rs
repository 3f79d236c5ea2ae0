//! Keeps account: what was said on the stream, what had to arrive of it, and what did.

/// Each wanted delivery carries a mark that no other has.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sent: usize,
    wanted: Vec<Wanted>,
}

#[derive(Debug)]
struct Wanted {
    place: Place,
    mark: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Slack,
    GoogleChat,
}

/// What it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) sent: usize,
    pub(super) wanted: usize,
    pub(super) delivered: usize,
    /// Copies beyond the first.
    pub(super) twice: usize,
    pub(super) lost: usize,
    /// What arrived and nobody wanted.
    pub(super) strange: Vec<String>,
}

impl Tally {
    /// One more event went into the stream.
    pub(super) fn sent(&mut self) {
        self.sent += 1;
    }

    pub(super) fn want(&mut self, place: Place, mark: impl Into<String>) {
        self.wanted.push(Wanted { place, mark: mark.into() });
    }

    pub(super) fn count(&self, arrived: &[(Place, String)]) -> Count {
        let mut copies = vec![0_usize; self.wanted.len()];
        let mut strange = Vec::new();
        for (place, text) in arrived {
            let wants = |wanted: &Wanted| wanted.place == *place && text.contains(&wanted.mark);
            match self.wanted.iter().position(wants).and_then(|found| copies.get_mut(found)) {
                Some(copies) => *copies += 1,
                None => strange.push(text.clone()),
            }
        }
        let wanted = copies.len();
        let delivered = copies.iter().filter(|copies| **copies > 0).count();
        let twice = copies.iter().map(|copies| copies.saturating_sub(1)).sum();
        Count { sent: self.sent, wanted, delivered, twice, lost: wanted - delivered, strange }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_twice_or_strange_is_counted_at_its_place() {
        let mut tally = Tally::default();
        for mark in ["a1", "b2", "c3"] {
            tally.sent();
            tally.want(Place::Slack, mark);
        }
        tally.want(Place::GoogleChat, "c3");
        let said = |place, text: &str| (place, text.to_owned());
        let arrived = [
            said(Place::Slack, "see a1"),
            said(Place::Slack, "see c3"),
            said(Place::Slack, "see a1"),
            said(Place::GoogleChat, "see a1"),
        ];
        let strange = vec!["see a1".to_owned()];
        let count = tally.count(&arrived);
        assert_eq!(count, Count { sent: 3, wanted: 4, delivered: 2, twice: 1, lost: 2, strange });
    }
}
