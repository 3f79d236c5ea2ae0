//! How far the reading has come, and how that is written down.
//!
//! Identity of an event is its key together with its time: keys restart when a database is restored, and wrap at
//! 2^31; times repeat. Nothing here is told by the order of keys.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// Time and key of an event: with the vCenter's own id, which event it is.
pub(super) type Mark = (Timestamp, i64);

/// Marks kept in memory: a megabyte or two. Whatever was read longer ago is told apart by the queue.
const REMEMBERED: usize = 20_000;
/// Of those that came last, so many are written down whatever their age: a tail shows late ones again.
const SHOWN: usize = 100;
/// After so long a silence the last event may have left vCenter's history by its mere age (30 days, as shipped).
const OLD_ANCHOR: Duration = Duration::from_secs(7 * 86_400);
/// What is written down is of this form; another one is read as none.
const FORM: u8 = 2;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    /// Which vCenter.
    pub(super) instance: String,
    /// What was asked for: behind another filter other events are the next.
    pub(super) filter: u32,
    /// Nothing older is wanted; None: everything there is.
    pub(super) since: Option<Timestamp>,
    /// The latest event, by its time, that everything before it was read.
    pub(super) last: Option<Mark>,
    /// Up to here, by the server's clock, somebody listened.
    pub(super) heard: Timestamp,
    pub(super) seen: Seen,
}

/// The events read lately, in the order of their arrival.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Seen {
    order: VecDeque<Mark>,
    known: HashSet<Mark>,
    /// The latest time among those that had to be forgotten. Clocks that ran ahead have no say in it.
    forgotten: Option<Timestamp>,
}

/// As JSON. Times are text. Of `seen` there are nanoseconds before `heard` and the key, each less those of the one before:
/// small numbers, for there may be thousands.
#[derive(Serialize, Deserialize)]
struct Written {
    form: u8,
    instance: String,
    filter: u32,
    since: Option<String>,
    last: Option<(String, i64)>,
    heard: String,
    seen: Vec<(i64, i64)>,
    forgotten: Option<String>,
}

impl Place {
    pub(super) fn new(instance: &str, filter: u32, since: Option<Timestamp>, now: Timestamp) -> Self {
        Self { instance: instance.to_owned(), filter, since, last: None, heard: now, seen: Seen::default() }
    }

    /// From where to read so that nothing is missed, late events within `overlap` included. None: from the beginning.
    pub(super) fn begin(&self, overlap: Duration) -> Option<Timestamp> {
        // A host whose clock runs ahead must not make us skip what the others say meanwhile.
        let safe = self.last.map(|(time, _)| back(time.min(self.heard), overlap));
        match (safe, self.since) {
            (Some(safe), Some(since)) => Some(safe.max(since)),
            (safe, since) => safe.or(since),
        }
    }

    /// Everything up to `mark` was read.
    pub(super) fn reach(&mut self, mark: Mark) {
        if self.last.is_none_or(|last| last < mark) {
            self.last = Some(mark);
        }
    }

    pub(super) fn listened_until(&mut self, now: Timestamp) {
        self.heard = self.heard.max(now);
    }

    /// The server's clock stands at `now`, long before what was read: what happens from here on may be older than that.
    /// Read again what the queue `remembers`, an overlap at the least, but nothing from before the very beginning.
    pub(super) fn turn_back(&mut self, now: Timestamp, remembers: Duration, overlap: Duration) {
        let since = self.since.filter(|since| *since <= now).unwrap_or(Timestamp::MIN);
        let known = back(self.heard.max(now), remembers).min(back(now, overlap));
        self.since = Some(since.max(known));
        self.last = None;
        self.heard = now;
        self.seen.forgotten = None;
    }

    /// Another filter shows other events: the last one read is no landmark any more, only a time to go on from.
    pub(super) fn change_filter(&mut self, filter: u32, overlap: Duration) {
        self.since = self.begin(overlap);
        self.last = None;
        self.filter = filter;
    }

    /// Whether the latest event must be found again by whoever reads from [`Place::begin`]; if not, there is a hole.
    pub(super) fn has_an_anchor(&self) -> bool {
        self.last.is_some_and(|(time, _)| back(self.heard, OLD_ANCHOR) <= time)
    }

    /// Behind this time everything that was read is still known, as far as anybody reads back of his own accord: what
    /// is late by more than `overlap` says nothing of what was read.
    pub(super) fn forgot(&self, time: Timestamp, overlap: Duration) -> bool {
        self.seen.forgotten.is_some_and(|until| time <= until) && self.begin(overlap).is_none_or(|begin| begin <= time)
    }

    /// With the marks that the next reading can meet: those within `overlap`, and what a tail still shows.
    pub(super) fn write(&self, overlap: Duration) -> String {
        let begin = self.begin(overlap).unwrap_or(Timestamp::MIN);
        let shown = self.seen.order.len().saturating_sub(SHOWN);
        let met = self.seen.order.iter().enumerate().filter(|(at, mark)| *at >= shown || begin <= mark.0);
        let mut before = (0_i64, 0_i64);
        let seen = met.map(|(_, (time, key))| {
            let now = (nanoseconds(self.heard, *time), *key);
            let step = (now.0.wrapping_sub(before.0), now.1.wrapping_sub(before.1));
            before = now;
            step
        });
        let written = Written {
            form: FORM,
            instance: self.instance.clone(),
            filter: self.filter,
            since: self.since.map(|time| time.to_string()),
            last: self.last.map(|(time, key)| (time.to_string(), key)),
            heard: self.heard.to_string(),
            seen: seen.collect(),
            forgotten: self.seen.forgotten.filter(|until| begin <= *until).map(|time| time.to_string()),
        };
        // Plain data with plain keys, so this cannot fail; were it ever to, the text reads as no place at all.
        serde_json::to_string(&written).unwrap_or_default()
    }

    pub(super) fn read(text: &str) -> Result<Self, String> {
        let written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if written.form != FORM {
            return Err(format!("it is of form {}, which this version does not know", written.form));
        }
        let Written { form: _, instance, filter, since, last, heard, seen, forgotten } = written;
        let time = |text: &String| text.parse::<Timestamp>().map_err(|error| error.to_string());
        let heard = time(&heard)?;
        let since = since.as_ref().map(time).transpose()?;
        let last = last.map(|(text, key)| time(&text).map(|time| (time, key))).transpose()?;
        let mut known = Seen { forgotten: forgotten.as_ref().map(time).transpose()?, ..Seen::default() };
        let mut before = (0_i64, 0_i64);
        for step in seen {
            before = (before.0.wrapping_add(step.0), before.1.wrapping_add(step.1));
            let time = heard.checked_sub(SignedDuration::from_nanos(before.0));
            known.insert((time.map_err(|error| error.to_string())?, before.1), heard);
        }
        Ok(Self { instance, filter, since, last, heard, seen: known })
    }
}

impl Seen {
    /// False where it was there already. `now` is the server's clock.
    pub(super) fn insert(&mut self, mark: Mark, now: Timestamp) -> bool {
        let new = self.known.insert(mark);
        if new {
            self.order.push_back(mark);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
                self.forgotten = self.forgotten.max(Some(oldest.0).filter(|time| *time <= now));
            }
        }
        new
    }

    /// These came last, and did not get through.
    pub(super) fn remove(&mut self, marks: &[Mark]) {
        for mark in marks.iter().rev() {
            if self.order.back() == Some(mark) {
                self.order.pop_back();
                self.known.remove(mark);
            }
        }
    }

    pub(super) fn contains(&self, mark: &Mark) -> bool {
        self.known.contains(mark)
    }

    /// The latest of them that comes before this one.
    pub(super) fn last_before(&self, mark: Mark) -> Option<Mark> {
        self.order.iter().filter(|known| **known < mark).max().copied()
    }

    /// Behind this time everything that was read is still known.
    pub(super) fn complete_after(&self) -> Option<Timestamp> {
        self.forgotten
    }
}

/// `time` less `by`; no clock goes below the first moment there is.
pub(super) fn back(time: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

fn nanoseconds(from: Timestamp, to: Timestamp) -> i64 {
    let nanos = from.as_nanosecond() - to.as_nanosecond();
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERLAP: Duration = Duration::from_secs(300);

    fn at(second: i64) -> Timestamp {
        Timestamp::new(1_700_000_000 + second, 775_951_534).expect("a time")
    }

    fn place() -> Place {
        let mut place = Place::new("dbed6e0c", 7, Some(at(0)), at(0));
        for second in 0..10 {
            place.seen.insert((at(second), i64::MAX - second), at(20));
            place.reach((at(second), i64::MAX - second));
        }
        place.listened_until(at(20));
        place
    }

    #[test]
    fn what_is_written_is_read_again() {
        let place = place();
        assert_eq!(Place::read(&place.write(OVERLAP)), Ok(place));
    }

    #[test]
    fn all_that_the_next_reading_meets_is_written_and_little_else() {
        let mut place = Place::new("i", 0, None, at(0));
        for key in 0..30_000 {
            assert!(place.seen.insert((at(key), key), at(key)));
            place.reach((at(key), key));
        }
        place.listened_until(at(30_000));
        assert_eq!(place.seen.order.len(), REMEMBERED);
        assert_eq!(place.seen.complete_after(), Some(at(9_999)));
        let read = Place::read(&place.write(OVERLAP)).expect("a place");
        assert_eq!((read.seen.order.len(), read.seen.complete_after()), (301, None));
        assert!(read.seen.contains(&(at(29_999), 29_999)) && !read.seen.contains(&(at(1), 1)));
        // What came late is shown by the tail, however old it is.
        place.seen.insert((at(1), 30_000), at(30_000));
        assert!(Place::read(&place.write(OVERLAP)).expect("a place").seen.contains(&(at(1), 30_000)));
        let all = place.write(Duration::from_secs(86_400));
        assert!(all.len() < 400 << 10, "{}", all.len());
        let read = Place::read(&all).expect("a place");
        assert_eq!((read.seen.order.len(), read.seen.complete_after()), (REMEMBERED, Some(at(10_000))));
    }

    #[test]
    fn a_clock_that_runs_ahead_is_forgotten_without_a_trace() {
        let mut place = Place::new("i", 0, None, at(0));
        place.seen.insert((at(86_400 * 365), 1), at(0));
        for key in 2..=30_000 {
            place.seen.insert((at(key), key), at(key));
        }
        place.reach((at(30_000), 30_000));
        place.listened_until(at(30_000));
        assert_eq!(place.seen.complete_after(), Some(at(10_000)));
        assert!(place.forgot(at(9_000), Duration::from_secs(86_400)));
        assert!(!place.forgot(at(9_000), OVERLAP), "what came late is no landmark");
        place.turn_back(at(20_000), Duration::from_secs(86_400), OVERLAP);
        assert_eq!(place.seen.complete_after(), None);
    }

    #[test]
    fn a_clock_that_is_set_back_brings_no_more_than_the_queue_remembers() {
        let day = Duration::from_secs(86_400);
        for (now, since) in [(90_000, 100_000 - 86_400), (10_000, 10_000 - 300)] {
            let mut place = Place::new("i", 0, None, at(100_000));
            place.turn_back(at(now), day, OVERLAP);
            assert_eq!(place.since, Some(at(since)));
        }
    }

    #[test]
    fn damage_is_said_and_never_a_panic() {
        let whole = place().write(OVERLAP);
        for cut in 0..whole.len() {
            assert!(Place::read(whole.get(..cut).expect("ASCII")).is_err(), "{cut}");
        }
        for damage in [
            "null",
            "[]",
            "17",
            &whole.replace("\"form\":2", "\"form\":3"),
            &whole.replace("[[", "[[9223372036854775807,1],["),
            &whole.replace("2023", "20233"),
        ] {
            assert!(Place::read(damage).is_err() || damage.contains("9223372036854775807"), "{damage}");
        }
    }

    #[test]
    fn reading_begins_an_overlap_early_but_never_before_what_is_wanted() {
        let mut place = place();
        assert_eq!(place.begin(OVERLAP), Some(at(0)), "nothing before `since`");
        place.since = None;
        assert_eq!(place.begin(OVERLAP), Some(at(9 - 300)));
        place.reach((at(86_400), 1));
        assert_eq!(place.begin(OVERLAP), Some(at(20 - 300)), "a clock that runs ahead moves nothing");
        assert_eq!(Place::new("i", 0, None, at(0)).begin(OVERLAP), None);
    }

    #[test]
    fn an_old_event_is_no_anchor() {
        let mut place = place();
        assert!(place.has_an_anchor());
        place.listened_until(at(8 * 86_400));
        assert!(!place.has_an_anchor());
        assert!(!Place::new("i", 0, None, at(0)).has_an_anchor());
    }
}
