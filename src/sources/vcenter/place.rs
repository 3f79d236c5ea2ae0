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
/// Marks written with every commit: some 20 KiB. Behind a longer overlap the queue knows the events by their ids.
const WRITTEN: usize = 1_000;
/// After so long a silence the last event may have left vCenter's history by its mere age (30 days, as shipped).
const OLD_ANCHOR: Duration = Duration::from_secs(7 * 86_400);
/// What is written down is of this form; another one is read as none.
const FORM: u8 = 1;

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
    /// The latest time among those that had to be forgotten.
    forgotten: Option<Timestamp>,
}

/// As JSON. Times are text; those of `seen` are nanoseconds before `heard`.
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
    /// Read `again` so much, but nothing from before the very beginning.
    pub(super) fn turn_back(&mut self, now: Timestamp, again: Duration) {
        let since = self.since.filter(|since| *since <= now).unwrap_or(Timestamp::MIN);
        self.since = Some(since.max(back(now, again)));
        self.last = None;
        self.heard = now;
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

    pub(super) fn write(&self) -> String {
        let skipped = self.seen.order.len().saturating_sub(WRITTEN);
        let forgotten = self.seen.order.iter().take(skipped).map(|(time, _)| *time).max();
        let written = Written {
            form: FORM,
            instance: self.instance.clone(),
            filter: self.filter,
            since: self.since.map(|time| time.to_string()),
            last: self.last.map(|(time, key)| (time.to_string(), key)),
            heard: self.heard.to_string(),
            seen: self.seen.order.iter().skip(skipped).map(|mark| (nanoseconds(self.heard, mark.0), mark.1)).collect(),
            forgotten: forgotten.max(self.seen.forgotten).map(|time| time.to_string()),
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
        for (ago, key) in seen {
            let time = heard.checked_sub(SignedDuration::from_nanos(ago));
            known.insert((time.map_err(|error| error.to_string())?, key));
        }
        Ok(Self { instance, filter, since, last, heard, seen: known })
    }
}

impl Seen {
    /// False where it was there already.
    pub(super) fn insert(&mut self, mark: Mark) -> bool {
        let new = self.known.insert(mark);
        if new {
            self.order.push_back(mark);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
                self.forgotten = self.forgotten.max(Some(oldest.0));
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
            place.seen.insert((at(second), i64::MAX - second));
            place.reach((at(second), i64::MAX - second));
        }
        place.listened_until(at(20));
        place
    }

    #[test]
    fn what_is_written_is_read_again() {
        let place = place();
        assert_eq!(Place::read(&place.write()), Ok(place));
    }

    #[test]
    fn a_long_row_is_written_short_and_says_so() {
        let mut place = Place::new("i", 0, None, at(0));
        for key in 0..30_000 {
            assert!(place.seen.insert((at(key), key)));
        }
        assert_eq!(place.seen.order.len(), REMEMBERED);
        assert_eq!(place.seen.complete_after(), Some(at(9_999)));
        let written = place.write();
        assert!(written.len() < 32 << 10, "{}", written.len());
        let read = Place::read(&written).expect("a place");
        assert_eq!(read.seen.order.len(), WRITTEN);
        assert_eq!(read.seen.complete_after(), Some(at(28_999)));
        assert!(read.seen.contains(&(at(29_999), 29_999)) && !read.seen.contains(&(at(1), 1)));
    }

    #[test]
    fn damage_is_said_and_never_a_panic() {
        let whole = place().write();
        for cut in 0..whole.len() {
            assert!(Place::read(whole.get(..cut).expect("ASCII")).is_err(), "{cut}");
        }
        for damage in [
            "null",
            "[]",
            "17",
            &whole.replace("\"form\":1", "\"form\":2"),
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
