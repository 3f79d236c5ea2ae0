//! What stands in the intake: events that belong together, and what is to happen when they are safe.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::event::{Event, Name};
use crate::fault::Fault;

/// One group: all of it is committed in one transaction, or none of it.
#[derive(Debug)]
pub struct Arrival {
    pub group: Group,
    pub cursor: Option<Cursor>,
    /// Answered when the group is committed (or was seen before, or is wanted by nobody).
    pub committed: Option<oneshot::Sender<Result<(), Fault>>>,
}

/// A stream's events come one by one, and must not cost a list each.
#[derive(Debug)]
pub enum Group {
    One(Event),
    /// Of one source. Without any event only the cursor moves.
    Many {
        source: Name,
        events: Vec<Event>,
    },
}

impl Arrival {
    pub fn into_events(self) -> Vec<Event> {
        match self.group {
            Group::One(event) => vec![event],
            Group::Many { events, .. } => events,
        }
    }
}

/// A source's new place in its own history, committed together with its group.
#[derive(Debug)]
pub struct Cursor {
    place: String,
    history: Arc<History>,
    /// How often the source had been refused when this was handed in.
    refusals: u64,
}

impl Cursor {
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The group is on disk: from here the source goes on, also when nobody waited for the answer.
    pub fn moved(self) {
        self.history.set(Some(self.place));
    }

    /// The group was refused: what the source handed in behind it must not move the cursor over the hole. What it
    /// hands in after hearing of it may.
    pub fn refused(&self) {
        let (seen, next) = (self.refusals, self.refusals.wrapping_add(1));
        // Where this fails the hole was made by one before, and whatever came after hearing of that stands.
        let _already = self.history.refusals.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Whether a group that stood before this one was refused.
    pub fn has_a_hole_before_it(&self) -> bool {
        self.history.refusals.load(Ordering::Acquire) != self.refusals
    }
}

/// What all clones of one outbox, and its cursors under way, know together.
#[derive(Debug, Default)]
pub(super) struct History {
    place: Mutex<Option<String>>,
    refusals: AtomicU64,
}

impl History {
    pub(super) fn place(&self) -> Option<String> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, place: Option<String>) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }

    pub(super) fn cursor(self: &Arc<Self>, place: String) -> Cursor {
        Cursor { place, history: Arc::clone(self), refusals: self.refusals.load(Ordering::Acquire) }
    }
}
