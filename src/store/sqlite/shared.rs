//! State shared by the writer thread and async tasks: ready buffers, counts, health.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::ErrorCode;

use super::counts::{CountChanges, Counts};
use super::open::{is_damage, mark_as_suspect};
use super::ready_buffer::ReadyBuffer;
use crate::event::Name;
use crate::store::error::StoreError;
use crate::store::types::{Delivery, Health};

#[derive(Debug)]
pub(super) struct Shared {
    file: PathBuf,
    buffers: Mutex<HashMap<Name, Arc<ReadyBuffer>>>,
    /// The same as in the file, so that metrics need no scan.
    counts: Mutex<Counts>,
    health: Mutex<Health>,
}

impl Shared {
    pub(super) fn new(file: PathBuf, counts: Counts) -> Self {
        let health = Mutex::new(Health::Writable);
        Self { file, buffers: Mutex::default(), counts: Mutex::new(counts), health }
    }

    /// A new buffer for the sink, and whether it replaces one, which is closed.
    pub(super) fn new_buffer(&self, sink: &str) -> (Arc<ReadyBuffer>, bool) {
        let new = ReadyBuffer::new(sink.into());
        let before = lock(&self.buffers).insert(sink.into(), new.clone());
        if let Some(before) = &before {
            before.close();
        }
        (new, before.is_some())
    }

    /// Its stream is gone: nothing needs to be added any more.
    pub(super) fn remove_buffer(&self, gone: &Arc<ReadyBuffer>) {
        let mut buffers = lock(&self.buffers);
        if buffers.get(&gone.sink).is_some_and(|current| Arc::ptr_eq(current, gone)) {
            buffers.remove(&gone.sink);
        }
    }

    pub(super) fn close_buffers(&self) {
        for buffer in lock(&self.buffers).values() {
            buffer.close();
        }
    }

    /// Passes on what was just committed, in order. `behind` are sinks with further deliveries only in the file.
    pub(super) fn hand_over(&self, fresh: Vec<Delivery>, behind: &[Name]) {
        let buffers = lock(&self.buffers);
        for sink in behind {
            if let Some(buffer) = buffers.get(sink) {
                buffer.fall_behind();
            }
        }
        let mut fresh = fresh.into_iter().peekable();
        while let Some(first) = fresh.next() {
            let sink = first.sink.clone();
            let run = std::iter::once(first).chain(std::iter::from_fn(|| fresh.next_if(|next| next.sink == sink)));
            match buffers.get(&sink) {
                Some(buffer) => buffer.add(run),
                None => run.for_each(drop),
            }
        }
    }

    pub(super) fn count(&self, changes: &CountChanges) {
        let mut counts = lock(&self.counts);
        for (sink, change) in changes.iter() {
            let (pending, dead) = counts.entry(sink.clone()).or_default();
            *pending = pending.saturating_add_signed(change.pending);
            *dead = dead.saturating_add_signed(change.dead);
        }
    }

    pub(super) fn counts(&self) -> Counts {
        lock(&self.counts).clone()
    }

    pub(super) fn health(&self) -> Health {
        lock(&self.health).clone()
    }

    pub(super) fn set_health(&self, now: Health) {
        let mut health = lock(&self.health);
        if *health == now {
            return;
        }
        match &now {
            Health::Writable => tracing::info!(file = %self.file.display(), "the state file can be written again"),
            Health::Refusing(why) => {
                tracing::error!(file = %self.file.display(), why, "cannot write the state file, retrying");
            }
        }
        *health = now;
    }

    /// What the error means to the caller. Damage is marked for the next start.
    pub(super) fn classify(&self, error: &rusqlite::Error) -> StoreError {
        let file = self.file.display();
        if is_damage(error) {
            mark_as_suspect(&self.file);
            return StoreError::Failed(format!(
                "{file} is damaged ({error}); the next start checks it and sets it aside"
            ));
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => self.full(),
            _ => StoreError::Failed(format!("{file}: {error}")),
        }
    }

    pub(super) fn full(&self) -> StoreError {
        StoreError::Full(format!("{}: the disk is full or the file's limit is reached", self.file.display()))
    }
}

/// A panic elsewhere leaves these maps intact: each change is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
