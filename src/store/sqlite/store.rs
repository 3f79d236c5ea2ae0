//! [`Store`] in terms of the writer and reader threads.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::access::Access;
use super::reader::Reader;
use super::requests::Request;
use super::retention::Retention;
use super::shared::Shared;
use super::stream::DeliveryStream;
use super::transaction::WriteTransaction;
use super::writer::{INBOX, Writer};
use super::{counts, open, queries, silences, source_up};
use crate::event::Name;
use crate::store::error::{CommitError, OpenError, StoreError};
use crate::store::types::{
    Backlog, Committed, DeadFilter, DeadLetter, DeliveryId, Entry, EventFilter, EventRow, Health, Incident, Note,
    Outcome, Policy, Silence, UpUntil,
};

/// How many dead letters one transaction replays or drops.
const DEAD_BATCH: usize = 1000;

/// Returns how many it changed, and the highest id that it considered: what dies again meanwhile is above it and not
/// taken twice.
type ChangeDead = fn(&mut WriteTransaction<'_>, &DeadFilter, Option<i64>) -> rusqlite::Result<(usize, i64)>;

/// Cheap to clone. Without a [`close`](Store::close) it closes when the last clone and the last stream are dropped.
#[derive(Debug, Clone)]
pub struct Store(Arc<Access>);

impl Store {
    /// Opens or creates the file, for this process alone. See [`Store::warnings`] afterwards.
    pub fn open(file: &Path, policy: Policy) -> Result<Self, OpenError> {
        let opened = open::open(file, &policy)?;
        let (next, counts) = counts::load(&opened.db).map_err(|error| {
            if open::is_damage(&error) {
                open::mark_as_suspect(file);
            }
            open::unusable(file, &error)
        })?;
        let (requests, requests_inbox) = mpsc::channel(INBOX);
        let (settlements, settlements_inbox) = mpsc::channel(INBOX);
        let shared = Arc::new(Shared::new(file.to_owned(), counts));
        let access = Access {
            requests,
            settlements,
            reader: Reader::start("store-reader", file, &shared)?,
            lister: Reader::start("store-lister", file, &shared)?,
            shared: Arc::clone(&shared),
            remember: policy.remember,
            warnings: opened.warnings,
        };
        let writer = Writer {
            db: opened.db,
            file_lock: opened.file_lock,
            policy,
            shared,
            requests: requests_inbox,
            settlements: settlements_inbox,
            next,
            unwritten: Vec::new(),
            has_reserve: false,
            retention: Retention::new(),
        };
        let name = "store-writer";
        // Only its clock and its wake-ups are used, by one thread.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|why| OpenError::Thread { name, why })?;
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread.spawn(move || writer.run(&runtime)).map_err(|why| OpenError::Thread { name, why })?;
        Ok(Self(Arc::new(access)))
    }

    /// What was unusual about opening, as sentences for the log: for example, a damaged file was set aside.
    pub fn warnings(&self) -> &[String] {
        &self.0.warnings
    }

    /// Writes all of `entries` or none, in their order; resolves when they are on disk. A failure returns the entries.
    pub async fn commit(&self, entries: Vec<Entry>) -> Result<Vec<Committed>, CommitError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let (accepted, remember) = (Timestamp::now(), self.0.remember);
        let entries = Arc::new(entries);
        let written = Arc::clone(&entries);
        let committed = self.0.write(move |transaction| {
            transaction.note_sources(&written, accepted)?;
            written.iter().map(|entry| transaction.commit(entry, accepted, remember)).collect()
        });
        committed.await.map_err(|error| CommitError { entries: Arc::unwrap_or_clone(entries), error })
    }

    /// The pending deliveries of `sink`, in order. A second stream of the same sink replaces the first
    /// (see [`DeliveryStream`]).
    pub fn stream(&self, sink: &str) -> DeliveryStream {
        DeliveryStream::new(Arc::clone(&self.0), sink)
    }

    /// Records a verdict. Waits for space in the inbox, not for the disk: a verdict that is lost with the process
    /// repeats its delivery. Unknown and settled ids are ignored.
    pub async fn settle(&self, id: DeliveryId, outcome: Outcome) -> Result<(), StoreError> {
        self.settle_all(vec![id], outcome, Vec::new()).await
    }

    /// Records one verdict for all deliveries of one message, and the notes of their sinks, in one transaction.
    /// Otherwise like [`settle`](Store::settle). Without ids, only the notes are written.
    pub async fn settle_all(
        &self,
        ids: Vec<DeliveryId>,
        outcome: Outcome,
        notes: Vec<(Name, Note)>,
    ) -> Result<(), StoreError> {
        self.0.settle(ids, outcome, notes).await
    }

    /// The notes of `sink` that have not expired, by name. Notes recorded a moment ago may be missing until a
    /// [`flush`](Store::flush). If there are very many, those that expire last.
    pub async fn notes(&self, sink: &str) -> Result<Vec<Note>, StoreError> {
        let (sink, now) = (sink.to_owned(), Timestamp::now());
        self.0.reader.read(move |db| queries::notes(db, &sink, now)).await
    }

    /// Resolves when everything given so far is on disk. After an error, verdicts are kept and written later.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.0.request(Request::Flush).await
    }

    /// The last committed cursor of `source`.
    pub async fn cursor(&self, source: &str) -> Result<Option<String>, StoreError> {
        let source = source.to_owned();
        self.0.reader.read(move |db| queries::cursor(db, &source)).await
    }

    /// Until when `source` was connected, as far as it is known. None: it never was.
    pub async fn up_until(&self, source: &str) -> Result<Option<UpUntil>, StoreError> {
        let source = source.to_owned();
        self.0.reader.read(move |db| source_up::up_until(db, &source)).await
    }

    /// Records until when `source` was connected and, unless it still is, why it no longer is (see [`UpUntil`]);
    /// resolves when it is on disk.
    pub async fn set_up_until(&self, source: &str, until: Timestamp, ended: Option<String>) -> Result<(), StoreError> {
        let source = source.to_owned();
        self.0.write(move |transaction| transaction.set_up_until(&source, until, ended.as_deref())).await
    }

    /// The open incidents.
    pub async fn incidents(&self) -> Result<Vec<Incident>, StoreError> {
        self.0.reader.read(queries::incidents).await
    }

    /// Newest first.
    pub async fn events(&self, filter: EventFilter) -> Result<Vec<EventRow>, StoreError> {
        self.0.lister.read(move |db| queries::events(db, &filter)).await
    }

    /// Oldest first.
    pub async fn dead(&self, filter: DeadFilter) -> Result<Vec<DeadLetter>, StoreError> {
        self.0.lister.read(move |db| queries::dead(db, &filter)).await
    }

    /// Turns dead letters into new pending deliveries, accepted now. Returns how many.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is for one lifetime of the transaction")]
    pub async fn replay(&self, filter: DeadFilter) -> Result<usize, StoreError> {
        self.in_batches(filter, |transaction, filter, highest| transaction.replay(filter, highest)).await
    }

    /// Stops counting dead letters; they are deleted with other events of their age. Returns how many.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is for one lifetime of the transaction")]
    pub async fn drop_dead(&self, filter: DeadFilter) -> Result<usize, StoreError> {
        self.in_batches(filter, |transaction, filter, highest| transaction.drop_dead(filter, highest)).await
    }

    async fn in_batches(&self, filter: DeadFilter, change: ChangeDead) -> Result<usize, StoreError> {
        let wanted = filter.limit.unwrap_or(usize::MAX);
        let (mut total, mut highest) = (0, None);
        while total < wanted {
            let limit = DEAD_BATCH.min(wanted - total);
            let batch = DeadFilter { limit: Some(limit), ..filter.clone() };
            let (count, up_to) = self.0.write(move |transaction| change(transaction, &batch, highest)).await?;
            total += count;
            highest = Some(up_to);
            if count < limit {
                break;
            }
        }
        Ok(total)
    }

    /// All stored silences, active and expired, oldest first.
    pub async fn silences(&self) -> Result<Vec<Silence>, StoreError> {
        self.0.reader.read(silences::list).await
    }

    /// Active from now on, and on disk when this resolves.
    pub async fn add_silence(
        &self,
        matches: Vec<String>,
        why: String,
        until: Timestamp,
    ) -> Result<Silence, StoreError> {
        let new = Silence { id: 0, matches, why, since: Timestamp::now(), until, revoked: None };
        self.0.write(move |transaction| transaction.add_silence(&new)).await
    }

    /// Ends an active silence, or all of them. Returns the ids of those that it ended.
    pub async fn expire_silences(&self, id: Option<i64>) -> Result<Vec<i64>, StoreError> {
        self.0.write(move |transaction| transaction.expire_silences(id, Timestamp::now())).await
    }

    /// What is pending and dead for each sink that ever had a delivery. Cheap: the counts are in memory.
    pub async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        let counts = self.0.shared.counts();
        let busy: Vec<Name> =
            counts.iter().filter(|(_, (pending, _))| *pending > 0).map(|(sink, _)| sink.clone()).collect();
        let mut oldest = Vec::new();
        if !busy.is_empty() {
            let sinks = busy.clone();
            oldest = self.0.reader.read(move |db| queries::oldest(db, &sinks)).await?;
        }
        let mut oldest = busy.into_iter().zip(oldest).peekable();
        let backlog = counts.into_iter().map(|(sink, (pending, dead))| {
            let oldest = oldest.next_if(|(busy, _)| *busy == sink).and_then(|(_, oldest)| oldest);
            Backlog { sink, pending, dead, oldest }
        });
        Ok(backlog.collect())
    }

    /// Whether the latest attempt to write succeeded.
    pub fn health(&self) -> Health {
        self.0.shared.health()
    }

    /// Writes everything given so far and closes the store. An error means that some verdicts could not be written:
    /// their deliveries are repeated after the next start. Afterwards streams and clones return
    /// [`StoreError::Closed`].
    pub async fn close(&self) -> Result<(), StoreError> {
        // Readers first: the last connection to close, the writer's, removes the write-ahead log.
        self.0.reader.end().await;
        self.0.lister.end().await;
        match self.0.request(Request::Close).await {
            // Another clone closed it first.
            Err(StoreError::Closed) => Ok(()),
            other => other,
        }
    }
}
