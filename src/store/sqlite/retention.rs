//! Deletes expired ids, notes and silences, then old events, then events beyond the size; then shrinks the file.
//!
//! In small steps between the writer's transactions, so that no commit waits long.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio::time::Instant;

use super::counts::CountChanges;
use crate::store::types::Policy;

const EVERY: Duration = Duration::from_secs(60);
/// After so many deliveries the next run starts early.
const OR_AFTER: usize = 10_000;
/// Rows examined, or pages freed, in one step: a few milliseconds.
const STEP: i64 = 500;
const CHECK_SIZE_EVERY: usize = 20;

#[derive(Debug)]
pub(super) struct Retention {
    phase: Phase,
    due: Instant,
    /// Deliveries written since the last run began.
    written: usize,
    /// The last run could delete nothing although the file is too large: an early run would not help.
    is_stuck: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Idle,
    Ids,
    Notes,
    ByAge { from: i64 },
    BySize { from: i64 },
    Shrink,
}

/// Which events a pass deletes.
enum Limit {
    /// Those accepted before this.
    Age(i64),
    /// The oldest, until the file uses no more than this.
    Size(u64),
}

/// The result of examining some of the oldest events.
struct Pass {
    changes: CountChanges,
    deleted: usize,
    dead: usize,
    /// Where the next pass begins; None at the end.
    next_from: Option<i64>,
}

impl Retention {
    /// The first run is due at once: the daemon may have been stopped for long.
    pub(super) fn new() -> Self {
        Self { phase: Phase::Idle, due: Instant::now(), written: 0, is_stuck: false }
    }

    pub(super) fn wrote(&mut self, deliveries: usize) {
        self.written = self.written.saturating_add(deliveries);
    }

    /// How long the writer may wait.
    pub(super) fn pause(&self) -> Duration {
        match self.phase {
            Phase::Idle => self.due.saturating_duration_since(Instant::now()),
            _ => Duration::ZERO,
        }
    }

    pub(super) fn postpone(&mut self) {
        self.phase = Phase::Idle;
        self.due = Instant::now() + EVERY;
        self.written = 0;
    }

    /// Does one step if a run is due or in progress. Returns how the counts changed.
    pub(super) fn step(&mut self, db: &Connection, policy: &Policy, now: Timestamp) -> rusqlite::Result<CountChanges> {
        if self.phase == Phase::Idle {
            let early = self.written >= OR_AFTER && !self.is_stuck;
            if !early && self.due > Instant::now() {
                return Ok(CountChanges::default());
            }
            self.phase = Phase::Ids;
            self.is_stuck = false;
            self.written = 0;
        }
        let mut changes = CountChanges::default();
        match self.phase {
            Phase::Idle => {}
            Phase::Ids => {
                if delete_expired(db, EXPIRED_IDS, before(now, policy.remember))? {
                    self.phase = Phase::Notes;
                }
            }
            Phase::Notes => {
                delete_silences(db, before(now, policy.retention_age))?;
                if delete_expired(db, EXPIRED_NOTES, now)? {
                    self.phase = Phase::ByAge { from: 0 };
                }
            }
            Phase::ByAge { from } => {
                let pass = delete_events(db, from, &Limit::Age(before(now, policy.retention_age).as_microsecond()))?;
                if pass.dead > 0 {
                    tracing::warn!(count = pass.dead, "deleted dead letters older than `retention`");
                }
                self.phase = match pass.next_from {
                    Some(from) => Phase::ByAge { from },
                    None if bytes_used(db)? > policy.retention_size => Phase::BySize { from: 0 },
                    None => Phase::Shrink,
                };
                changes = pass.changes;
            }
            Phase::BySize { from } => {
                // A little below the limit, so that the next events fit without another run.
                let pass = delete_events(db, from, &Limit::Size(policy.retention_size / 16 * 15))?;
                self.is_stuck = pass.deleted == 0 && (from == 0 || self.is_stuck);
                self.phase = pass.next_from.map_or(Phase::Shrink, |from| Phase::BySize { from });
                changes = pass.changes;
            }
            Phase::Shrink => {
                if !shrink(db, policy.retention_size)? {
                    self.postpone();
                }
            }
        }
        Ok(changes)
    }
}

const EXPIRED_IDS: &str =
    "DELETE FROM seen WHERE (source, id) IN (SELECT source, id FROM seen WHERE at < ?1 ORDER BY at LIMIT ?2)";
const EXPIRED_NOTES: &str =
    "DELETE FROM note WHERE (sink, name) IN (SELECT sink, name FROM note WHERE until <= ?1 ORDER BY until LIMIT ?2)";

/// Deletes what expired before `at`; true if that was all.
fn delete_expired(db: &Connection, sql: &str, at: Timestamp) -> rusqlite::Result<bool> {
    let deleted = db.prepare_cached(sql)?.execute(params![at.as_microsecond(), STEP])?;
    Ok(i64::try_from(deleted).is_ok_and(|deleted| deleted < STEP))
}

/// Expired silences are kept as long as what they suppressed, so that operators can see the reason.
fn delete_silences(db: &Connection, from: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM silence WHERE coalesce(revoked, until) < ?1")?.execute([from.as_microsecond()])?;
    Ok(())
}

/// Examines the oldest events above `from` and deletes those with nothing pending. Dead letters are deleted by age,
/// counted from their death, but never for their size.
fn delete_events(db: &Connection, from: i64, limit: &Limit) -> rusqlite::Result<Pass> {
    let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    let mut pass = Pass { changes: CountChanges::default(), deleted: 0, dead: 0, next_from: None };
    // The newest event stays, so that no id is used twice.
    let newest: i64 = db
        .prepare_cached("SELECT coalesce((SELECT event FROM delivery ORDER BY id DESC LIMIT 1), 0)")?
        .query_row([], |row| row.get(0))?;
    let mut events =
        db.prepare_cached("SELECT seq, routes, accepted FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let mut rows = events.query(params![from, STEP])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
    }
    drop(rows);
    let last = page.last().map(|(seq, ..)| *seq);
    let is_full = i64::try_from(page.len()).unwrap_or(0) == STEP;
    pass.next_from = last.filter(|last| is_full && *last > from);
    for (seq, routes, accepted) in page {
        let is_done = match limit {
            Limit::Age(age) => accepted >= *age,
            Limit::Size(size) => pass.deleted.is_multiple_of(CHECK_SIZE_EVERY) && bytes_used(db)? <= *size,
        };
        if is_done {
            pass.next_from = None;
            break;
        }
        if seq != newest && delete(db, seq, routes, limit, &mut pass)? {
            pass.deleted += 1;
        }
    }
    pass.changes.write(db)?;
    transaction.commit()?;
    Ok(pass)
}

const OF_EVENT: &str = "(id >= ?1 AND id < ?1 + ?2 OR replay_of IS NOT NULL AND event = ?1)";

fn delete(db: &Connection, seq: i64, routes: i64, limit: &Limit, pass: &mut Pass) -> rusqlite::Result<bool> {
    let mut deliveries =
        db.prepare_cached(&format!("SELECT state, settled, sink FROM delivery WHERE state IN (0, 2) AND {OF_EVENT}"))?;
    let mut rows = deliveries.query(params![seq, routes])?;
    let mut dead: Vec<String> = Vec::new();
    while let Some(row) = rows.next()? {
        let died: Option<i64> = row.get(1)?;
        let expired = matches!((limit, died), (Limit::Age(age), Some(died)) if died < *age);
        if row.get::<_, i64>(0)? == 0 || !expired {
            return Ok(false);
        }
        dead.push(row.get(2)?);
    }
    drop(rows);
    db.prepare_cached(&format!("DELETE FROM delivery WHERE {OF_EVENT}"))?.execute(params![seq, routes])?;
    db.prepare_cached("DELETE FROM event WHERE seq = ?1")?.execute([seq])?;
    pass.dead += dead.len();
    for sink in dead {
        pass.changes.of(&sink).dead -= 1;
    }
    Ok(true)
}

fn pragma(db: &Connection, name: &str) -> rusqlite::Result<u64> {
    let number: i64 = db.pragma_query_value(None, name, |row| row.get(0))?;
    Ok(u64::try_from(number).unwrap_or(0))
}

/// Without unused pages.
fn bytes_used(db: &Connection) -> rusqlite::Result<u64> {
    let pages = pragma(db, "page_count")?.saturating_sub(pragma(db, "freelist_count")?);
    Ok(pages * pragma(db, "page_size")?)
}

/// Frees some unused pages if the file is too large or a quarter of it is unused. True if there is more to do.
fn shrink(db: &Connection, size: u64) -> rusqlite::Result<bool> {
    let (pages, free) = (pragma(db, "page_count")?, pragma(db, "freelist_count")?);
    let too_large = pages * pragma(db, "page_size")? > size;
    if free == 0 || !(too_large || free > 256 && free > pages / 4) {
        return Ok(false);
    }
    // Each row frees one page.
    let mut vacuum = db.prepare(&format!("PRAGMA incremental_vacuum({STEP})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    drop(rows);
    // No progress (a file without auto_vacuum): stop.
    Ok(pragma(db, "page_count")? < pages)
}

/// `now` less `span`, within the range of the calendar.
pub(super) fn before(now: Timestamp, span: Duration) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    now.saturating_sub(span).unwrap_or(Timestamp::MIN)
}
