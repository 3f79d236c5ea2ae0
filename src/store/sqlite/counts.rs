//! How many deliveries of each sink are pending and dead. Stored beside the deliveries, so that no start has to count.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, params};

use crate::event::Name;

/// Pending and dead of each sink.
pub(super) type Counts = BTreeMap<Name, (u64, u64)>;

/// By how much each sink's counts change.
#[derive(Debug, Default)]
pub(super) struct CountChanges(HashMap<Name, CountChange>);

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CountChange {
    pub(super) pending: i64,
    pub(super) dead: i64,
}

impl CountChanges {
    pub(super) fn of(&mut self, sink: &str) -> &mut CountChange {
        if !self.0.contains_key(sink) {
            self.0.insert(sink.into(), CountChange::default());
        }
        self.0.get_mut(sink).expect("inserted above if it was missing")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Name, CountChange)> {
        self.0.iter().map(|(sink, change)| (sink, *change))
    }

    pub(super) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        let mut statement = db.prepare_cached(
            "INSERT INTO tally (sink, pending, dead) VALUES (?1, ?2, ?3)
             ON CONFLICT (sink) DO UPDATE SET pending = pending + excluded.pending, dead = dead + excluded.dead",
        )?;
        for (sink, change) in self.iter() {
            statement.execute(params![&**sink, change.pending, change.dead])?;
        }
        Ok(())
    }
}

/// The first unused id, and the counts of earlier runs.
pub(super) fn load(db: &Connection) -> rusqlite::Result<(i64, Counts)> {
    let next = db.query_row("SELECT coalesce(max(id), 0) + 1 FROM delivery", [], |row| row.get(0))?;
    let mut statement = db.prepare("SELECT sink, pending, dead FROM tally")?;
    let rows = statement.query_map([], |row| {
        let count = |column| Ok::<_, rusqlite::Error>(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0));
        Ok((Name::from(row.get::<_, String>(0)?), (count(1)?, count(2)?)))
    })?;
    Ok((next, rows.collect::<rusqlite::Result<_>>()?))
}
