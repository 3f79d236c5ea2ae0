//! What waits in the intake: events that are committed together, and the cursor that moves with them.

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
    /// Answered when the group is committed (or was seen before, or no relay wants it).
    pub committed: Option<oneshot::Sender<Result<(), Fault>>>,
}

/// A stream's events come one by one, and should not cost a list each.
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

/// A source's new position in its own history, committed together with its group.
#[derive(Debug)]
pub struct Cursor {
    position: String,
    progress: Arc<Progress>,
    /// How often the source had been refused when this was handed in.
    refusals: u64,
}

impl Cursor {
    pub fn position(&self) -> &str {
        &self.position
    }

    /// The group is on disk: the source goes on from here, even if it did not wait for the answer.
    pub fn moved(self) {
        self.progress.set(Some(self.position));
    }

    /// The group was refused: what the source handed in after it must not move the cursor past it. What the source hands
    /// in after the answer may.
    pub fn refused(&self) {
        let (seen, next) = (self.refusals, self.refusals.wrapping_add(1));
        // Where this fails an earlier group was refused, and what was handed in after that answer stands.
        let _already = self.progress.refusals.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Whether a group that was handed in before this one was refused meanwhile.
    pub fn follows_a_refusal(&self) -> bool {
        self.progress.refusals.load(Ordering::Acquire) != self.refusals
    }
}

/// Shared by all clones of one outbox and by its cursors under way.
#[derive(Debug, Default)]
pub(super) struct Progress {
    position: Mutex<Option<String>>,
    refusals: AtomicU64,
}

impl Progress {
    pub(super) fn position(&self) -> Option<String> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, position: Option<String>) {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }

    pub(super) fn cursor(self: &Arc<Self>, position: String) -> Cursor {
        Cursor { position, progress: Arc::clone(self), refusals: self.refusals.load(Ordering::Acquire) }
    }
}
