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
    /// Reading stood still after this time, so that events may be missing between this and the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    complete_until: Option<i64>,
}

impl Cursor {
    pub(super) fn starting_at(at: Timestamp) -> Self {
        let at = i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX);
        Self { at, known: VecDeque::new(), complete_until: None }
    }

    /// The value of `since`, which includes the overlap.
    pub(super) fn since(&self) -> String {
        let at = self.complete_until.unwrap_or(self.at);
        let from = if self.known.is_empty() { at } else { at.saturating_sub(OVERLAP) };
        format!("{}.{:09}", from.div_euclid(1_000_000_000), from.rem_euclid(1_000_000_000))
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_nanosecond(self.at.into()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// From now on events may be missing: they have to be requested again.
    pub(super) fn stood_still(&mut self) {
        self.complete_until.get_or_insert(self.at);
    }

    /// The Engine sent again what it still knew, or nothing was missing.
    pub(super) fn is_complete(&mut self) {
        self.complete_until = None;
    }

    /// The time of the last event before `time`, after which something is missing.
    pub(super) fn time_before(&self, time: Timestamp) -> Timestamp {
        let limit = i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX);
        let known = self.known.iter().map(|(at, _)| *at).filter(|at| *at < limit).max();
        let at = known.unwrap_or_else(|| self.complete_until.unwrap_or(self.at));
        Timestamp::from_nanosecond(at.into()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub(super) fn has_events(&self) -> bool {
        !self.known.is_empty()
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.known.iter().any(|(_, known)| known == id)
    }

    pub(super) fn advance(&mut self, event: &EngineEvent) {
        // What the Engine sends again after a standstill is older than what was read meanwhile.
        self.at = self.at.max(event.at);
        self.known.push_back((event.at, event.id.clone()));
        let from = self.complete_until.unwrap_or(event.at).min(event.at).saturating_sub(OVERLAP);
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
    fn after_a_standstill_events_are_requested_from_its_beginning_until_they_are_complete() {
        let second = OVERLAP;
        let mut cursor = Cursor::starting_at(Timestamp::UNIX_EPOCH);
        cursor.advance(&engine_event(10 * second));
        cursor.stood_still();
        for at in [20, 30] {
            cursor.advance(&engine_event(at * second));
        }
        let text = print_cursor(&cursor);
        let mut cursor: Cursor = serde_json::from_str(&text).expect("a cursor");
        assert_eq!(cursor.since(), "9.000000000");
        assert!([10, 20, 30].iter().all(|at| cursor.contains(&format!("id{}", at * second))));
        let before = |seconds: i64| cursor.time_before(Timestamp::from_second(seconds).expect("a time")).as_second();
        assert_eq!([before(5), before(15), before(25), before(35)], [10, 10, 20, 30]);
        cursor.advance(&engine_event(25 * second));
        cursor.is_complete();
        assert_eq!(cursor.since(), "29.000000000", "the last event, not the one that came again");
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
