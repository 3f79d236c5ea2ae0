//! The one thread that writes. What queued up while the last transaction was on its way to disk shares the next.
//!
//! When a transaction fails, whoever asked for something is told so and nothing of it is written; verdicts
//! are kept and tried again, because nobody could give them a second time. A full disk must not stop
//! what would empty it: so the file holds some pages in reserve, which verdicts may use and nothing else.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::open::{is_damage, suspect};
use super::requests::{Answer, Ask, Done, answer, answer_flushes, flush_or_ask, refuse, reply};
use super::retention::Sweep;
use super::settle::{Extent, Settle};
use super::shared::{Counts, Shared};
use super::words::{Health, Policy, StoreError};
use super::work::Work;
use crate::event::Name;

/// How much may wait for the writer. A full inbox is what a full disk feels like to everyone else.
pub(super) const INBOX: usize = 1024;

/// How many asks share one transaction at most.
const BATCH: usize = 256;

/// How many verdicts are kept while nothing can be written; more wait in the inbox.
const KEPT: usize = 4096;

/// Bytes that the file holds in reserve for verdicts; a verdict makes its row a little longer.
const RESERVE: i64 = 128 << 10;

/// Bytes that must fit besides, before a refusing queue calls itself writable again.
const PROOF: i64 = 64 << 10;

/// Verdicts wait so long for a commit to share its sync with. Losing one only repeats a delivery.
const LINGER: Duration = Duration::from_millis(10);

/// Between two tries of a disk that refused.
const RETRY: Duration = Duration::from_millis(250);

pub(super) struct Writer {
    pub(super) db: Connection,
    /// Released when the writer ends.
    pub(super) lock: File,
    pub(super) policy: Policy,
    pub(super) shared: Arc<Shared>,
    pub(super) asks: mpsc::Receiver<Ask>,
    pub(super) settles: mpsc::Receiver<Settle>,
    pub(super) next: i64,
    pub(super) kept: Vec<Settle>,
    /// Whether the reserve is in the file. Without it nothing is written but verdicts.
    pub(super) reserve: bool,
    pub(super) sweep: Sweep,
}

impl Writer {
    pub(super) fn run(mut self, runtime: &Runtime) {
        let mut batch = Vec::new();
        let mut flushes = Vec::new();
        self.prove_room();
        loop {
            let alive = runtime.block_on(self.gather(&mut batch));
            let closing = batch.iter().position(|ask| matches!(ask, Ask::Close(_))).map(|at| batch.remove(at));
            if closing.is_some() || !alive {
                self.close_inbox(&mut batch);
            }
            let outcome = self.round(&mut batch, &mut flushes);
            if closing.is_some() || !alive {
                self.shared.close_buffers();
                drop(self.db);
                drop(self.lock);
                if let Some(Ask::Close(answer)) = closing {
                    reply(answer, outcome);
                }
                return;
            }
            if outcome.is_ok() {
                self.chore();
            }
        }
    }

    /// Waits for something to do, then takes what else is there. False when nobody can ask any more.
    async fn gather(&mut self, batch: &mut Vec<Ask>) -> bool {
        let room = KEPT.saturating_sub(self.kept.len());
        let pause = if self.is_refusing() || !self.kept.is_empty() { RETRY } else { self.sweep.pause() };
        tokio::select! {
            biased;
            count = self.asks.recv_many(batch, BATCH) => if count == 0 { return false },
            count = self.settles.recv_many(&mut self.kept, room.max(1)), if room > 0 => {
                if count == 0 { return false }
                tokio::select! {
                    biased;
                    count = self.asks.recv_many(batch, BATCH) => if count == 0 { return false },
                    () = tokio::time::sleep(LINGER) => (),
                }
            }
            () = tokio::time::sleep(pause) => (),
        }
        while batch.len() < BATCH
            && let Ok(ask) = self.asks.try_recv()
        {
            batch.push(ask);
        }
        self.take_settles();
        true
    }

    fn take_settles(&mut self) {
        while self.kept.len() < KEPT
            && let Ok(settle) = self.settles.try_recv()
        {
            self.kept.push(settle);
        }
    }

    /// The last round takes all that was handed in, bounded by the size of the inbox.
    fn close_inbox(&mut self, batch: &mut Vec<Ask>) {
        self.asks.close();
        self.settles.close();
        while let Ok(ask) = self.asks.try_recv() {
            batch.push(ask);
        }
        while let Ok(settle) = self.settles.try_recv() {
            self.kept.push(settle);
        }
    }

    /// One transaction; more where the first fails.
    fn round(&mut self, batch: &mut Vec<Ask>, flushes: &mut Vec<Answer<()>>) -> Result<(), StoreError> {
        let asks: Vec<_> = batch.drain(..).filter_map(|ask| flush_or_ask(ask, flushes)).collect();
        if !self.reserve || asks.is_empty() && self.kept.is_empty() && self.is_refusing() {
            self.prove_room();
        }
        let took_all = self.kept.len() < KEPT;
        let outcome = if self.reserve {
            self.write_all(asks)
        } else {
            let error = no_room(&self.shared);
            refuse(asks, &error);
            self.write_verdicts()
        };
        // A flush that came while `kept` was full waits for what stood behind it; what came after it is not its business.
        if outcome.is_err() || took_all {
            answer_flushes(flushes, &outcome);
        }
        outcome
    }

    fn write_all(&mut self, asks: Vec<Ask>) -> Result<(), StoreError> {
        if asks.is_empty() {
            return self.write_verdicts();
        }
        match self.write(&asks, Extent::Whole) {
            Ok(done) => {
                self.shared.set_health(Health::Writable);
                for (ask, done) in asks.into_iter().zip(done) {
                    answer(ask, done);
                }
                Ok(())
            }
            Err(error) => {
                let error = self.refusing(&error);
                refuse(asks, &error);
                self.write_verdicts()
            }
        }
    }

    /// Verdicts alone, if need be from the reserve.
    fn write_verdicts(&mut self) -> Result<(), StoreError> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let Err(error) = self.write(&[], Extent::Whole) else { return Ok(()) };
        let error = self.refusing(&error);
        if !matches!(error, StoreError::Full(_)) || !self.reserve {
            return Err(error);
        }
        self.write(&[], Extent::Bare).map_err(|error| self.refusing(&error))?;
        self.reserve = false;
        Ok(())
    }

    fn write(&mut self, asks: &[Ask], extent: Extent) -> rusqlite::Result<Vec<Done>> {
        let transaction = Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
        if extent == Extent::Bare {
            self.db.execute("DELETE FROM room", [])?;
        }
        let mut work = Work::begin(&self.db, self.next)?;
        work.settle(&self.kept, extent)?;
        let mut done = Vec::with_capacity(asks.len());
        for ask in asks {
            done.push(match ask {
                Ask::Commit { entries, accepted, .. } => {
                    let remember_from = before(*accepted, self.policy.remember).as_microsecond();
                    let entries = entries.iter().map(|entry| work.entry(entry, *accepted, remember_from));
                    Done::Committed(entries.collect::<rusqlite::Result<_>>()?)
                }
                Ask::Replay(portion, _) => {
                    let (count, ceiling) = work.replay(portion, Timestamp::now())?;
                    Done::Portion(count, ceiling)
                }
                Ask::DropDead(portion, _) => {
                    let (count, ceiling) = work.drop_dead(portion)?;
                    Done::Portion(count, ceiling)
                }
                Ask::AddSilence(new, _) => Done::Silence(work.add_silence(new)?),
                Ask::ExpireSilences(id, _) => Done::Ended(work.expire_silences(*id, Timestamp::now())?),
                Ask::Flush(_) | Ask::Close(_) => Done::Nothing,
            });
        }
        work.changes.write(&self.db)?;
        transaction.commit()?;
        self.next = work.next();
        let Work { changes, fresh, behind, .. } = work;
        self.kept.clear();
        self.sweep.wrote(fresh.len());
        self.shared.count(&changes);
        self.shared.hand_over(fresh, &behind);
        Ok(done)
    }

    /// One small portion of housekeeping, when it is due.
    fn chore(&mut self) {
        match self.sweep.step(&self.db, &self.policy, Timestamp::now()) {
            Ok(changes) => self.shared.count(&changes),
            Err(error) => {
                let error = judge(&error, &self.shared);
                self.sweep.rest();
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "could not tidy the state file up; trying again later"
                );
            }
        }
    }

    /// Puts the reserve (back) into the file. Nobody asks for anything while we refuse, so this is also how
    /// we find out that there is room again.
    fn prove_room(&mut self) {
        let reserve = || {
            self.db.execute("INSERT OR IGNORE INTO room (id, filler) VALUES (1, zeroblob(?1))", [RESERVE])?;
            if self.is_refusing() {
                self.db.execute("INSERT OR REPLACE INTO room (id, filler) VALUES (2, zeroblob(?1))", [PROOF])?;
                self.db.execute("DELETE FROM room WHERE id = 2", [])?;
            }
            Ok(())
        };
        match reserve() {
            Ok(()) => {
                self.reserve = true;
                self.shared.set_health(Health::Writable);
            }
            Err(error) => {
                self.refusing(&error);
            }
        }
    }

    /// Says so to whoever watches, and what it is in words.
    fn refusing(&self, error: &rusqlite::Error) -> StoreError {
        let error = judge(error, &self.shared);
        self.shared.set_health(Health::Refusing(error.to_string()));
        error
    }

    fn is_refusing(&self) -> bool {
        self.shared.health() != Health::Writable
    }
}

pub(super) fn judge(error: &rusqlite::Error, shared: &Shared) -> StoreError {
    let file = shared.file.display();
    if is_damage(error) {
        suspect(&shared.file);
        return StoreError::Io(format!("{file} is damaged ({error}); the next start checks it and sets it aside"));
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => no_room(shared),
        _ => StoreError::Io(format!("{file}: {error}")),
    }
}

fn no_room(shared: &Shared) -> StoreError {
    StoreError::Full(format!("{}: the disk is full or the file's limit is reached", shared.file.display()))
}

/// The counts of earlier runs and the first id never used.
pub(super) fn recall(db: &Connection) -> rusqlite::Result<(i64, Counts)> {
    let next = db.query_row("SELECT coalesce(max(id), 0) + 1 FROM delivery", [], |row| row.get(0))?;
    let mut statement = db.prepare("SELECT sink, pending, dead FROM tally")?;
    let rows = statement.query_map([], |row| {
        let count = |column| Ok::<_, rusqlite::Error>(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0));
        Ok((Name::from(row.get::<_, String>(0)?), (count(1)?, count(2)?)))
    })?;
    Ok((next, rows.collect::<rusqlite::Result<_>>()?))
}

/// `now` less `span`, as far as the calendar goes.
pub(super) fn before(now: Timestamp, span: Duration) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    now.saturating_sub(span).unwrap_or(Timestamp::MIN)
}
