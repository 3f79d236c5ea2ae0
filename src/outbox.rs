//! Where sources hand in their events and report how their connection is.
//!
//! A source knows nothing beyond this: neither the relays, nor the store, nor its health monitor.

mod arrival;
mod link_changes;
mod refusals;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::event::{Event, Name};
use crate::fault::Fault;
use crate::reconnect::{STANDSTILL, Standstill};
use arrival::Progress;

pub use arrival::{Arrival, Cursor, Group};
pub use link_changes::{LinkChange, LinkChanges};
pub use refusals::{Refusals, Refused};

/// The reason of a fault: what was handed in could not be stored, and has to be handed in again.
pub const STATE_FILE: &str = "state_file";

/// A full intake slows the sources down instead of using up the memory.
pub const INTAKE: usize = 512;

/// How a source's connection is.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkState {
    Connecting,
    Up,
    Down(Fault),
}

/// Events that are lost for good.
#[derive(Debug)]
pub struct Gap {
    pub from: Timestamp,
    pub to: Timestamp,
    /// How many events, where the source can know.
    pub events: Option<u64>,
    pub why: String,
    /// Answered when the gap is committed.
    pub committed: Option<oneshot::Sender<Result<(), Fault>>>,
}

/// A source's own end of the intake; made by `app`, one for each source.
#[derive(Debug, Clone)]
pub struct Outbox {
    source: Name,
    kind: Name,
    arrivals: mpsc::Sender<Arrival>,
    progress: Arc<Progress>,
    gaps: mpsc::Sender<Gap>,
    link: watch::Sender<LinkState>,
    changes: Arc<LinkChanges>,
    held: watch::Sender<bool>,
    last_event: watch::Sender<Option<Instant>>,
    watched: Arc<AtomicBool>,
    skipped: Arc<AtomicU64>,
    refusals: Refusals,
    /// How long to wait for room in a full intake; None: for ever.
    timeout: Option<Duration>,
}

/// The other end of what a source reports about itself; held by its health monitor.
#[derive(Debug)]
pub struct SourceStatus {
    pub link: watch::Receiver<LinkState>,
    /// What `link` went through; it changes with each.
    pub changes: Arc<LinkChanges>,
    /// Whether the source is not read because nothing can be stored.
    pub held: watch::Receiver<bool>,
    /// Changes only while `watched` is set: while the source could become silent, or is.
    pub last_event: watch::Receiver<Option<Instant>>,
    pub watched: Arc<AtomicBool>,
    /// How many messages were no events.
    pub skipped: Arc<AtomicU64>,
    pub refusals: Refusals,
    pub gaps: mpsc::Receiver<Gap>,
}

impl Outbox {
    pub fn new(source: Name, kind: Name, arrivals: mpsc::Sender<Arrival>) -> (Self, SourceStatus) {
        let (link, link_receiver) = watch::channel(LinkState::Connecting);
        let (held, held_receiver) = watch::channel(false);
        let (last_event, last_event_receiver) = watch::channel(None);
        let (changes, refusals) = (Arc::<LinkChanges>::default(), Refusals::default());
        let skipped = Arc::new(AtomicU64::new(0));
        let watched = Arc::new(AtomicBool::new(false));
        let (gaps, gaps_receiver) = mpsc::channel(1);
        let status = SourceStatus {
            link: link_receiver,
            changes: Arc::clone(&changes),
            held: held_receiver,
            last_event: last_event_receiver,
            watched: Arc::clone(&watched),
            skipped: Arc::clone(&skipped),
            refusals: refusals.clone(),
            gaps: gaps_receiver,
        };
        let outbox = Self {
            source,
            kind,
            arrivals,
            progress: Arc::default(),
            gaps,
            link,
            changes,
            held,
            last_event,
            watched,
            skipped,
            refusals,
            timeout: None,
        };
        (outbox, status)
    }

    /// The same outbox for a sender that cannot wait long: while the intake is full, a `put` is refused as `busy` after this
    /// time, before anything of it was taken.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self.clone() }
    }

    pub fn source(&self) -> &Name {
        &self.source
    }

    pub fn kind(&self) -> &Name {
        &self.kind
    }

    /// The cursor that the store had when the daemon started; set once, before the source runs.
    pub fn resume_at(&self, position: Option<String>) {
        self.progress.set(position);
    }

    /// The last committed position of the source in its own history: where to go on from.
    pub fn cursor(&self) -> Option<String> {
        self.progress.position()
    }

    /// Hands in an event; resolves when it is committed, so answer the sender or move on only then.
    pub async fn put(&self, event: Event, cursor: Option<String>) -> Result<(), Fault> {
        self.event_received();
        self.put_group(Group::One(event), cursor).await
    }

    /// The same for events that belong together: all of them and the cursor are committed at once, or nothing is.
    /// Without events only the cursor moves. After a refusal go on from [`Outbox::cursor`]: what was handed in after
    /// the refused group with a cursor is refused as well.
    pub async fn put_all(&self, events: Vec<Event>, cursor: Option<String>) -> Result<(), Fault> {
        if events.is_empty() && cursor.is_none() {
            return Ok(());
        }
        if !events.is_empty() {
            self.event_received();
        }
        self.put_group(Group::Many { source: self.source.clone(), events }, cursor).await
    }

    /// Hands in an event of a stream, which waits for no answer: resolves when there is room in the intake.
    pub async fn offer(&self, event: Event) -> Result<(), Fault> {
        self.event_received();
        self.send(Arrival { group: Group::One(event), cursor: None, committed: None }).await
    }

    /// Hands in an event that is not worth waiting for. False: the intake is full or closing, and the event is dropped.
    pub fn try_offer(&self, event: Event) -> bool {
        self.arrivals.try_send(Arrival { group: Group::One(event), cursor: None, committed: None }).is_ok()
    }

    /// Reports events that are lost for good, as a `source.gap`; resolves when that is committed. Call it before the cursor
    /// moves past them.
    pub async fn gap(
        &self,
        from: Timestamp,
        to: Timestamp,
        events: Option<u64>,
        why: impl Into<String>,
    ) -> Result<(), Fault> {
        let (committed, answer) = oneshot::channel();
        let gap = Gap { from, to, events, why: why.into(), committed: Some(committed) };
        self.gaps.send(gap).await.map_err(|_| closing())?;
        answer.await.unwrap_or_else(|_| Err(closing()))
    }

    /// A delivery was refused for good (it is too large, say), and its sender does not send it again. All of some minutes
    /// are reported as one gap. Only for senders that are authenticated: anybody else could flood the chat.
    pub fn refused(&self, why: impl Into<String>) {
        self.refusals.add(why.into());
    }

    /// The connection is made, or the poll was answered.
    pub fn up(&self) {
        self.changes.up();
        self.set_link(LinkState::Up);
    }

    /// The connection is gone, or the poll failed.
    pub fn down(&self, why: Fault) {
        self.down_after(why, Duration::ZERO);
    }

    /// The same where a deadline found the peer dead, from which nothing had been received for this long.
    pub fn down_after(&self, why: Fault, silent_for: Duration) {
        self.changes.down(&why, silent_for);
        self.set_link(LinkState::Down(why));
    }

    /// A message was no event (no JSON, say): counted, since it cannot be relayed.
    pub fn skipped(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }

    fn set_link(&self, link: LinkState) {
        self.link.send_if_modified(|current| {
            let changed = *current != link;
            *current = link;
            changed
        });
    }

    fn set_held(&self, held: bool) {
        if *self.held.borrow() != held {
            self.held.send_replace(held);
        }
    }

    /// Called for every event of a storm: unless the source is watched for silence, the clock is not even read.
    fn event_received(&self) {
        if self.watched.load(Ordering::Relaxed) {
            self.last_event.send_replace(Some(Instant::now()));
        }
    }

    async fn put_group(&self, group: Group, cursor: Option<String>) -> Result<(), Fault> {
        let (committed, answer) = oneshot::channel();
        let cursor = cursor.map(|position| self.progress.cursor(position));
        self.send(Arrival { group, cursor, committed: Some(committed) }).await?;
        let result = answer.await.unwrap_or_else(|_| Err(closing()));
        self.set_held(result.as_ref().is_err_and(|fault| fault.reason() == STATE_FILE));
        result
    }

    async fn send(&self, arrival: Arrival) -> Result<(), Fault> {
        let room = match self.arrivals.try_reserve() {
            Ok(room) => room,
            Err(TrySendError::Full(())) => self.wait_for_room().await?,
            Err(TrySendError::Closed(())) => return Err(closing()),
        };
        room.send(arrival);
        Ok(())
    }

    /// The clock is read only here, where the source has to wait.
    async fn wait_for_room(&self) -> Result<mpsc::Permit<'_, Arrival>, Fault> {
        if let Some(limit) = self.timeout {
            let room = timeout(limit, self.arrivals.reserve()).await;
            return room.map_err(|_| Fault::new("busy", "the intake is full"))?.map_err(|_| closing());
        }
        let from = Timestamp::now();
        let mut room = pin!(self.arrivals.reserve());
        let Ok(in_time) = timeout(STANDSTILL, room.as_mut()).await else {
            self.set_held(true);
            let room = room.await.map_err(|_| closing())?;
            self.set_held(false);
            self.changes.stood_still(Standstill { from, to: Timestamp::now().max(from) });
            return Ok(room);
        };
        in_time.map_err(|_| closing())
    }
}

fn closing() -> Fault {
    Fault::new("closing", "the daemon is stopping")
}
