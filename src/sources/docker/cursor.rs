//! The position in the Engine's event history, with the ids of the last events.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::parse::EngineEvent;

/// Events are not sorted exactly by their times, so the last second before the cursor is read again.
const OVERLAP: i64 = 1_000_000_000;
/// The number of events that an Engine remembers, and so can send again.
pub(super) const ENGINE_MEMORY: usize = 256;

/// Committed with the events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The time of the last event in nanoseconds; before the first event, the time at which reading began.
    at: i64,
    /// Times and ids of the last event and of those within `OVERLAP` before it, oldest first.
    known: VecDeque<(i64, String)>,
}

impl Cursor {
    pub(super) fn starting_at(at: Timestamp) -> Self {
        Self { at: i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX), known: VecDeque::new() }
    }

    /// The value of `since`, which includes the overlap.
    pub(super) fn since(&self) -> String {
        let from = if self.known.is_empty() { self.at } else { self.at.saturating_sub(OVERLAP) };
        format!("{}.{:09}", from.div_euclid(1_000_000_000), from.rem_euclid(1_000_000_000))
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_nanosecond(self.at.into()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub(super) fn has_events(&self) -> bool {
        !self.known.is_empty()
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.known.iter().any(|(_, known)| known == id)
    }

    pub(super) fn advance(&mut self, event: &EngineEvent) {
        self.at = event.at;
        self.known.push_back((event.at, event.id.clone()));
        let from = event.at.saturating_sub(OVERLAP);
        while self.known.len() > ENGINE_MEMORY || self.known.front().is_some_and(|(at, _)| *at < from) {
            self.known.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::sources::json_cursor::print_cursor;

    fn engine_event(at: i64) -> EngineEvent {
        let event = Event::ours("x", "y", Timestamp::UNIX_EPOCH, &serde_json::Value::Null);
        EngineEvent { event, id: format!("id{at}"), at }
    }

    #[test]
    fn a_cursor_survives_being_stored() {
        let mut cursor = Cursor::starting_at("2016-04-29T15:18:25Z".parse().expect("a time"));
        assert_eq!(cursor.since(), "1461943105.000000000");
        assert!(!cursor.has_events());
        cursor.advance(&engine_event(1_461_943_105_338_056_026));
        assert_eq!(cursor.since(), "1461943104.338056026", "a second more than needed");
        let parse = |text: &str| serde_json::from_str::<Cursor>(text).ok();
        assert_eq!(parse(&print_cursor(&cursor)), Some(cursor));
        assert_eq!(parse("yesterday"), None);
    }

    #[test]
    fn only_events_that_may_be_sent_again_are_kept() {
        let mut cursor = Cursor::starting_at(Timestamp::UNIX_EPOCH);
        for at in [OVERLAP, 2 * OVERLAP, 2 * OVERLAP + 1, 3 * OVERLAP] {
            cursor.advance(&engine_event(at));
        }
        let known = |at: i64| cursor.contains(&format!("id{at}"));
        assert_eq!([OVERLAP, 2 * OVERLAP, 2 * OVERLAP + 1, 3 * OVERLAP].map(known), [false, true, true, true]);
        for _ in 0..1000 {
            cursor.advance(&engine_event(4 * OVERLAP));
        }
        assert_eq!(cursor.known.len(), ENGINE_MEMORY);
    }
}
