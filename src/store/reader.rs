//! Threads that read the state file while the writer writes: one for what lanes wait for, one for people's listings.

use std::path::Path;

use rusqlite::{Connection, params};
use tokio::sync::{mpsc, oneshot};

use super::open;
use super::ready_buffer::{Broken, Page, SHELF_BYTES};
use super::rows::Columns;
use super::words::{Delivery, DeliveryId, OpenError, StoreError};
use crate::event::Name;

/// Questions wait their turn; whoever asks one more waits before the listener.
const QUESTIONS: usize = 64;

/// How many deliveries a lane in arrears reads at once.
pub(super) const PAGE: usize = 512;

enum Job {
    Read(Box<dyn FnOnce(&Connection) + Send>),
    End(oneshot::Sender<()>),
}

#[derive(Debug)]
pub(super) struct Reader {
    jobs: mpsc::Sender<Job>,
}

impl Reader {
    pub(super) fn start(name: &'static str, file: &Path) -> Result<Self, OpenError> {
        let db = open::reader(file)?;
        let (jobs, mut inbox) = mpsc::channel(QUESTIONS);
        let work = move || {
            while let Some(job) = inbox.blocking_recv() {
                match job {
                    Job::Read(read) => read(&db),
                    Job::End(done) => {
                        drop(db);
                        // Nobody waits any more: fine.
                        let _: Result<(), ()> = done.send(());
                        return;
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread.spawn(work).map_err(|why| OpenError::Thread { name, why })?;
        Ok(Self { jobs })
    }

    pub(super) async fn ask<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<rusqlite::Result<T>, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job = Job::Read(Box::new(move |db| {
            // Whoever asked may have left meanwhile.
            drop(answer.send(read(db)));
        }));
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)
    }

    /// Resolves when the connection is closed.
    pub(super) async fn end(&self) {
        let (done, ended) = oneshot::channel();
        if self.jobs.send(Job::End(done)).await.is_ok() {
            // An error means that it has ended already.
            let _: Result<(), _> = ended.await;
        }
    }
}

/// The pending deliveries of `sink` above `after`.
pub(super) fn page(db: &Connection, sink: &Name, after: i64) -> rusqlite::Result<Page> {
    let mut statement = db.prepare_cached(
        "SELECT d.id, d.relay, d.accepted, d.attempts, d.due, d.first_tried, d.again,
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
            // A damaged index may go round in circles; a healthy one always rises.
            break;
        }
        page.last = id;
        let id = DeliveryId(id);
        let relay = columns.name(1);
        let accepted = columns.time(2);
        let attempts = columns.count(3);
        let due = columns.time_if_any(4);
        let first_tried = columns.time_if_any(5);
        let again = columns.is_there(6);
        let event = columns.event(7);
        match columns.damage() {
            None => {
                bytes += event.data.text().len();
                let (event, sink) = (event.into(), sink.clone());
                page.found.push(Delivery { id, event, relay, sink, accepted, attempts, due, first_tried, again });
            }
            Some(why) => page.broken.push(Broken { id, attempts, why }),
        }
        if page.found.len() + page.broken.len() >= PAGE || bytes >= SHELF_BYTES {
            page.full = true;
            break;
        }
    }
    Ok(page)
}
