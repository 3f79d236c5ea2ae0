//! What the writer and everyone else look at together: shelves, counts, health.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ready_buffer::ReadyBuffer;
use super::words::{Delivery, Health};
use super::work::Changes;
use crate::event::Name;

/// Pending and dead of each sink.
pub(super) type Counts = BTreeMap<Name, (u64, u64)>;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) file: PathBuf,
    buffers: Mutex<HashMap<Name, Arc<ReadyBuffer>>>,
    /// As the file has them: metrics must never scan.
    counts: Mutex<Counts>,
    health: Mutex<Health>,
}

impl Shared {
    pub(super) fn new(file: PathBuf, counts: Counts) -> Self {
        let health = Mutex::new(Health::Writable);
        Self { file, buffers: Mutex::default(), counts: Mutex::new(counts), health }
    }

    /// The sink's new shelf, and whether there was one before, which is closed now.
    pub(super) fn buffer(&self, sink: &str) -> (Arc<ReadyBuffer>, bool) {
        let new = ReadyBuffer::new(sink.into());
        let before = held(&self.buffers).insert(sink.into(), new.clone());
        if let Some(before) = &before {
            before.close();
        }
        (new, before.is_some())
    }

    /// Its line is gone: nothing need be put on it any more.
    pub(super) fn forget(&self, gone: &Arc<ReadyBuffer>) {
        let mut buffers = held(&self.buffers);
        if buffers.get(&gone.sink).is_some_and(|current| Arc::ptr_eq(current, gone)) {
            buffers.remove(&gone.sink);
        }
    }

    pub(super) fn close_buffers(&self) {
        for buffer in held(&self.buffers).values() {
            buffer.close();
        }
    }

    /// What was just committed, in order; `behind` names the sinks with more that lies only in the file.
    pub(super) fn hand_over(&self, fresh: Vec<Delivery>, behind: &[Name]) {
        let buffers = held(&self.buffers);
        for sink in behind {
            if let Some(place) = buffers.get(sink) {
                place.fall_behind();
            }
        }
        let mut fresh = fresh.into_iter().peekable();
        while let Some(first) = fresh.next() {
            let sink = first.sink.clone();
            let run = std::iter::once(first).chain(std::iter::from_fn(|| fresh.next_if(|next| next.sink == sink)));
            match buffers.get(&sink) {
                Some(place) => place.put(run),
                None => run.for_each(drop),
            }
        }
    }

    pub(super) fn count(&self, changes: &Changes) {
        let mut counts = held(&self.counts);
        for (sink, change) in changes.iter() {
            let (pending, dead) = counts.entry(sink.clone()).or_default();
            *pending = pending.saturating_add_signed(change.pending);
            *dead = dead.saturating_add_signed(change.dead);
        }
    }

    pub(super) fn counts(&self) -> Counts {
        held(&self.counts).clone()
    }

    pub(super) fn health(&self) -> Health {
        held(&self.health).clone()
    }

    pub(super) fn set_health(&self, now: Health) {
        let mut health = held(&self.health);
        if *health == now {
            return;
        }
        match &now {
            Health::Writable => tracing::info!(file = %self.file.display(), "the queue can be written again"),
            Health::Refusing(why) => tracing::error!(file = %self.file.display(), why, "the queue cannot be written"),
        }
        *health = now;
    }
}

/// A panic elsewhere leaves these maps whole: each change is one step.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
