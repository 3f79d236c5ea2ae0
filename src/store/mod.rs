//! The durable state: what is accepted is on disk until it is delivered, or dead with its reason.
//!
//! The store knows events, deliveries and due times; it knows no sink, no relay and no retry policy. This file and
//! `types` are its boundary: no SQL, page or file beyond [`Store::open`]. Behind it is one implementation, `sqlite`.
//! `tests` is the suite for every implementation: it opens a store, uses it through this boundary and opens it again.
//!
//! Callers must not assume that ids are contiguous, nor that they are the only writer. Ids of one sink are in the order
//! in which its deliveries were accepted.

mod error;
mod sqlite;
mod types;

#[cfg(test)]
mod tests;

use std::path::Path;

use jiff::Timestamp;

use crate::event::Name;
use sqlite::Database;

pub use error::{CommitError, OpenError, StoreError};
pub use sqlite::DeliveryStream;
pub use types::{
    Backlog, Committed, DeadFilter, DeadLetter, Delivery, DeliveryId, DeliveryRow, DeliveryState, Entry, EventFilter,
    EventRow, Health, Incident, IncidentChange, Note, Outcome, Policy, Route, Silence,
};

/// Cheap to clone. Without a [`close`](Store::close) it closes when the last clone and the last stream are dropped.
#[derive(Debug, Clone)]
pub struct Store(Database);

impl Store {
    /// Opens or creates the file, for this process alone. See [`Store::warnings`] afterwards.
    pub fn open(file: &Path, policy: Policy) -> Result<Self, OpenError> {
        Database::open(file, policy).map(Self)
    }

    /// What was unusual about opening, as sentences for the log: for example, a damaged file was set aside.
    pub fn warnings(&self) -> &[String] {
        self.0.warnings()
    }

    /// Writes all of `entries` or none, in their order; resolves when they are on disk. A failure returns the entries.
    pub async fn commit(&self, entries: Vec<Entry>) -> Result<Vec<Committed>, CommitError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        self.0.commit(entries).await
    }

    /// The pending deliveries of `sink`, in order. A second stream of the same sink replaces the first
    /// (see [`DeliveryStream`]).
    pub fn stream(&self, sink: &str) -> DeliveryStream {
        self.0.stream(sink)
    }

    /// Records a verdict. Waits for space in the inbox, not for the disk: a verdict that is lost with the process
    /// repeats its delivery. Unknown and settled ids are ignored.
    pub async fn settle(&self, id: DeliveryId, outcome: Outcome) -> Result<(), StoreError> {
        self.0.settle(id.into(), outcome, Vec::new()).await
    }

    /// Records one verdict for all deliveries of one message, and the notes of their sinks, in one transaction.
    /// Otherwise like [`settle`](Store::settle). Without ids, only the notes are written.
    pub async fn settle_all(
        &self,
        ids: Vec<DeliveryId>,
        outcome: Outcome,
        notes: Vec<(Name, Note)>,
    ) -> Result<(), StoreError> {
        self.0.settle(ids.into(), outcome, notes).await
    }

    /// The notes of `sink` that have not expired, by name. Notes recorded a moment ago may be missing until a
    /// [`flush`](Store::flush). If there are very many, those that expire last.
    pub async fn notes(&self, sink: &str) -> Result<Vec<Note>, StoreError> {
        self.0.notes(sink).await
    }

    /// Resolves when everything given so far is on disk. After an error, verdicts are kept and written later.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.0.flush().await
    }

    /// The last committed cursor of `source`.
    pub async fn cursor(&self, source: &str) -> Result<Option<String>, StoreError> {
        self.0.cursor(source).await
    }

    /// The open incidents.
    pub async fn incidents(&self) -> Result<Vec<Incident>, StoreError> {
        self.0.incidents().await
    }

    /// Newest first.
    pub async fn events(&self, filter: EventFilter) -> Result<Vec<EventRow>, StoreError> {
        self.0.events(filter).await
    }

    /// Oldest first.
    pub async fn dead(&self, filter: DeadFilter) -> Result<Vec<DeadLetter>, StoreError> {
        self.0.dead(filter).await
    }

    /// Turns dead letters into new pending deliveries, accepted now. Returns how many.
    pub async fn replay(&self, filter: DeadFilter) -> Result<usize, StoreError> {
        self.0.replay(filter).await
    }

    /// Stops counting dead letters; they are deleted with other events of their age. Returns how many.
    pub async fn drop_dead(&self, filter: DeadFilter) -> Result<usize, StoreError> {
        self.0.drop_dead(filter).await
    }

    /// All stored silences, active and expired, oldest first.
    pub async fn silences(&self) -> Result<Vec<Silence>, StoreError> {
        self.0.silences().await
    }

    /// Active from now on, and on disk when this resolves.
    pub async fn add_silence(
        &self,
        matches: Vec<String>,
        why: String,
        until: Timestamp,
    ) -> Result<Silence, StoreError> {
        self.0.add_silence(matches, why, until).await
    }

    /// Ends an active silence, or all of them. Returns the ids of those that it ended.
    pub async fn expire_silences(&self, id: Option<i64>) -> Result<Vec<i64>, StoreError> {
        self.0.expire_silences(id).await
    }

    /// What is pending and dead for each sink that ever had a delivery. Cheap: the counts are in memory.
    pub async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        self.0.backlog().await
    }

    /// Whether the latest attempt to write succeeded.
    pub fn health(&self) -> Health {
        self.0.health()
    }

    /// Writes everything given so far and closes the store. An error means that some verdicts could not be written:
    /// their deliveries are repeated after the next start. Afterwards streams and clones return
    /// [`StoreError::Closed`].
    pub async fn close(&self) -> Result<(), StoreError> {
        self.0.close().await
    }
}
