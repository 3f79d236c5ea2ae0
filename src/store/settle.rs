//! Verdicts, and the notes that lanes make beside them, as the writer writes them down.

use jiff::Timestamp;
use rusqlite::{Rows, params};

use super::words::{DeliveryId, Note, Outcome};
use super::work::{Changes, Work};
use crate::event::Name;

/// A verdict on its way to disk, with what its sink notes down about it.
#[derive(Debug)]
pub(super) struct Settle {
    pub(super) which: Which,
    pub(super) outcome: Outcome,
    pub(super) notes: Vec<(Name, Note)>,
    pub(super) at: Timestamp,
}

/// Most verdicts are about one delivery; those about many share a message.
#[derive(Debug)]
pub(super) enum Which {
    One(DeliveryId),
    Many(Vec<DeliveryId>),
}

/// How many times of failed attempts are kept for one delivery; then the oldest go.
pub(super) const TRIES: usize = 1000;

/// A time as it is stored, from 2001 to 2286, with its comma.
const TRY_LENGTH: usize = 17;

/// Whether everything that is known is written, or only what must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Extent {
    Whole,
    /// The disk is full: the reserve is for verdicts, not for what people would like to read about them.
    Bare,
}

impl Which {
    fn ids(&self) -> &[DeliveryId] {
        match self {
            Self::One(id) => std::slice::from_ref(id),
            Self::Many(ids) => ids,
        }
    }

    /// Neighbours as their first and last: a run holds only ids that are all meant.
    fn runs(&self) -> Vec<(i64, i64)> {
        if let Self::One(id) = self {
            return vec![(id.0, id.0)];
        }
        let mut ids: Vec<_> = self.ids().iter().map(|id| id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        let runs = ids.chunk_by(|id, following| id + 1 == *following);
        runs.filter_map(|run| Some((*run.first()?, *run.last()?))).collect()
    }
}

impl Work<'_> {
    /// Every statement asks for what is still pending: a verdict that comes twice changes nothing.
    pub(super) fn settle(&mut self, settles: &[Settle], extent: Extent) -> rusqlite::Result<()> {
        let mut delivered = Vec::new();
        for Settle { which, outcome, notes, at } in settles {
            let micros = at.as_microsecond();
            match outcome {
                Outcome::Delivered { receipt: None } => delivered.extend(which.ids().iter().map(|id| (id.0, micros))),
                _ => self.settle_as(outcome, &which.runs(), micros, extent)?,
            }
            for (sink, note) in notes {
                self.note(sink, note)?;
            }
        }
        delivered.sort_unstable();
        delivered.dedup_by_key(|(id, _)| *id);
        self.deliver(&delivered)
    }

    fn settle_as(&mut self, outcome: &Outcome, runs: &[(i64, i64)], at: i64, extent: Extent) -> rusqlite::Result<()> {
        let whole = extent == Extent::Whole;
        let longest = i64::try_from(TRIES * TRY_LENGTH - 1).unwrap_or(i64::MAX);
        for (first, last) in runs {
            match outcome {
                Outcome::Delivered { receipt } => {
                    let sql = "UPDATE delivery SET state = 1, attempts = attempts + 1, settled = ?3, due = NULL,
                                      first_tried = coalesce(first_tried, ?3), receipt = ?4
                               WHERE id BETWEEN ?1 AND ?2 AND state = 0 RETURNING sink";
                    let mut update = self.db.prepare_cached(sql)?;
                    count_out(&mut self.changes, update.query(params![first, last, at, receipt])?, 0)?;
                }
                Outcome::Postponed { due, attempts, why, reply } => {
                    let sql = format!(
                        "UPDATE delivery SET {TRIED}, attempts = ?4, due = ?9, why = ?5, reply = coalesce(?6, reply),
                                first_tried = coalesce(first_tried, ?3)
                         WHERE id BETWEEN ?1 AND ?2 AND state = 0"
                    );
                    let reply = reply.as_ref().filter(|_| whole);
                    let due = due.as_microsecond();
                    let mut update = self.db.prepare_cached(&sql)?;
                    update.execute(params![first, last, at, attempts, why, reply, whole, longest, due])?;
                }
                Outcome::Dead { attempts, why, reply } => {
                    let sql = format!(
                        "UPDATE delivery SET {TRIED}, state = 2, attempts = ?4, settled = ?3, due = NULL, why = ?5,
                                reply = coalesce(?6, reply), first_tried = coalesce(first_tried, ?3)
                         WHERE id BETWEEN ?1 AND ?2 AND state = 0 RETURNING sink"
                    );
                    let reply = reply.as_ref().filter(|_| whole);
                    let mut update = self.db.prepare_cached(&sql)?;
                    let dead = update.query(params![first, last, at, attempts, why, reply, whole, longest])?;
                    count_out(&mut self.changes, dead, 1)?;
                }
                Outcome::Suppressed { why } => {
                    let sql = "UPDATE delivery SET state = 5, settled = ?3, due = NULL, why = ?4
                               WHERE id BETWEEN ?1 AND ?2 AND state = 0 RETURNING sink";
                    let mut update = self.db.prepare_cached(sql)?;
                    count_out(&mut self.changes, update.query(params![first, last, at, why])?, 0)?;
                }
            }
        }
        Ok(())
    }

    /// The most of what there is, and all of one kind: neighbours in one statement each, whoever handed them in.
    fn deliver(&mut self, delivered: &[(i64, i64)]) -> rusqlite::Result<()> {
        let sql = "UPDATE delivery SET state = 1, attempts = attempts + 1, settled = ?3, due = NULL,
                          first_tried = coalesce(first_tried, ?3)
                   WHERE id BETWEEN ?1 AND ?2 AND state = 0 RETURNING sink";
        let mut update = self.db.prepare_cached(sql)?;
        for run in delivered.chunk_by(|(id, _), (following, _)| id + 1 == *following) {
            if let (Some((first, _)), Some((last, at))) = (run.first(), run.last()) {
                count_out(&mut self.changes, update.query(params![first, last, at])?, 0)?;
            }
        }
        Ok(())
    }

    fn note(&self, sink: &str, note: &Note) -> rusqlite::Result<()> {
        let Note { name, value, until } = note;
        match value {
            Some(value) => {
                let sql = "INSERT INTO note (sink, name, value, until) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (sink, name)
                           DO UPDATE SET value = excluded.value, until = excluded.until";
                self.db.prepare_cached(sql)?.execute(params![sink, name, value, until.as_microsecond()])?;
            }
            None => {
                self.db.prepare_cached("DELETE FROM note WHERE sink = ?1 AND name = ?2")?.execute([sink, name])?;
            }
        }
        Ok(())
    }
}

/// Notes the time (?3) of an attempt, where there was one: burying what is too old is none. ?7 says whether to,
/// ?8 how long the list may be.
const TRIED: &str = "tries = CASE WHEN NOT ?7 OR ?4 <= attempts THEN tries
    ELSE coalesce(CASE WHEN length(tries) >= ?8 THEN substr(tries, instr(tries, ',') + 1) ELSE tries END || ',', '')
         || ?3 END";

/// Each row is the sink of a delivery that is no longer pending; `dead` of 1 says that it died.
fn count_out(changes: &mut Changes, mut sinks: Rows<'_>, dead: i64) -> rusqlite::Result<()> {
    while let Some(row) = sinks.next()? {
        let count = changes.of(row.get_ref(0)?.as_str().unwrap_or_default());
        count.pending -= 1;
        count.dead += dead;
    }
    Ok(())
}
