//! The changes of a source's connection, in order, until its health monitor takes them. A watched state alone would hide
//! a loss from a monitor that is busy while the connection is made again.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::fault::Fault;
use crate::reconnect::{ReadingClock, Standstill};

/// How many changes wait; beyond that outages are joined, so that the memory is bounded and no loss is forgotten.
const MOST_CHANGES: usize = 64;
/// A loss so soon after a standstill counts as its consequence: the peer gave us up meanwhile, and what it had sent
/// before was still to be read.
const CONSEQUENCE: Duration = Duration::from_secs(30);

/// A connection that was made or lost. Attempts that fail in between are no changes.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkChange {
    Connected {
        at: Timestamp,
    },
    Disconnected {
        /// From when on something may have been missed: earlier than the loss where reading stood still before it.
        since: Timestamp,
        why: Fault,
    },
}

/// Shared by a source's outbox and its health monitor.
#[derive(Debug, Default)]
pub struct LinkChanges(Mutex<Changes>);

#[derive(Debug, Default)]
struct Changes {
    waiting: VecDeque<LinkChange>,
    is_up: bool,
    /// None until a monitor lets it tick.
    clock: Option<ReadingClock>,
    /// The latest one.
    standstill: Option<Standstill>,
}

impl LinkChanges {
    /// The oldest change that was not taken yet.
    pub fn take(&self) -> Option<LinkChange> {
        self.lock().waiting.pop_front()
    }

    /// The process is not stopped. Called at least once a second, or never.
    pub fn tick(&self) {
        self.lock().tick(true);
    }

    /// The source could not hand in its events, and so did not read.
    pub(super) fn stood_still(&self, standstill: Standstill) {
        self.lock().stood_still(standstill);
    }

    pub(super) fn up(&self) {
        let mut changes = self.lock();
        if !std::mem::replace(&mut changes.is_up, true) {
            changes.waiting.push_back(LinkChange::Connected { at: Timestamp::now() });
        }
    }

    /// `silent_for`: how long the peer may have been dead already.
    pub(super) fn down(&self, why: &Fault, silent_for: Duration) {
        let mut changes = self.lock();
        if !std::mem::replace(&mut changes.is_up, false) {
            return;
        }
        changes.tick(false);
        let now = Timestamp::now();
        let silent_since = before(now, silent_for);
        let stood = changes.standstill.take().filter(|stood| stood.to >= before(now, CONSEQUENCE));
        let since = stood.map_or(silent_since, |stood| stood.from.min(silent_since));
        if changes.waiting.len() >= MOST_CHANGES
            && let Some(LinkChange::Connected { .. }) = changes.waiting.back()
        {
            changes.waiting.pop_back();
            return;
        }
        changes.waiting.push_back(LinkChange::Disconnected { since, why: why.clone() });
    }

    fn lock(&self) -> MutexGuard<'_, Changes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changes {
    fn tick(&mut self, starts: bool) {
        if let Some(clock) = &mut self.clock {
            let standstill = clock.tick();
            if let Some(standstill) = standstill {
                self.stood_still(standstill);
            }
        } else if starts {
            self.clock = Some(ReadingClock::start());
        }
    }

    fn stood_still(&mut self, new: Standstill) {
        // One may be part of the other: an intake that is full while the process is stopped.
        let joined = self.standstill.filter(|old| old.to >= new.from).map(|old| old.from.min(new.from));
        self.standstill = Some(Standstill { from: joined.unwrap_or(new.from), to: new.to });
    }
}

fn before(time: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| time.checked_sub(by).ok()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed() -> Fault {
        Fault::new("closed", "the peer closed the connection")
    }

    fn taken(changes: &LinkChanges) -> Vec<LinkChange> {
        std::iter::from_fn(|| changes.take()).collect()
    }

    fn since(changes: &LinkChanges) -> Timestamp {
        match taken(changes).pop() {
            Some(LinkChange::Disconnected { since, .. }) => since,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_what_was_up_is_disconnected_and_nothing_is_reported_twice() {
        let changes = LinkChanges::default();
        for _ in 0..3 {
            changes.down(&closed(), Duration::ZERO);
        }
        assert_eq!(taken(&changes), []);
        for _ in 0..3 {
            changes.up();
        }
        changes.down(&closed(), Duration::ZERO);
        changes.down(&closed(), Duration::ZERO);
        let taken = taken(&changes);
        assert!(matches!(taken[..], [LinkChange::Connected { .. }, LinkChange::Disconnected { .. }]), "{taken:?}");
    }

    #[test]
    fn a_monitor_that_is_far_behind_learns_of_one_long_outage() {
        let changes = LinkChanges::default();
        for _ in 0..10 * MOST_CHANGES {
            changes.up();
            changes.down(&closed(), Duration::ZERO);
        }
        changes.up();
        let taken = taken(&changes);
        assert!(taken.len() <= MOST_CHANGES + 1, "{}", taken.len());
        assert!(matches!(taken.last(), Some(LinkChange::Connected { .. })));
        for pair in taken.windows(2) {
            assert_ne!(
                matches!(pair[0], LinkChange::Connected { .. }),
                matches!(pair[1], LinkChange::Connected { .. }),
                "they alternate"
            );
        }
    }

    #[test]
    fn a_loss_after_a_standstill_is_dated_to_its_beginning() {
        let (changes, now) = (LinkChanges::default(), Timestamp::now());
        changes.up();
        let stood = |from: u64, to: u64| Standstill {
            from: before(now, Duration::from_secs(from)),
            to: before(now, Duration::from_secs(to)),
        };
        changes.stood_still(stood(100, 50));
        changes.stood_still(stood(60, 1));
        changes.down(&closed(), Duration::ZERO);
        assert_eq!(since(&changes), stood(100, 0).from, "both are one");
        changes.up();
        changes.down(&closed(), Duration::from_secs(10));
        let silent_since = since(&changes);
        assert!(silent_since >= stood(10, 0).from && silent_since < now, "the standstill is over");
        changes.up();
        changes.stood_still(stood(100, 50));
        changes.down(&closed(), Duration::ZERO);
        assert!(since(&changes) >= now, "the connection survived that one");
    }
}
