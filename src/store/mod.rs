//! The durable queue: what is accepted is in one file, until it is delivered or buried with its reason.
//!
//! It knows events, deliveries and due times; it knows no sink, no relay and no retry policy. Its
//! interface names no SQL, so that another store could stand behind it.
//!
//! ```text
//!  commit ─▶ writer thread ─▶ file ─▶ shelf of each sink ─▶ Line::take
//!  settle ─▶      ″                 ╰▶ reader thread ─────▶     ″      (a sink in arrears)
//! ```
//!
//! Everything that is written goes through one thread, which puts whatever has queued up into one
//! transaction (`writer`). Sinks get what was just committed from memory, and what is older from
//! the file (`buffer` tells how nothing slips between the two).

mod lists;
mod open;
mod reader;
mod ready_buffer;
mod requests;
mod retention;
mod rows;
mod schema;
mod settle;
mod shared;
mod silences;
mod words;
mod work;
mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::event::Name;
use reader::Reader;
use ready_buffer::{Page, ReadyBuffer};
use requests::{Answer, Ask};
use retention::Sweep;
use settle::{Settle, Which};
use shared::Shared;
use silences::NewSilence;
use work::Portion;
use writer::{INBOX, Writer};

pub use ready_buffer::DeliveryStream;
pub use words::{
    Backlog, Committed, DeadFilter, DeadLetter, Delivery, DeliveryId, DeliveryRow, Entry, EventFilter, EventRow,
    Health, Incident, IncidentChange, Note, OpenError, Outcome, Policy, Route, Silence, State, StoreError,
};

/// How many dead letters one transaction replays or drops.
const PORTION: usize = 1000;

/// Cheap to clone. Without a [`close`](Queue::close) its threads end when the last clone and line are dropped.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    asks: mpsc::Sender<Ask>,
    settles: mpsc::Sender<Settle>,
    /// For lanes and metrics, which must not wait behind a person's long listing.
    reader: Reader,
    lister: Reader,
    shared: Arc<Shared>,
    warnings: Vec<String>,
}

impl Store {
    /// Opens or makes the file, for this process alone, and starts the threads. See [`Store::warnings`] afterwards.
    pub fn open(file: &Path, policy: Policy) -> Result<Self, OpenError> {
        let opened = open::open(file, &policy)?;
        let unusable = |why: String| OpenError::Unusable { file: file.into(), why };
        let (next, counts) = writer::recall(&opened.db).map_err(|error| {
            if open::is_damage(&error) {
                open::suspect(file);
            }
            unusable(error.to_string())
        })?;
        let (asks, asks_inbox) = mpsc::channel(INBOX);
        let (settles, settles_inbox) = mpsc::channel(INBOX);
        let shared = Arc::new(Shared::new(file.to_owned(), counts));
        let reader = Reader::start("queue-reader", file)?;
        let lister = Reader::start("queue-lister", file)?;
        let writer = Writer {
            db: opened.db,
            lock: opened.lock,
            policy,
            shared: shared.clone(),
            asks: asks_inbox,
            settles: settles_inbox,
            next,
            kept: Vec::new(),
            reserve: false,
            sweep: Sweep::new(),
        };
        let name = "queue-writer";
        // Only its clock and its wake-ups are used, by the one thread that it lives in.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|why| OpenError::Thread { name, why })?;
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread.spawn(move || writer.run(&runtime)).map_err(|why| OpenError::Thread { name, why })?;
        Ok(Self(Arc::new(Inner { asks, settles, reader, lister, shared, warnings: opened.warnings })))
    }

    /// What went strangely at the opening, in sentences for the log: a damaged file that was set aside, say.
    pub fn warnings(&self) -> &[String] {
        &self.0.warnings
    }

    /// Writes all of `entries` or nothing, in their order; resolves when they are on disk.
    pub async fn commit(&self, entries: Vec<Entry>) -> Result<Vec<Committed>, StoreError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let accepted = Timestamp::now();
        self.ask(|answer| Ask::Commit { entries, accepted, answer }).await
    }

    /// The sink's own road out. Asked for again, it begins anew (see [`DeliveryStream`]).
    pub fn line(&self, sink: &str) -> DeliveryStream {
        let (place, again) = self.0.shared.buffer(sink);
        DeliveryStream::new(self.clone(), place, again)
    }

    /// Hands a verdict in; does not wait for the disk, only for room in the inbox. One that is lost with
    /// the process repeats its delivery. Unknown or settled ids are passed over.
    pub async fn settle(&self, id: DeliveryId, outcome: Outcome) -> Result<(), StoreError> {
        self.hand_in(Which::One(id), outcome, Vec::new()).await
    }

    /// One verdict for all that one message said, and what its sinks want to remember: together, in one transaction.
    /// Otherwise as [`settle`](Queue::settle). Without ids only the notes are written.
    pub async fn settle_all(
        &self,
        ids: Vec<DeliveryId>,
        outcome: Outcome,
        notes: Vec<(Name, Note)>,
    ) -> Result<(), StoreError> {
        self.hand_in(Which::Many(ids), outcome, notes).await
    }

    /// The notes of `sink` that have not run out, by name. What was handed in a moment ago may not be among them
    /// before a [`flush`](Queue::flush). Of very many those that last longest.
    pub async fn notes(&self, sink: &str) -> Result<Vec<Note>, StoreError> {
        let (sink, now) = (sink.to_owned(), Timestamp::now());
        self.read(&self.0.reader, move |db| lists::notes(db, &sink, now)).await
    }

    /// Resolves when everything given so far is on disk. An error means that it is not yet: verdicts
    /// are kept and tried again.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.ask(Ask::Flush).await
    }

    /// The place of `source` in its own history, as last committed.
    pub async fn cursor(&self, source: &str) -> Result<Option<String>, StoreError> {
        let source = source.to_owned();
        self.read(&self.0.reader, move |db| lists::cursor(db, &source)).await
    }

    /// The incidents that are open.
    pub async fn incidents(&self) -> Result<Vec<Incident>, StoreError> {
        self.read(&self.0.reader, lists::incidents).await
    }

    pub async fn events(&self, ask: EventFilter) -> Result<Vec<EventRow>, StoreError> {
        self.read(&self.0.lister, move |db| lists::events(db, &ask)).await
    }

    pub async fn dead(&self, ask: DeadFilter) -> Result<Vec<DeadLetter>, StoreError> {
        self.read(&self.0.lister, move |db| lists::dead(db, &ask)).await
    }

    /// Dead letters become new pending deliveries, accepted now. Gives how many.
    pub async fn replay(&self, ask: DeadFilter) -> Result<usize, StoreError> {
        self.in_portions(ask, Ask::Replay).await
    }

    /// Dead letters stop being counted; their events go with the others of their age.
    pub async fn drop_dead(&self, ask: DeadFilter) -> Result<usize, StoreError> {
        self.in_portions(ask, Ask::DropDead).await
    }

    /// All silences that are still kept, in force or over, oldest first.
    pub async fn silences(&self) -> Result<Vec<Silence>, StoreError> {
        self.read(&self.0.reader, silences::list).await
    }

    /// In force from now on, and on disk when this resolves.
    pub async fn add_silence(
        &self,
        matches: Vec<String>,
        why: String,
        until: Timestamp,
    ) -> Result<Silence, StoreError> {
        let new = NewSilence { matches, why, since: Timestamp::now(), until };
        self.ask(|answer| Ask::AddSilence(new, answer)).await
    }

    /// Ends a silence before its time, or all that are in force. Gives the ids of those that were.
    pub async fn expire_silences(&self, id: Option<i64>) -> Result<Vec<i64>, StoreError> {
        self.ask(|answer| Ask::ExpireSilences(id, answer)).await
    }

    /// What waits for each sink that ever had something. Cheap: the counts are in memory.
    pub async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        let counts = self.0.shared.counts();
        let busy: Vec<Name> =
            counts.iter().filter(|(_, (pending, _))| *pending > 0).map(|(sink, _)| sink.clone()).collect();
        let mut oldest = Vec::new();
        if !busy.is_empty() {
            let sinks = busy.clone();
            oldest = self.read(&self.0.reader, move |db| lists::oldest(db, &sinks)).await?;
        }
        let mut oldest = busy.into_iter().zip(oldest).peekable();
        let backlog = counts.into_iter().map(|(sink, (pending, dead))| {
            let oldest = oldest.next_if(|(busy, _)| *busy == sink).and_then(|(_, oldest)| oldest);
            Backlog { sink, pending, dead, oldest }
        });
        Ok(backlog.collect())
    }

    /// Whether the latest try to write worked.
    pub fn health(&self) -> Health {
        self.0.shared.health()
    }

    /// Writes what was given, once; ends the threads and frees the file. An error says that some verdicts could
    /// not be written: those deliveries come again at the next start. Lines and clones answer `Closed` from then on.
    pub async fn close(&self) -> Result<(), StoreError> {
        // The readers first: the writer's connection tidies the log away if it is the last.
        self.0.reader.end().await;
        self.0.lister.end().await;
        match self.ask(Ask::Close).await {
            // Somebody else was faster.
            Err(StoreError::Closed) => Ok(()),
            other => other,
        }
    }

    async fn hand_in(&self, which: Which, outcome: Outcome, notes: Vec<(Name, Note)>) -> Result<(), StoreError> {
        let settle = Settle { which, outcome, notes, at: Timestamp::now() };
        self.0.settles.send(settle).await.map_err(|_| StoreError::Closed)
    }

    async fn page(&self, sink: Name, after: i64) -> Result<Page, StoreError> {
        self.read(&self.0.reader, move |db| reader::page(db, &sink, after)).await
    }

    fn forget(&self, gone: &Arc<ReadyBuffer>) {
        self.0.shared.forget(gone);
    }

    async fn in_portions(
        &self,
        ask: DeadFilter,
        make: fn(Portion, Answer<(usize, i64)>) -> Ask,
    ) -> Result<usize, StoreError> {
        let wanted = ask.limit.unwrap_or(usize::MAX);
        let (mut total, mut ceiling) = (0, None);
        while total < wanted {
            let limit = PORTION.min(wanted - total);
            let portion = Portion { ask: ask.clone(), ceiling, limit };
            let (count, held) = self.ask(|answer| make(portion, answer)).await?;
            total += count;
            ceiling = Some(held);
            if count < limit {
                break;
            }
        }
        Ok(total)
    }

    async fn ask<T>(&self, make: impl FnOnce(Answer<T>) -> Ask) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.0.asks.send(make(answer)).await.map_err(|_| StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn read<T: Send + 'static>(
        &self,
        reader: &Reader,
        read: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        reader.ask(read).await?.map_err(|error| writer::judge(&error, &self.0.shared))
    }
}
