//! How far one vCenter's history was read.

use std::time::Duration;

use jiff::Timestamp;

use super::seen::SeenEvents;
use super::{EventIdentity, before};

/// After a longer silence, vCenter may have purged the last event by its age (30 days by default).
const MAX_AGE_OF_LAST: Duration = Duration::from_secs(7 * 86_400);

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cursor {
    /// Which vCenter.
    pub(crate) instance: String,
    /// Which filter: with another filter, other events follow.
    pub(crate) filter: u32,
    /// Older events are not read; None: there is no limit.
    pub(crate) since: Option<Timestamp>,
    /// The latest event, by its time, before which everything was read.
    pub(crate) last: Option<EventIdentity>,
    /// The server's clock until which the history was followed.
    pub(crate) listened_until: Timestamp,
    pub(crate) seen: SeenEvents,
}

impl Cursor {
    pub(crate) fn new(instance: &str, filter: u32, since: Option<Timestamp>, now: Timestamp) -> Self {
        let instance = instance.to_owned();
        Self { instance, filter, since, last: None, listened_until: now, seen: SeenEvents::default() }
    }

    /// From where to read so that nothing is missed, including events that are late by up to `overlap`. None: from the
    /// beginning.
    pub(crate) fn begin(&self, overlap: Duration) -> Option<Timestamp> {
        // One host whose clock runs ahead must not hide the events of others.
        let begin = self.last.map(|(time, _)| before(time.min(self.listened_until), overlap));
        match (begin, self.since) {
            (Some(begin), Some(since)) => Some(begin.max(since)),
            (begin, since) => begin.or(since),
        }
    }

    /// Everything up to `event` was read.
    pub(crate) fn reach(&mut self, event: EventIdentity) {
        if self.last.is_none_or(|last| last < event) {
            self.last = Some(event);
        }
    }

    pub(crate) fn mark_listened(&mut self, now: Timestamp) {
        self.listened_until = self.listened_until.max(now);
    }

    /// The server's clock was set back to `now`, so new events may have older times than those that were read. Reads
    /// back as far as the store `remembers` ids, at least an overlap, but nothing from before `since`.
    pub(crate) fn turn_back(&mut self, now: Timestamp, remembers: Duration, overlap: Duration) {
        let since = self.since.filter(|since| *since <= now).unwrap_or(Timestamp::MIN);
        let known = before(self.listened_until.max(now), remembers).min(before(now, overlap));
        self.since = Some(since.max(known));
        self.last = None;
        self.listened_until = now;
        self.seen.forgotten = None;
    }

    /// Another filter shows other events: the last event is only a time to read on from.
    pub(crate) fn change_filter(&mut self, filter: u32, overlap: Duration) {
        self.since = self.begin(overlap);
        self.last = None;
        self.filter = filter;
    }

    /// Whether a reading from [`Cursor::begin`] must find the last event again. If it does not, there is a gap.
    pub(crate) fn expects_last(&self) -> bool {
        self.last.is_some_and(|(time, _)| before(self.listened_until, MAX_AGE_OF_LAST) <= time)
    }

    /// Whether an event of this time may have been read and dropped from `seen`. Not where it is late by more than
    /// `overlap`: such an event says nothing about what was read.
    pub(crate) fn has_forgotten(&self, time: Timestamp, overlap: Duration) -> bool {
        self.seen.forgotten.is_some_and(|until| time <= until) && self.begin(overlap).is_none_or(|begin| begin <= time)
    }
}
