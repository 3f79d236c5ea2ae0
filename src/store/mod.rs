//! The durable state: what is accepted is on disk until it is delivered, or dead with its reason.
//!
//! The store knows events, deliveries and due times; it knows no sink, no relay and no retry policy. Its boundary, the
//! methods of [`Store`] and `types`, has no SQL, page or file beyond [`Store::open`]. Behind it is one implementation,
//! `sqlite`. `tests` is the suite for every implementation: it opens a store, uses it through this boundary and opens
//! it again.
//!
//! Callers must not assume that ids are contiguous, nor that they are the only writer. Ids of one sink are in the order
//! in which its deliveries were accepted.

mod error;
mod sqlite;
mod types;

#[cfg(test)]
mod tests;

pub use error::{CommitError, OpenError, StoreError};
pub use sqlite::{DeliveryStream, Store};
pub use types::{
    Backlog, Committed, DeadFilter, DeadLetter, Delivery, DeliveryId, DeliveryRow, DeliveryState, Entry, EventFilter,
    EventRow, Health, Incident, IncidentChange, Note, Outcome, Policy, Route, Silence, UpUntil,
};
