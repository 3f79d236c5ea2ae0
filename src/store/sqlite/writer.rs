//! The one thread that writes. Requests that arrive during a transaction share the next one.
//!
//! When a transaction fails, nothing is written and its requests fail. Verdicts are kept and retried, because their
//! callers do not wait for them. Verdicts make space on a full disk, so they must still be written there: the file
//! holds some space in reserve for them alone.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::requests::{Reply, Request, Write};
use super::retention::Retention;
use super::settle::{Detail, Settlement};
use super::shared::Shared;
use super::transaction::WriteTransaction;
use crate::store::error::StoreError;
use crate::store::types::{Health, Policy};

/// How much may wait for the writer. On a full disk the inbox fills up, and callers wait.
pub(super) const INBOX: usize = 1024;

/// How many requests share one transaction at most.
const BATCH: usize = 256;

/// How many verdicts are kept while nothing can be written; more wait in the inbox.
const MAX_UNWRITTEN: usize = 4096;

/// Bytes held in reserve for verdicts; a verdict makes its row a little longer.
const RESERVE: i64 = 128 << 10;

/// Bytes that must fit in addition before a refusing store is writable again.
const MARGIN: i64 = 64 << 10;

/// How long verdicts wait for a commit to share its sync. Losing one only repeats a delivery.
const VERDICT_DELAY: Duration = Duration::from_millis(10);

/// Between two attempts to write after a failure.
const RETRY: Duration = Duration::from_millis(250);

pub(super) struct Writer {
    pub(super) db: Connection,
    /// Released when the writer ends.
    pub(super) file_lock: File,
    pub(super) policy: Policy,
    pub(super) shared: Arc<Shared>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) settlements: mpsc::Receiver<Settlement>,
    /// The first unused id.
    pub(super) next: i64,
    /// Verdicts that are not on disk yet.
    pub(super) unwritten: Vec<Settlement>,
    /// Whether the reserve is in the file. Without it only verdicts are written.
    pub(super) has_reserve: bool,
    pub(super) retention: Retention,
}

impl Writer {
    pub(super) fn run(mut self, runtime: &Runtime) {
        let mut batch = Vec::new();
        let mut flushes = Vec::new();
        self.restore_reserve();
        loop {
            let is_open = runtime.block_on(self.receive(&mut batch));
            let closing =
                batch.iter().position(|request| matches!(request, Request::Close(_))).map(|at| batch.remove(at));
            if closing.is_some() || !is_open {
                self.receive_rest(&mut batch);
            }
            let outcome = self.write_round(&mut batch, &mut flushes);
            if closing.is_some() || !is_open {
                self.shared.close_buffers();
                drop(self.db);
                drop(self.file_lock);
                if let Some(Request::Close(reply)) = closing {
                    drop(reply.send(outcome));
                }
                return;
            }
            if outcome.is_ok() {
                self.run_retention();
            }
        }
    }

    /// Waits for something to do, then takes what else has arrived. False when all senders are gone.
    async fn receive(&mut self, batch: &mut Vec<Request>) -> bool {
        let space = MAX_UNWRITTEN.saturating_sub(self.unwritten.len());
        let pause = if self.is_refusing() || !self.unwritten.is_empty() { RETRY } else { self.retention.pause() };
        tokio::select! {
            biased;
            count = self.requests.recv_many(batch, BATCH) => if count == 0 { return false },
            count = self.settlements.recv_many(&mut self.unwritten, space.max(1)), if space > 0 => {
                if count == 0 { return false }
                tokio::select! {
                    biased;
                    count = self.requests.recv_many(batch, BATCH) => if count == 0 { return false },
                    () = tokio::time::sleep(VERDICT_DELAY) => (),
                }
            }
            () = tokio::time::sleep(pause) => (),
        }
        while batch.len() < BATCH
            && let Ok(request) = self.requests.try_recv()
        {
            batch.push(request);
        }
        self.receive_settlements();
        true
    }

    fn receive_settlements(&mut self) {
        while self.unwritten.len() < MAX_UNWRITTEN
            && let Ok(settlement) = self.settlements.try_recv()
        {
            self.unwritten.push(settlement);
        }
    }

    /// The last round writes everything received, bounded by the size of the inbox.
    fn receive_rest(&mut self, batch: &mut Vec<Request>) {
        self.requests.close();
        self.settlements.close();
        while let Ok(request) = self.requests.try_recv() {
            batch.push(request);
        }
        while let Ok(settlement) = self.settlements.try_recv() {
            self.unwritten.push(settlement);
        }
    }

    /// One transaction; more if the first fails.
    fn write_round(&mut self, batch: &mut Vec<Request>, flushes: &mut Vec<Reply<()>>) -> Result<(), StoreError> {
        let mut writes = Vec::with_capacity(batch.len());
        for request in batch.drain(..) {
            match request {
                Request::Write(write) => writes.push(write),
                Request::Flush(reply) | Request::Close(reply) => flushes.push(reply),
            }
        }
        if !self.has_reserve || writes.is_empty() && self.unwritten.is_empty() && self.is_refusing() {
            self.restore_reserve();
        }
        let received_all = self.unwritten.len() < MAX_UNWRITTEN;
        let outcome = self.write_all(writes);
        // Verdicts before a flush may still be in the inbox if `unwritten` was full; later ones do not concern it.
        if outcome.is_err() || received_all {
            for flush in flushes.drain(..) {
                drop(flush.send(outcome.clone()));
            }
        }
        outcome
    }

    fn write_all(&mut self, mut writes: Vec<Box<dyn Write>>) -> Result<(), StoreError> {
        if writes.is_empty() {
            return self.write_verdicts();
        }
        let written = if self.has_reserve {
            self.write(&mut writes, Detail::Full).map_err(|error| self.record_failure(&error))
        } else {
            Err(self.shared.full())
        };
        for write in writes {
            write.reply(written.clone());
        }
        if written.is_err() {
            return self.write_verdicts();
        }
        self.shared.set_health(Health::Writable);
        Ok(())
    }

    /// Writes verdicts alone, into the reserve if necessary.
    fn write_verdicts(&mut self) -> Result<(), StoreError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let Err(error) = self.write(&mut [], Detail::Full) else { return Ok(()) };
        let error = self.record_failure(&error);
        if !matches!(error, StoreError::Full(_)) || !self.has_reserve {
            return Err(error);
        }
        self.write(&mut [], Detail::Minimal).map_err(|error| self.record_failure(&error))?;
        self.has_reserve = false;
        Ok(())
    }

    fn write(&mut self, writes: &mut [Box<dyn Write>], detail: Detail) -> rusqlite::Result<()> {
        let transaction = Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
        if detail == Detail::Minimal {
            self.db.execute("DELETE FROM reserve", [])?;
        }
        let mut writing = WriteTransaction::begin(&self.db, self.next)?;
        writing.settle(&self.unwritten, detail)?;
        for write in writes {
            write.run(&mut writing)?;
        }
        writing.changes.write(&self.db)?;
        transaction.commit()?;
        let WriteTransaction { next, changes, fresh, behind, .. } = writing;
        self.next = next;
        self.unwritten.clear();
        self.retention.wrote(fresh.len());
        self.shared.count(&changes);
        self.shared.hand_over(fresh, &behind);
        Ok(())
    }

    /// One small step of retention, when it is due.
    fn run_retention(&mut self) {
        match self.retention.step(&self.db, &self.policy, Timestamp::now()) {
            Ok(changes) => self.shared.count(&changes),
            Err(error) => {
                let error = self.shared.classify(&error);
                self.retention.postpone();
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot delete old entries of the state file, retrying later"
                );
            }
        }
    }

    /// Puts the reserve (back) into the file. While the store refuses there are no requests, so this is also how it
    /// finds out that there is space again.
    fn restore_reserve(&mut self) {
        let write_reserve = || {
            self.db.execute("INSERT OR IGNORE INTO reserve (id, filler) VALUES (1, zeroblob(?1))", [RESERVE])?;
            if self.is_refusing() {
                self.db.execute("INSERT OR REPLACE INTO reserve (id, filler) VALUES (2, zeroblob(?1))", [MARGIN])?;
                self.db.execute("DELETE FROM reserve WHERE id = 2", [])?;
            }
            Ok(())
        };
        match write_reserve() {
            Ok(()) => {
                self.has_reserve = true;
                self.shared.set_health(Health::Writable);
            }
            Err(error) => {
                self.record_failure(&error);
            }
        }
    }

    /// Changes the health, and classifies the error.
    fn record_failure(&self, error: &rusqlite::Error) -> StoreError {
        let error = self.shared.classify(error);
        self.shared.set_health(Health::Refusing(error.to_string()));
        error
    }

    fn is_refusing(&self) -> bool {
        self.shared.health() != Health::Writable
    }
}
