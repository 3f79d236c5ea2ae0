//! Silences in the state file. What they match is interpreted elsewhere.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::rows::Columns;
use super::transaction::WriteTransaction;
use crate::store::types::Silence;

/// No listing is longer.
const MAX_LISTED: i64 = 10_000;

impl WriteTransaction<'_> {
    /// Adds it under an id of its own.
    pub(super) fn add_silence(&self, new: &Silence) -> rusqlite::Result<Silence> {
        let list = serde_json::Value::from(new.matches.clone()).to_string();
        let sql = "INSERT INTO silence (matches, why, since, until) VALUES (?1, ?2, ?3, ?4)";
        let row = params![list, new.why, new.since.as_microsecond(), new.until.as_microsecond()];
        let id = self.db.prepare_cached(sql)?.insert(row)?;
        Ok(Silence { id, ..new.clone() })
    }

    /// Ends one that is active, or all of them. Returns those that it ended.
    pub(super) fn expire_silences(&self, id: Option<i64>, now: Timestamp) -> rusqlite::Result<Vec<i64>> {
        let sql = "UPDATE silence SET revoked = ?1 WHERE revoked IS NULL AND until > ?1 AND (?2 IS NULL OR id = ?2)
                   RETURNING id";
        let mut update = self.db.prepare_cached(sql)?;
        let mut ended: Vec<i64> =
            update.query_map(params![now.as_microsecond(), id], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        ended.sort_unstable();
        Ok(ended)
    }
}

/// All stored silences, active and expired, oldest first.
pub(super) fn list(db: &Connection) -> rusqlite::Result<Vec<Silence>> {
    let sql = "SELECT id, matches, why, since, until, revoked FROM silence ORDER BY id DESC LIMIT ?1";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([MAX_LISTED], |row| {
        let mut columns = Columns::of(row);
        let matches = columns.text(1).into_owned();
        Ok(Silence {
            id: columns.number(0),
            // A damaged list becomes one that does not compile, which is reported there.
            matches: serde_json::from_str(&matches).unwrap_or_else(|_| vec![matches]),
            why: columns.text(2).into_owned(),
            since: columns.time(3),
            until: columns.time(4),
            revoked: columns.time_if_any(5),
        })
    })?;
    let mut all: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
    all.reverse();
    Ok(all)
}
