//! The queue's vocabulary: what goes in, what comes out, what may be asked. Plain data.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Event, Name};

/// How long and how much the state file remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Settled events older than this go, and dead letters that have lain so long.
    pub retention_age: Duration,
    /// Beyond this many bytes the oldest settled events go early. What is pending or dead is never dropped for room.
    pub retention_size: u64,
    /// How long the ids of events are remembered, so that one seen twice is planned once.
    pub remember: Duration,
    /// A hard limit in pages of 4 KiB, past which the queue behaves as on a full disk.
    pub max_pages: Option<u32>,
}

impl Default for Policy {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self { retention_age: 7 * DAY, retention_size: 1 << 30, remember: DAY, max_pages: None }
    }
}

/// One event as the relays planned it.
#[derive(Debug, Clone)]
pub struct Entry {
    pub event: Arc<Event>,
    /// Empty: the event itself is not kept, only what comes with it.
    pub routes: Vec<Route>,
    /// The new place of the event's source in its own history.
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
    /// The source gave the same id before: nothing was written again (the cursor still moved).
    pub duplicate: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IncidentChange {
    Opened(Incident),
    Closed { source: Name },
}

/// An outage that was told and is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    pub source: Name,
    pub why: String,
    pub since: Timestamp,
    /// `source.lost` or `source.silent`.
    pub event: String,
}

/// Rises with every delivery, so it is also the order in which a sink gets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(pub i64);

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
    /// When the queue took it, or when it was replayed: `give_up` counts from here.
    pub accepted: Timestamp,
    pub attempts: u32,
    /// Not before this.
    pub due: Option<Timestamp>,
    pub first_tried: Option<Timestamp>,
    /// A person asked for it once more.
    pub again: bool,
}

/// What became of a delivery. `attempts` counts all so far, the latest included.
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
    /// Not sent, and on purpose: muted, silenced, said already, not wanted. No attempt, and never counted as lost.
    Suppressed {
        why: String,
    },
}

/// What a lane wants to remember beside a verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub name: String,
    /// None: forget it.
    pub value: Option<String>,
    /// From this time on it is as if it were forgotten.
    pub until: Timestamp,
}

/// An operator's wish that certain things not be said for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    pub id: i64,
    /// `type=container.*` and the like: the queue keeps them and understands none.
    pub matches: Vec<String>,
    pub why: String,
    pub since: Timestamp,
    pub until: Timestamp,
    /// When a person ended it before its time.
    pub revoked: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Pending,
    Delivered,
    Dead,
    /// Was dead; another delivery tries again.
    Replayed,
    /// Was dead; a person let it go.
    Dropped,
    /// Not sent, and on purpose.
    Suppressed,
}

impl State {
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Delivered, Self::Dead, Self::Replayed, Self::Dropped, Self::Suppressed];

    /// As the state file writes it: the place in [`State::ALL`].
    pub(super) fn from_code(code: i64) -> Self {
        let place = usize::try_from(code).unwrap_or(usize::MAX);
        // A code that we never wrote is damage; as dead it is at least seen.
        Self::ALL.get(place).copied().unwrap_or(Self::Dead)
    }

    pub fn word(self) -> &'static str {
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
    /// `*` stands for anything.
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
    /// What is wrong with the stored event, if it can no longer be read whole.
    pub damage: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    pub id: DeliveryId,
    pub relay: Name,
    pub sink: Name,
    pub state: State,
    pub accepted: Timestamp,
    pub attempts: u32,
    pub due: Option<Timestamp>,
    pub first_tried: Option<Timestamp>,
    /// When each attempt failed, the latest last; of very many the latest.
    pub tries: Vec<Timestamp>,
    /// When it was delivered, buried or suppressed.
    pub settled: Option<Timestamp>,
    /// Why the latest attempt failed, or why there was none.
    pub why: Option<String>,
    /// The latest answer to an attempt that failed.
    pub reply: Option<String>,
    pub receipt: Option<String>,
}

/// Which dead letters are meant, oldest first. Everything left out means all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadFilter {
    /// Empty: any.
    pub ids: Vec<DeliveryId>,
    pub relay: Option<String>,
    pub sink: Option<String>,
    /// Buried before this time.
    pub older_than: Option<Timestamp>,
    pub limit: Option<usize>,
}

#[derive(Debug, Clone)]
pub struct DeadLetter {
    pub id: DeliveryId,
    pub event: Arc<Event>,
    pub relay: Name,
    pub sink: Name,
    pub accepted: Timestamp,
    pub first_tried: Option<Timestamp>,
    pub buried: Timestamp,
    pub attempts: u32,
    /// When each attempt failed, the latest last; of very many the latest.
    pub tries: Vec<Timestamp>,
    pub why: String,
    /// What the receiver answered last, if it did.
    pub reply: Option<String>,
}

/// How much waits for one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    pub sink: Name,
    pub pending: u64,
    pub dead: u64,
    /// When the first of the pending ones was accepted.
    pub oldest: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    Writable,
    /// The latest transaction failed, and why. Ends when one succeeds.
    Refusing(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("no room to write the queue down: {0}")]
    Full(String),
    #[error("the state file failed: {0}")]
    Io(String),
    #[error("the queue is closed")]
    Closed,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot make the folder {}: {why}; make it, let this user write to it, or set `state` in relays.toml", folder.display())]
    Folder { folder: PathBuf, why: std::io::Error },
    #[error("{} is in use by {holder}: two daemons must not share one state file; stop the other (`fuser {}.lock` shows it) or set `state` in relays.toml", file.display(), file.display())]
    Locked { file: PathBuf, holder: String },
    #[error("{} was written by a newer tidings (schema {found}, this one knows up to {known}): start that version again, or move the file away", file.display())]
    Newer { file: PathBuf, found: i64, known: i64 },
    #[error("{} is a database of some other program: set `state` in relays.toml to a file of its own", file.display())]
    Foreign { file: PathBuf },
    #[error("cannot use {}: {why}; this user must be able to read and write the file and its folder", file.display())]
    Unusable { file: PathBuf, why: String },
    #[error("cannot start the thread {name}: {why}")]
    Thread { name: &'static str, why: std::io::Error },
}
