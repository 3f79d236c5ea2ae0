//! The store's vocabulary: what is written, what is read, and the filters of listings. Plain data.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Event, Name};

/// How long and how much the store keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Settled events older than this are deleted, and letters that died longer ago than this.
    pub retention_age: Duration,
    /// Beyond this many bytes the oldest settled events are deleted early. What is pending or dead never is.
    pub retention_size: u64,
    /// How long the ids of events are remembered, so that a repeated event is planned once.
    pub remember: Duration,
    /// A hard limit in bytes, at which the store behaves as on a full disk.
    pub max_size: Option<u64>,
}

impl Default for Policy {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self { retention_age: 7 * DAY, retention_size: 1 << 30, remember: DAY, max_size: None }
    }
}

/// One event as the relays planned it.
#[derive(Debug, Clone)]
pub struct Entry {
    pub event: Arc<Event>,
    /// Empty: the event itself is not stored, only its cursor and incident.
    pub routes: Vec<Route>,
    /// The new cursor of the event's source.
    pub cursor: Option<String>,
    pub incident: Option<IncidentChange>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub relay: Name,
    pub sink: Name,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The source sent the same id before: nothing was written again (the cursor still moved).
    pub duplicate: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncidentChange {
    Opened(Incident),
    Closed { source: Name },
}

/// An outage that was reported and is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    pub source: Name,
    pub why: String,
    pub since: Timestamp,
    /// `source.lost` or `source.silent`.
    pub event: String,
}

/// Until when a source was connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpUntil {
    pub until: Timestamp,
    /// Why it is no longer connected, in words; None while it is. Then the commits of its events move `until`.
    pub ended: Option<String>,
    /// Whether this process recorded it, and not one before.
    pub by_this_process: bool,
}

/// Opaque. Later deliveries of a sink have greater ids; ids are not contiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(pub(super) i64);

impl DeliveryId {
    /// Sorts after every delivery.
    pub const MAX: Self = Self(i64::MAX);
}

/// For the admin API, which shows ids as numbers.
impl From<DeliveryId> for i64 {
    fn from(id: DeliveryId) -> Self {
        id.0
    }
}

impl From<i64> for DeliveryId {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One event on its way through one relay to one sink.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub id: DeliveryId,
    pub event: Arc<Event>,
    pub relay: Name,
    pub sink: Name,
    /// When it was committed or replayed: `give_up` counts from here.
    pub accepted: Timestamp,
    pub attempts: u32,
    /// Not to be sent before this.
    pub due: Option<Timestamp>,
    pub first_tried: Option<Timestamp>,
    /// It was dead and an operator replayed it.
    pub again: bool,
}

/// The verdict on a delivery. `attempts` counts all so far, including the latest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Delivered {
        receipt: Option<String>,
    },
    Postponed {
        due: Timestamp,
        attempts: u32,
        why: String,
        reply: Option<String>,
    },
    Dead {
        attempts: u32,
        why: String,
        reply: Option<String>,
    },
    /// Not sent, on purpose: muted, silenced, a repetition, or not wanted. Neither an attempt nor a loss.
    Suppressed {
        why: String,
    },
}

/// What a lane remembers, written together with a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub name: String,
    /// None: delete the note.
    pub value: Option<String>,
    /// When it expires.
    pub until: Timestamp,
}

/// An operator's rule to suppress matching messages for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    pub id: i64,
    /// `type=container.*` and the like. The store does not interpret them.
    pub matches: Vec<String>,
    pub why: String,
    pub since: Timestamp,
    pub until: Timestamp,
    /// When an operator ended it early.
    pub revoked: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    Pending,
    Delivered,
    Dead,
    /// Was dead; a new delivery replaces it.
    Replayed,
    /// Was dead; an operator dropped it.
    Dropped,
    /// Not sent, on purpose.
    Suppressed,
}

impl DeliveryState {
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Delivered, Self::Dead, Self::Replayed, Self::Dropped, Self::Suppressed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Replayed => "replayed",
            Self::Dropped => "dropped",
            Self::Suppressed => "suppressed",
        }
    }
}

/// Which events to list, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFilter {
    pub source: Option<String>,
    /// A glob: `*` matches anything.
    pub r#type: Option<String>,
    pub relay: Option<String>,
    pub sink: Option<String>,
    /// Accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Accepted at this time or earlier.
    pub until: Option<Timestamp>,
    pub limit: usize,
}

impl Default for EventFilter {
    fn default() -> Self {
        Self { source: None, r#type: None, relay: None, sink: None, since: None, until: None, limit: 100 }
    }
}

#[derive(Debug, Clone)]
pub struct EventRow {
    pub event: Arc<Event>,
    pub accepted: Timestamp,
    pub deliveries: Vec<DeliveryRow>,
    /// What is wrong with the stored event, if it can no longer be read completely.
    pub damage: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    pub id: DeliveryId,
    pub relay: Name,
    pub sink: Name,
    pub state: DeliveryState,
    pub accepted: Timestamp,
    pub attempts: u32,
    pub due: Option<Timestamp>,
    pub first_tried: Option<Timestamp>,
    /// When each attempt failed, oldest first; only the latest if there were very many.
    pub tries: Vec<Timestamp>,
    /// When it was delivered, died or was suppressed.
    pub settled: Option<Timestamp>,
    /// Why the latest attempt failed, or why none was made.
    pub why: Option<String>,
    /// The latest reply to a failed attempt.
    pub reply: Option<String>,
    pub receipt: Option<String>,
}

/// Which dead letters to use, oldest first. The default selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Empty: any.
    pub ids: Vec<DeliveryId>,
    pub relay: Option<String>,
    pub sink: Option<String>,
    /// Died before this time.
    pub older_than: Option<Timestamp>,
    pub limit: Option<usize>,
}

#[derive(Debug, Clone)]
pub struct DeadLetter {
    pub delivery: DeliveryRow,
    pub event: Arc<Event>,
}

/// The pending and dead deliveries of one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    pub sink: Name,
    pub pending: u64,
    pub dead: u64,
    /// When the oldest pending one was accepted.
    pub oldest: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    Writable,
    /// Why the latest attempt to write failed. Ends when one succeeds.
    Refusing(String),
}
