//! Housekeeping: forgets ids and notes, then old events, then events beyond the size, then gives room back to the disk.
//!
//! In small steps between the writer's transactions, so that no commit waits long behind it.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use tokio::time::Instant;

use super::words::Policy;
use super::work::Changes;
use super::writer::before;

const EVERY: Duration = Duration::from_secs(60);
/// Much traffic brings the next lap sooner.
const OR_AFTER: usize = 10_000;
/// Rows looked at, or pages given back, in one step: a few milliseconds.
const STEP: i64 = 500;
const LOOK_AT_SIZE_EVERY: usize = 20;

#[derive(Debug)]
pub(super) struct Sweep {
    phase: Phase,
    due: Instant,
    /// Deliveries written since the last lap began.
    written: usize,
    /// The last lap found nothing to delete although the file is too large: only time can help.
    fruitless: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Rest,
    Seen,
    Notes,
    Old { from: i64 },
    Large { from: i64 },
    Shrink,
}

/// How far a sweep goes.
enum Limit {
    /// All that was settled before this.
    Age(i64),
    /// Until the file uses no more than this.
    Size(u64),
}

/// What one look at some of the oldest events did.
struct Swept {
    changes: Changes,
    deleted: usize,
    dead: usize,
    /// Where the next look begins; None at the end.
    onward: Option<i64>,
}

impl Sweep {
    /// The first lap is due at once: the daemon may have been off for long.
    pub(super) fn new() -> Self {
        Self { phase: Phase::Rest, due: Instant::now(), written: 0, fruitless: false }
    }

    pub(super) fn wrote(&mut self, deliveries: usize) {
        self.written = self.written.saturating_add(deliveries);
    }

    /// How long the writer may sleep.
    pub(super) fn pause(&self) -> Duration {
        match self.phase {
            Phase::Rest => self.due.saturating_duration_since(Instant::now()),
            _ => Duration::ZERO,
        }
    }

    pub(super) fn rest(&mut self) {
        self.phase = Phase::Rest;
        self.due = Instant::now() + EVERY;
        self.written = 0;
    }

    /// Does one step, if there is anything to do. Gives how the counts changed.
    pub(super) fn step(&mut self, db: &Connection, policy: &Policy, now: Timestamp) -> rusqlite::Result<Changes> {
        if self.phase == Phase::Rest {
            let early = self.written >= OR_AFTER && !self.fruitless;
            if !early && self.due > Instant::now() {
                return Ok(Changes::default());
            }
            self.phase = Phase::Seen;
            self.fruitless = false;
            self.written = 0;
        }
        match self.phase {
            Phase::Rest => Ok(Changes::default()),
            Phase::Seen => {
                if forget_ids(db, before(now, policy.remember))? < STEP {
                    self.phase = Phase::Notes;
                }
                Ok(Changes::default())
            }
            Phase::Notes => {
                forget_silences(db, before(now, policy.retention_age))?;
                if forget_notes(db, now)? < STEP {
                    self.phase = Phase::Old { from: 0 };
                }
                Ok(Changes::default())
            }
            Phase::Old { from } => {
                let swept = sweep(db, from, &Limit::Age(before(now, policy.retention_age).as_microsecond()))?;
                if swept.dead > 0 {
                    tracing::warn!(count = swept.dead, "dead letters reached the age of `retention` and are gone");
                }
                self.phase = match swept.onward {
                    Some(from) => Phase::Old { from },
                    None if bytes_used(db)? > policy.retention_size => Phase::Large { from: 0 },
                    None => Phase::Shrink,
                };
                Ok(swept.changes)
            }
            Phase::Large { from } => {
                // A little below the limit, so that the next events find room without a lap of their own.
                let swept = sweep(db, from, &Limit::Size(policy.retention_size / 16 * 15))?;
                self.fruitless = swept.deleted == 0 && (from == 0 || self.fruitless);
                self.phase = swept.onward.map_or(Phase::Shrink, |from| Phase::Large { from });
                Ok(swept.changes)
            }
            Phase::Shrink => {
                if !shrink(db, policy.retention_size)? {
                    let fruitless = self.fruitless;
                    self.rest();
                    self.fruitless = fruitless;
                }
                Ok(Changes::default())
            }
        }
    }
}

fn forget_ids(db: &Connection, from: Timestamp) -> rusqlite::Result<i64> {
    let gone = db
        .prepare_cached(
            "DELETE FROM seen WHERE (source, id) IN
                 (SELECT source, id FROM seen WHERE at < ?1 ORDER BY at LIMIT ?2)",
        )?
        .execute(params![from.as_microsecond(), STEP])?;
    Ok(i64::try_from(gone).unwrap_or(i64::MAX))
}

fn forget_notes(db: &Connection, now: Timestamp) -> rusqlite::Result<i64> {
    let gone = db
        .prepare_cached(
            "DELETE FROM note WHERE (sink, name) IN
                 (SELECT sink, name FROM note WHERE until <= ?1 ORDER BY until LIMIT ?2)",
        )?
        .execute(params![now.as_microsecond(), STEP])?;
    Ok(i64::try_from(gone).unwrap_or(i64::MAX))
}

/// Silences that are over are kept as long as what they hushed, so that people can see why.
fn forget_silences(db: &Connection, from: Timestamp) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM silence WHERE coalesce(revoked, until) < ?1")?.execute([from.as_microsecond()])?;
    Ok(())
}

/// Looks at the oldest events above `from` and deletes those with nothing pending. Dead letters go with
/// their age, counted from their burial, but never for room.
fn sweep(db: &Connection, from: i64, limit: &Limit) -> rusqlite::Result<Swept> {
    let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    let mut swept = Swept { changes: Changes::default(), deleted: 0, dead: 0, onward: None };
    // The newest ids stay, so that none is ever given twice.
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
    let whole = i64::try_from(page.len()).unwrap_or(0) == STEP;
    swept.onward = last.filter(|last| whole && *last > from);
    for (seq, routes, accepted) in page {
        let done = match limit {
            Limit::Age(age) => accepted >= *age,
            Limit::Size(size) => swept.deleted.is_multiple_of(LOOK_AT_SIZE_EVERY) && bytes_used(db)? <= *size,
        };
        if done {
            swept.onward = None;
            break;
        }
        if seq != newest && delete(db, seq, routes, limit, &mut swept)? {
            swept.deleted += 1;
        }
    }
    swept.changes.write(db)?;
    transaction.commit()?;
    Ok(swept)
}

const OF_EVENT: &str = "(id >= ?1 AND id < ?1 + ?2 OR again IS NOT NULL AND event = ?1)";

fn delete(db: &Connection, seq: i64, routes: i64, limit: &Limit, swept: &mut Swept) -> rusqlite::Result<bool> {
    let mut deliveries =
        db.prepare_cached(&format!("SELECT state, settled, sink FROM delivery WHERE state IN (0, 2) AND {OF_EVENT}"))?;
    let mut rows = deliveries.query(params![seq, routes])?;
    let mut dead: Vec<String> = Vec::new();
    while let Some(row) = rows.next()? {
        let buried: Option<i64> = row.get(1)?;
        let outlived = matches!((limit, buried), (Limit::Age(age), Some(buried)) if buried < *age);
        if row.get::<_, i64>(0)? == 0 || !outlived {
            return Ok(false);
        }
        dead.push(row.get(2)?);
    }
    drop(rows);
    db.prepare_cached(&format!("DELETE FROM delivery WHERE {OF_EVENT}"))?.execute(params![seq, routes])?;
    db.prepare_cached("DELETE FROM event WHERE seq = ?1")?.execute([seq])?;
    swept.dead += dead.len();
    for sink in dead {
        swept.changes.of(&sink).dead -= 1;
    }
    Ok(true)
}

fn pragma(db: &Connection, name: &str) -> rusqlite::Result<u64> {
    let number: i64 = db.pragma_query_value(None, name, |row| row.get(0))?;
    Ok(u64::try_from(number).unwrap_or(0))
}

/// Without the pages that are free.
fn bytes_used(db: &Connection) -> rusqlite::Result<u64> {
    let pages = pragma(db, "page_count")?.saturating_sub(pragma(db, "freelist_count")?);
    Ok(pages * pragma(db, "page_size")?)
}

/// Gives some free pages back, where the file is too large or a quarter of it is air. True if there is more to do.
fn shrink(db: &Connection, size: u64) -> rusqlite::Result<bool> {
    let (pages, free) = (pragma(db, "page_count")?, pragma(db, "freelist_count")?);
    let too_large = pages * pragma(db, "page_size")? > size;
    if free == 0 || !(too_large || free > 256 && free > pages / 4) {
        return Ok(false);
    }
    // One row, one page: it must be asked for each.
    let mut vacuum = db.prepare(&format!("PRAGMA incremental_vacuum({STEP})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    drop(rows);
    // Without progress (a file made without it) there is no end to wait for.
    Ok(pragma(db, "page_count")? < pages)
}
