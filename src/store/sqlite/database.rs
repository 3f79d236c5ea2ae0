//! The methods of [`Store`](crate::store::Store) in terms of the writer and reader threads.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::access::Access;
use super::reader::Reader;
use super::requests::{Reply, Request};
use super::retention::Retention;
use super::settle::Target;
use super::shared::Shared;
use super::silences::{self, NewSilence};
use super::stream::DeliveryStream;
use super::transaction::DeadBatch;
use super::writer::{INBOX, Writer};
use super::{counts, open, queries};
use crate::event::Name;
use crate::store::error::{CommitError, OpenError, StoreError};
use crate::store::types::{
    Backlog, Committed, DeadFilter, DeadLetter, Entry, EventFilter, EventRow, Health, Incident, Note, Outcome, Policy,
    Silence,
};

/// How many dead letters one transaction replays or drops.
const DEAD_BATCH: usize = 1000;

#[derive(Debug, Clone)]
pub(in crate::store) struct Database {
    access: Arc<Access>,
    warnings: Arc<[String]>,
}

impl Database {
    pub(in crate::store) fn open(file: &Path, policy: Policy) -> Result<Self, OpenError> {
        let opened = open::open(file, &policy)?;
        let (next, counts) = counts::load(&opened.db).map_err(|error| {
            if open::is_damage(&error) {
                open::mark_as_suspect(file);
            }
            OpenError::Unusable { file: file.into(), why: error.to_string() }
        })?;
        let (requests, requests_inbox) = mpsc::channel(INBOX);
        let (settlements, settlements_inbox) = mpsc::channel(INBOX);
        let shared = Arc::new(Shared::new(file.to_owned(), counts));
        let reader = Reader::start("store-reader", file)?;
        let lister = Reader::start("store-lister", file)?;
        let writer = Writer {
            db: opened.db,
            file_lock: opened.file_lock,
            policy,
            shared: shared.clone(),
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
        let access = Access { requests, settlements, reader, lister, shared };
        Ok(Self { access: Arc::new(access), warnings: opened.warnings.into() })
    }

    pub(in crate::store) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(in crate::store) async fn commit(&self, entries: Vec<Entry>) -> Result<Vec<Committed>, CommitError> {
        let accepted = Timestamp::now();
        let (reply, replied) = oneshot::channel();
        let Ok(permit) = self.access.requests.reserve().await else {
            return Err(CommitError { entries, error: StoreError::Closed });
        };
        permit.send(Request::Commit { entries, accepted, reply });
        let closed = CommitError { entries: Vec::new(), error: StoreError::Closed };
        replied.await.unwrap_or(Err(closed))
    }

    pub(in crate::store) fn stream(&self, sink: &str) -> DeliveryStream {
        DeliveryStream::new(Arc::clone(&self.access), sink)
    }

    pub(in crate::store) async fn settle(
        &self,
        target: Target,
        outcome: Outcome,
        notes: Vec<(Name, Note)>,
    ) -> Result<(), StoreError> {
        self.access.settle(target, outcome, notes).await
    }

    pub(in crate::store) async fn notes(&self, sink: &str) -> Result<Vec<Note>, StoreError> {
        let (sink, now) = (sink.to_owned(), Timestamp::now());
        self.access.read(move |db| queries::notes(db, &sink, now)).await
    }

    pub(in crate::store) async fn flush(&self) -> Result<(), StoreError> {
        self.access.request(Request::Flush).await
    }

    pub(in crate::store) async fn cursor(&self, source: &str) -> Result<Option<String>, StoreError> {
        let source = source.to_owned();
        self.access.read(move |db| queries::cursor(db, &source)).await
    }

    pub(in crate::store) async fn incidents(&self) -> Result<Vec<Incident>, StoreError> {
        self.access.read(queries::incidents).await
    }

    pub(in crate::store) async fn events(&self, filter: EventFilter) -> Result<Vec<EventRow>, StoreError> {
        self.access.list(move |db| queries::events(db, &filter)).await
    }

    pub(in crate::store) async fn dead(&self, filter: DeadFilter) -> Result<Vec<DeadLetter>, StoreError> {
        self.access.list(move |db| queries::dead(db, &filter)).await
    }

    pub(in crate::store) async fn replay(&self, filter: DeadFilter) -> Result<usize, StoreError> {
        self.in_batches(filter, Request::Replay).await
    }

    pub(in crate::store) async fn drop_dead(&self, filter: DeadFilter) -> Result<usize, StoreError> {
        self.in_batches(filter, Request::DropDead).await
    }

    pub(in crate::store) async fn silences(&self) -> Result<Vec<Silence>, StoreError> {
        self.access.read(silences::list).await
    }

    pub(in crate::store) async fn add_silence(
        &self,
        matches: Vec<String>,
        why: String,
        until: Timestamp,
    ) -> Result<Silence, StoreError> {
        let new = NewSilence { matches, why, since: Timestamp::now(), until };
        self.access.request(|reply| Request::AddSilence(new, reply)).await
    }

    pub(in crate::store) async fn expire_silences(&self, id: Option<i64>) -> Result<Vec<i64>, StoreError> {
        self.access.request(|reply| Request::ExpireSilences(id, reply)).await
    }

    pub(in crate::store) async fn backlog(&self) -> Result<Vec<Backlog>, StoreError> {
        let counts = self.access.shared.counts();
        let busy: Vec<Name> =
            counts.iter().filter(|(_, (pending, _))| *pending > 0).map(|(sink, _)| sink.clone()).collect();
        let mut oldest = Vec::new();
        if !busy.is_empty() {
            let sinks = busy.clone();
            oldest = self.access.read(move |db| queries::oldest(db, &sinks)).await?;
        }
        let mut oldest = busy.into_iter().zip(oldest).peekable();
        let backlog = counts.into_iter().map(|(sink, (pending, dead))| {
            let oldest = oldest.next_if(|(busy, _)| *busy == sink).and_then(|(_, oldest)| oldest);
            Backlog { sink, pending, dead, oldest }
        });
        Ok(backlog.collect())
    }

    pub(in crate::store) fn health(&self) -> Health {
        self.access.shared.health()
    }

    pub(in crate::store) async fn close(&self) -> Result<(), StoreError> {
        // Readers first: the last connection to close, the writer's, removes the write-ahead log.
        self.access.reader.end().await;
        self.access.lister.end().await;
        match self.access.request(Request::Close).await {
            // Another clone closed it first.
            Err(StoreError::Closed) => Ok(()),
            other => other,
        }
    }

    async fn in_batches(
        &self,
        filter: DeadFilter,
        make: fn(DeadBatch, Reply<(usize, i64)>) -> Request,
    ) -> Result<usize, StoreError> {
        let wanted = filter.limit.unwrap_or(usize::MAX);
        let (mut total, mut highest) = (0, None);
        while total < wanted {
            let limit = DEAD_BATCH.min(wanted - total);
            let batch = DeadBatch { filter: filter.clone(), highest, limit };
            let (count, up_to) = self.access.request(|reply| make(batch, reply)).await?;
            total += count;
            highest = Some(up_to);
            if count < limit {
                break;
            }
        }
        Ok(total)
    }
}
