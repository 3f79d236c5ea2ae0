//! Where sources put their events, and say how they are.
//!
//! A source knows nothing beyond this: not the relays, not the queue, not who watches its health.

mod arrival;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::event::{Event, Name};
use crate::fault::Fault;
use arrival::History;

pub use arrival::{Arrival, Cursor, Group};

/// A full intake slows the sources down; it must never eat the memory instead.
pub const INTAKE: usize = 512;

/// How a source is, as far as itself can tell.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkState {
    Connecting,
    Up,
    Down(Fault),
}

/// Something is missing that nobody can fetch any more.
#[derive(Debug)]
pub struct Gap {
    pub from: Timestamp,
    pub to: Timestamp,
    /// How many events, where the source can know.
    pub events: Option<u64>,
    pub why: String,
    /// Answered when it is written down.
    pub told: Option<oneshot::Sender<Result<(), Fault>>>,
}

/// A source's own end of the intake; made by `app`, one for each source.
#[derive(Debug, Clone)]
pub struct Outbox {
    source: Name,
    kind: Name,
    arrivals: mpsc::Sender<Arrival>,
    history: Arc<History>,
    gaps: mpsc::Sender<Gap>,
    line: watch::Sender<LinkState>,
    last_event: watch::Sender<Option<Instant>>,
    attended: Arc<AtomicBool>,
    skipped: Arc<AtomicU64>,
    /// How long a full intake is waited for; None: for ever.
    patience: Option<Duration>,
}

/// The other end of what a source says about itself; held by the watch over its health.
#[derive(Debug)]
pub struct SourceStatus {
    pub line: watch::Receiver<LinkState>,
    /// Moves only while `attended` is set: while silence would be news, or its end.
    pub last_event: watch::Receiver<Option<Instant>>,
    pub attended: Arc<AtomicBool>,
    /// How much came that could not be understood.
    pub skipped: Arc<AtomicU64>,
    pub gaps: mpsc::Receiver<Gap>,
}

impl Outbox {
    pub fn new(source: Name, kind: Name, arrivals: mpsc::Sender<Arrival>) -> (Self, SourceStatus) {
        let (line, line_seen) = watch::channel(LinkState::Connecting);
        let (last_event, last_event_seen) = watch::channel(None);
        let skipped = Arc::new(AtomicU64::new(0));
        let attended = Arc::new(AtomicBool::new(false));
        let (gaps, gaps_told) = mpsc::channel(1);
        let status = SourceStatus {
            line: line_seen,
            last_event: last_event_seen,
            attended: Arc::clone(&attended),
            skipped: Arc::clone(&skipped),
            gaps: gaps_told,
        };
        let history = Arc::default();
        (Self { source, kind, arrivals, history, gaps, line, last_event, attended, skipped, patience: None }, status)
    }

    /// The same outbox for somebody who cannot wait long: a `put` into an intake that stays full is refused as `busy`,
    /// before anything of it was taken.
    #[must_use]
    pub fn hurried(&self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self.clone() }
    }

    pub fn source(&self) -> &Name {
        &self.source
    }

    pub fn kind(&self) -> &Name {
        &self.kind
    }

    /// Where the source stood when the daemon last stopped; said once, before the source runs.
    pub fn resume_at(&self, place: Option<String>) {
        self.history.set(place);
    }

    /// The last committed place of the source in its own history: where to go on from.
    pub fn cursor(&self) -> Option<String> {
        self.history.place()
    }

    /// Hands over an event whose sender can be told: resolves when it is committed, so only then answer or move on.
    pub async fn put(&self, event: Event, cursor: Option<String>) -> Result<(), Fault> {
        self.heard();
        self.put_group(Group::One(event), cursor).await
    }

    /// The same for events that belong together: all of them and the cursor are committed at once, or nothing is.
    /// Without events only the cursor moves. After a refusal go on from [`Outbox::cursor`]: what was handed in behind
    /// the refused group with a cursor is refused as well.
    pub async fn put_all(&self, events: Vec<Event>, cursor: Option<String>) -> Result<(), Fault> {
        if events.is_empty() && cursor.is_none() {
            return Ok(());
        }
        if !events.is_empty() {
            self.heard();
        }
        self.put_group(Group::Many { source: self.source.clone(), events }, cursor).await
    }

    /// Hands over an event of a stream, which has nobody to tell: resolves when there is room in the intake.
    pub async fn offer(&self, event: Event) -> Result<(), Fault> {
        self.heard();
        self.send(Arrival { group: Group::One(event), cursor: None, committed: None }).await
    }

    /// Hands over what is worth a mention but not worth waiting for: dropped (and said so) when the intake is full or closing.
    pub fn mention(&self, event: Event) -> bool {
        self.arrivals.try_send(Arrival { group: Group::One(event), cursor: None, committed: None }).is_ok()
    }

    /// Says that something is missing for good: a `source.gap`, counted, and resolved when it is written down.
    /// Say so before the cursor moves past it.
    pub async fn gap(
        &self,
        from: Timestamp,
        to: Timestamp,
        events: Option<u64>,
        why: impl Into<String>,
    ) -> Result<(), Fault> {
        let (told, answer) = oneshot::channel();
        let gap = Gap { from, to, events, why: why.into(), told: Some(told) };
        self.gaps.send(gap).await.map_err(|_| closing())?;
        answer.await.unwrap_or_else(|_| Err(closing()))
    }

    /// The connection stands, or the poll was answered.
    pub fn up(&self) {
        self.say(LinkState::Up);
    }

    /// The connection is gone, or the poll failed.
    pub fn down(&self, why: Fault) {
        self.say(LinkState::Down(why));
    }

    /// Something came that is no event (no JSON, say): counted, since it cannot be relayed.
    pub fn skipped(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }

    fn say(&self, line: LinkState) {
        self.line.send_if_modified(|now| {
            let news = *now != line;
            *now = line;
            news
        });
    }

    /// For every event of a flood: where nobody listens for silence, not even the clock is looked at.
    fn heard(&self) {
        if self.attended.load(Ordering::Relaxed) {
            self.last_event.send_replace(Some(Instant::now()));
        }
    }

    async fn put_group(&self, group: Group, cursor: Option<String>) -> Result<(), Fault> {
        let (committed, answer) = oneshot::channel();
        let cursor = cursor.map(|place| self.history.cursor(place));
        self.send(Arrival { group, cursor, committed: Some(committed) }).await?;
        answer.await.unwrap_or_else(|_| Err(closing()))
    }

    async fn send(&self, arrival: Arrival) -> Result<(), Fault> {
        let Some(patience) = self.patience else { return self.arrivals.send(arrival).await.map_err(|_| closing()) };
        let room = timeout(patience, self.arrivals.reserve()).await;
        let room = room.map_err(|_| Fault::new("busy", "the intake is full"))?;
        room.map_err(|_| closing())?.send(arrival);
        Ok(())
    }
}

fn closing() -> Fault {
    Fault::new("closing", "the daemon is stopping")
}
