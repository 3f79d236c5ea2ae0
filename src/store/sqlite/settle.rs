//! Writes verdicts, and the notes that come with them.

use jiff::Timestamp;
use rusqlite::{Rows, params};

use super::counts::CountChanges;
use super::transaction::WriteTransaction;
use crate::event::Name;
use crate::store::types::{DeliveryId, Note, Outcome};

/// A verdict on its way to disk, with its notes.
#[derive(Debug)]
pub(super) struct Settlement {
    /// All deliveries of one message.
    pub(super) ids: Vec<DeliveryId>,
    pub(super) outcome: Outcome,
    pub(super) notes: Vec<(Name, Note)>,
    pub(super) at: Timestamp,
}

/// How many times of failed attempts are stored for one delivery; then the oldest are removed.
pub(super) const MAX_TRIES: usize = 1000;

/// The length of a stored time, from 2001 to 2286, with its comma.
const TRY_LENGTH: usize = 17;

/// How much of a verdict is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Detail {
    Full,
    /// The disk is full, and the reserve is for verdicts: without replies and times of attempts.
    Minimal,
}

impl WriteTransaction<'_> {
    /// Every statement requires the pending state: a repeated verdict changes nothing.
    pub(super) fn settle(&mut self, settlements: &[Settlement], detail: Detail) -> rusqlite::Result<()> {
        let mut delivered = Vec::new();
        for Settlement { ids, outcome, notes, at } in settlements {
            let ids = ids.iter().map(|id| (id.0, at.as_microsecond()));
            match outcome {
                Outcome::Delivered { receipt: None } => delivered.extend(ids),
                _ => self.settle_as(outcome, ids.collect(), detail)?,
            }
            for (sink, note) in notes {
                self.note(sink, note)?;
            }
        }
        // The most frequent verdict: consecutive ids in one statement, also from several settlements.
        self.settle_as(&Outcome::Delivered { receipt: None }, delivered, detail)
    }

    /// `ids` with the time of their verdict.
    fn settle_as(&mut self, outcome: &Outcome, mut ids: Vec<(i64, i64)>, detail: Detail) -> rusqlite::Result<()> {
        let full = detail == Detail::Full;
        let longest = i64::try_from(MAX_TRIES * TRY_LENGTH - 1).unwrap_or(i64::MAX);
        ids.sort_unstable();
        ids.dedup_by_key(|(id, _)| *id);
        for run in ids.chunk_by(|(id, _), (following, _)| id + 1 == *following) {
            let (Some((first, _)), Some((last, at))) = (run.first(), run.last()) else { continue };
            match outcome {
                Outcome::Delivered { receipt } => {
                    let sql = "UPDATE delivery SET state = 1, attempts = attempts + 1, settled = ?3, due = NULL,
                                      first_tried = coalesce(first_tried, ?3), receipt = ?4
                               WHERE id BETWEEN ?1 AND ?2 AND state = 0 RETURNING sink";
                    let mut update = self.db.prepare_cached(sql)?;
                    count_settled(&mut self.changes, update.query(params![first, last, at, receipt])?, 0)?;
                }
                Outcome::Postponed { due, attempts, why, reply } => {
                    let sql = format!("UPDATE delivery SET {TRIED}, due = ?9 WHERE id BETWEEN ?1 AND ?2 AND state = 0");
                    let reply = reply.as_ref().filter(|_| full);
                    let due = due.as_microsecond();
                    let mut update = self.db.prepare_cached(&sql)?;
                    update.execute(params![first, last, at, attempts, why, reply, full, longest, due])?;
                }
                Outcome::Dead { attempts, why, reply } => {
                    let sql = format!(
                        "UPDATE delivery SET {TRIED}, state = 2, settled = ?3, due = NULL
                         WHERE id BETWEEN ?1 AND ?2 AND state = 0 RETURNING sink"
                    );
                    let reply = reply.as_ref().filter(|_| full);
                    let mut update = self.db.prepare_cached(&sql)?;
                    let dead = update.query(params![first, last, at, attempts, why, reply, full, longest])?;
                    count_settled(&mut self.changes, dead, 1)?;
                }
                Outcome::Suppressed { why } => {
                    let sql = "UPDATE delivery SET state = 5, settled = ?3, due = NULL, why = ?4
                               WHERE id BETWEEN ?1 AND ?2 AND state = 0 RETURNING sink";
                    let mut update = self.db.prepare_cached(sql)?;
                    count_settled(&mut self.changes, update.query(params![first, last, at, why])?, 0)?;
                }
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

/// What a failed attempt changes. Appends its time (?3) if one was made: giving up on an old delivery is none. ?7:
/// whether to append, ?8: the longest list.
const TRIED: &str = "attempts = ?4, why = ?5, reply = coalesce(?6, reply), first_tried = coalesce(first_tried, ?3),
    tries = CASE WHEN NOT ?7 OR ?4 <= attempts THEN tries
    ELSE coalesce(CASE WHEN length(tries) >= ?8 THEN substr(tries, instr(tries, ',') + 1) ELSE tries END || ',', '')
         || ?3 END";

/// Each row is the sink of a delivery that is no longer pending; `dead` is 1 if it died.
fn count_settled(changes: &mut CountChanges, mut sinks: Rows<'_>, dead: i64) -> rusqlite::Result<()> {
    while let Some(row) = sinks.next()? {
        let count = changes.of(row.get_ref(0)?.as_str().unwrap_or_default());
        count.pending -= 1;
        count.dead += dead;
    }
    Ok(())
}
