//! Threads that read the file while the writer writes: one for short reads of lanes, one for operators' listings.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

use super::open;
use super::ready_buffer::{CAPACITY_BYTES, Page, Unreadable};
use super::rows::Columns;
use super::shared::Shared;
use crate::event::Name;
use crate::store::error::{OpenError, StoreError};
use crate::store::types::{Delivery, DeliveryId};

/// How many reads wait for the thread; further callers wait for a free slot.
const WAITING_READS: usize = 64;

/// How many deliveries a sink that is behind reads at once.
pub(super) const PAGE: usize = 512;

enum Job {
    Read(Box<dyn FnOnce(&Connection) + Send>),
    End(oneshot::Sender<()>),
}

#[derive(Debug)]
pub(super) struct Reader {
    jobs: mpsc::Sender<Job>,
    shared: Arc<Shared>,
}

impl Reader {
    pub(super) fn start(name: &'static str, file: &Path, shared: &Arc<Shared>) -> Result<Self, OpenError> {
        let db = open::reader(file)?;
        let (jobs, mut inbox) = mpsc::channel(WAITING_READS);
        let work = move || {
            while let Some(job) = inbox.blocking_recv() {
                match job {
                    Job::Read(read) => read(&db),
                    Job::End(done) => {
                        drop(db);
                        // The caller may be gone.
                        let _: Result<(), ()> = done.send(());
                        return;
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread.spawn(work).map_err(|why| OpenError::Thread { name, why })?;
        Ok(Self { jobs, shared: Arc::clone(shared) })
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, replied) = oneshot::channel();
        let job = Job::Read(Box::new(move |db| {
            // The caller may be gone.
            drop(reply.send(read(db)));
        }));
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        replied.await.map_err(|_| StoreError::Closed)?.map_err(|error| self.shared.classify(&error))
    }

    /// Resolves when the connection is closed.
    pub(super) async fn end(&self) {
        let (done, ended) = oneshot::channel();
        if self.jobs.send(Job::End(done)).await.is_ok() {
            // An error means that it ended before.
            let _: Result<(), _> = ended.await;
        }
    }
}

/// The pending deliveries of `sink` above `after`.
pub(super) fn page(db: &Connection, sink: &Name, after: i64) -> rusqlite::Result<Page> {
    let mut statement = db.prepare_cached(
        "SELECT d.id, d.relay, d.accepted, d.attempts, d.due, d.first_tried, d.replay_of,
                e.seq, e.source, e.kind, e.type, e.subject, e.id, e.time, e.crc, e.body
         FROM delivery d INDEXED BY pending LEFT JOIN event e ON e.seq = d.event
         WHERE d.state = 0 AND d.sink = ?1 AND d.id > ?2 ORDER BY d.id LIMIT ?3",
    )?;
    let mut page = Page::default();
    let mut bytes = 0;
    let mut rows = statement.query(params![&**sink, after, i64::try_from(PAGE).unwrap_or(i64::MAX)])?;
    while let Some(row) = rows.next()? {
        let mut columns = Columns::of(row);
        let id = columns.number(0);
        if id <= page.last.max(after) {
            // A damaged index may loop; in an intact one ids always rise.
            break;
        }
        page.last = id;
        let id = DeliveryId(id);
        let relay = columns.name(1);
        let accepted = columns.time(2);
        let attempts = columns.count(3);
        let due = columns.time_if_any(4);
        let first_tried = columns.time_if_any(5);
        let again = columns.is_set(6);
        let event = columns.event(7);
        match columns.damage() {
            None => {
                bytes += event.data.text().len();
                let (event, sink) = (event.into(), sink.clone());
                page.found.push(Delivery { id, event, relay, sink, accepted, attempts, due, first_tried, again });
            }
            Some(why) => page.unreadable.push(Unreadable { id, attempts, why }),
        }
        if page.found.len() + page.unreadable.len() >= PAGE || bytes >= CAPACITY_BYTES {
            page.full = true;
            break;
        }
    }
    Ok(page)
}
