//! The events that were read lately.

use std::collections::{HashSet, VecDeque};

use jiff::Timestamp;

use super::EventIdentity;

/// Kept in memory: a megabyte or two. The store recognises older ones by their ids.
pub(super) const MAX_SEEN: usize = 20_000;

/// In the order of their arrival.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SeenEvents {
    pub(super) order: VecDeque<EventIdentity>,
    known: HashSet<EventIdentity>,
    /// The latest time of the events that were dropped: all later ones are still known. Times ahead of the server's clock
    /// do not count.
    pub(crate) forgotten: Option<Timestamp>,
}

impl SeenEvents {
    /// False where it was there already. `now` is the server's clock.
    pub(crate) fn insert(&mut self, event: EventIdentity, now: Timestamp) -> bool {
        let new = self.known.insert(event);
        if new {
            self.order.push_back(event);
            if self.order.len() > MAX_SEEN
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
                self.forgotten = self.forgotten.max(Some(oldest.0).filter(|time| *time <= now));
            }
        }
        new
    }

    /// Takes back the latest events, which could not be committed.
    pub(crate) fn remove(&mut self, events: &[EventIdentity]) {
        for event in events.iter().rev() {
            if self.order.back() == Some(event) {
                self.order.pop_back();
                self.known.remove(event);
            }
        }
    }

    pub(crate) fn contains(&self, event: &EventIdentity) -> bool {
        self.known.contains(event)
    }

    /// The latest of them that precedes this event.
    pub(crate) fn last_before(&self, event: EventIdentity) -> Option<EventIdentity> {
        self.order.iter().filter(|known| **known < event).max().copied()
    }
}
