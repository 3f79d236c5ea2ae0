//! Where we stand in the Engine's history, and what we still know by heart.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::meaning::Told;

/// Events carry the time they were made at, not that of their turn, so those of a moment may change places.
const OVERLAP: i64 = 1_000_000_000;
/// An Engine remembers no more than this, so it cannot say more than this again.
pub(super) const ENGINES_MEMORY: usize = 256;

/// Written down with the events as the source's cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// When the last event was, in nanoseconds; or from when on we listen, before there was one.
    at: i64,
    /// Ids of the last event and of those not long before it, oldest first.
    known: VecDeque<(i64, String)>,
}

impl Place {
    /// From here on, with nothing known.
    pub(super) fn beginning(at: Timestamp) -> Self {
        Self { at: i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX), known: VecDeque::new() }
    }

    /// None where the text is no place.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn print(&self) -> String {
        serde_json::to_string(self).expect("numbers and text are always JSON")
    }

    /// What `since` asks for: a little more than we need.
    pub(super) fn since(&self) -> String {
        let from = if self.known.is_empty() { self.at } else { self.at.saturating_sub(OVERLAP) };
        format!("{}.{:09}", from.div_euclid(1_000_000_000), from.rem_euclid(1_000_000_000))
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_nanosecond(self.at.into()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub(super) fn knows_something(&self) -> bool {
        !self.known.is_empty()
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.known.iter().any(|(_, known)| known == id)
    }

    pub(super) fn move_to(&mut self, told: &Told) {
        self.at = told.at;
        self.known.push_back((told.at, told.id.clone()));
        let from = told.at.saturating_sub(OVERLAP);
        while self.known.len() > ENGINES_MEMORY || self.known.front().is_some_and(|(at, _)| *at < from) {
            self.known.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    fn told(at: i64) -> Told {
        let event = Event::ours("x", "y", Timestamp::UNIX_EPOCH, &serde_json::Value::Null);
        Told { event, id: format!("id{at}"), at }
    }

    #[test]
    fn a_place_survives_being_written_down() {
        let mut place = Place::beginning("2016-04-29T15:18:25Z".parse().expect("a time"));
        assert_eq!(place.since(), "1461943105.000000000");
        assert!(!place.knows_something());
        place.move_to(&told(1_461_943_105_338_056_026));
        assert_eq!(place.since(), "1461943104.338056026", "a second more than needed");
        assert_eq!(Place::parse(&place.print()), Some(place));
        assert_eq!(Place::parse("yesterday"), None);
    }

    #[test]
    fn only_what_may_be_told_again_is_known() {
        let mut place = Place::beginning(Timestamp::UNIX_EPOCH);
        for at in [OVERLAP, 2 * OVERLAP, 2 * OVERLAP + 1, 3 * OVERLAP] {
            place.move_to(&told(at));
        }
        let known = |at: i64| place.knows(&format!("id{at}"));
        assert_eq!([OVERLAP, 2 * OVERLAP, 2 * OVERLAP + 1, 3 * OVERLAP].map(known), [false, true, true, true]);
        for _ in 0..1000 {
            place.move_to(&told(4 * OVERLAP));
        }
        assert_eq!(place.known.len(), ENGINES_MEMORY);
    }
}
