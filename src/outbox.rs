//! Where sources put their events, and say how they are.
//!
//! A source knows nothing beyond this: not the relays, not the queue, not who watches its health.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::event::{Event, Name};
use crate::fault::Fault;

/// A full intake slows the sources down; it must never eat the memory instead.
pub const INTAKE: usize = 512;

/// What stands in the intake: an event, and who wants to know when it is safe.
#[derive(Debug)]
pub struct Arrival {
    pub event: Event,
    /// The source's place in its own history, committed together with the event.
    pub cursor: Option<String>,
    /// Answered when the event is committed (or was seen before, or is wanted by nobody).
    pub committed: Option<oneshot::Sender<Result<(), Fault>>>,
}

/// How a source is, as far as itself can tell.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    Connecting,
    Up,
    Down(Fault),
}

/// A source's own end of the intake; made by `app`, one for each source.
#[derive(Debug, Clone)]
pub struct Outbox {
    source: Name,
    kind: Name,
    arrivals: mpsc::Sender<Arrival>,
    line: watch::Sender<Line>,
    last_event: watch::Sender<Option<Instant>>,
    attended: Arc<AtomicBool>,
    skipped: Arc<AtomicU64>,
}

/// The other end of what a source says about itself; held by the watch over its health.
#[derive(Debug)]
pub struct Pulse {
    pub line: watch::Receiver<Line>,
    /// Moves only while `attended` is set: while silence would be news, or its end.
    pub last_event: watch::Receiver<Option<Instant>>,
    pub attended: Arc<AtomicBool>,
    /// How much came that could not be understood.
    pub skipped: Arc<AtomicU64>,
}

impl Outbox {
    pub fn new(source: Name, kind: Name, arrivals: mpsc::Sender<Arrival>) -> (Self, Pulse) {
        let (line, line_seen) = watch::channel(Line::Connecting);
        let (last_event, last_event_seen) = watch::channel(None);
        let skipped = Arc::new(AtomicU64::new(0));
        let attended = Arc::new(AtomicBool::new(false));
        let pulse = Pulse {
            line: line_seen,
            last_event: last_event_seen,
            attended: Arc::clone(&attended),
            skipped: Arc::clone(&skipped),
        };
        (Self { source, kind, arrivals, line, last_event, attended, skipped }, pulse)
    }

    pub fn source(&self) -> &Name {
        &self.source
    }

    pub fn kind(&self) -> &Name {
        &self.kind
    }

    /// Hands over an event whose sender can be told: resolves when it is committed, so only then answer or move on.
    pub async fn put(&self, event: Event, cursor: Option<String>) -> Result<(), Fault> {
        self.heard();
        let (committed, answer) = oneshot::channel();
        self.send(Arrival { event, cursor, committed: Some(committed) }).await?;
        answer.await.unwrap_or_else(|_| Err(closing()))
    }

    /// Hands over an event of a stream, which has nobody to tell: resolves when there is room in the intake.
    pub async fn offer(&self, event: Event) -> Result<(), Fault> {
        self.heard();
        self.send(Arrival { event, cursor: None, committed: None }).await
    }

    /// Hands over what is worth a mention but not worth waiting for: dropped (and said so) when the intake is full or closing.
    pub fn mention(&self, event: Event) -> bool {
        self.arrivals.try_send(Arrival { event, cursor: None, committed: None }).is_ok()
    }

    /// The connection stands, or the poll was answered.
    pub fn up(&self) {
        self.say(Line::Up);
    }

    /// The connection is gone, or the poll failed.
    pub fn down(&self, why: Fault) {
        self.say(Line::Down(why));
    }

    /// Something came that is no event (no JSON, say): counted, since it cannot be relayed.
    pub fn skipped(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }

    fn say(&self, line: Line) {
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

    async fn send(&self, arrival: Arrival) -> Result<(), Fault> {
        self.arrivals.send(arrival).await.map_err(|_| closing())
    }
}

fn closing() -> Fault {
    Fault::new("closing", "the daemon is stopping")
}
