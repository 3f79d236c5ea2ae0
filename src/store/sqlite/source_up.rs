//! Until when each source was connected, for the gap that the next life reports.
//!
//! While a source is connected (`ended` is NULL) the commits of its events move the time as well, but not what a process
//! left that was killed: its gap is still to be reported.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::retention::before;
use super::rows::Columns;
use super::transaction::WriteTransaction;
use crate::store::types::{Entry, UpUntil};

pub(super) const TABLE: &str = "
CREATE TABLE source_up (
    source  TEXT PRIMARY KEY,
    until   INTEGER NOT NULL,
    process INTEGER NOT NULL,
    ended   TEXT
) STRICT, WITHOUT ROWID;
";

/// Tells this process from those before it.
static PROCESS: LazyLock<i64> = LazyLock::new(|| Timestamp::now().as_microsecond());

/// Commits move the time at most this often, so that a storm does not write it with every transaction.
const STEP: Duration = Duration::from_secs(1);

impl WriteTransaction<'_> {
    pub(super) fn set_up_until(&self, source: &str, until: Timestamp, ended: Option<&str>) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO source_up (source, until, process, ended) VALUES (?1, ?2, ?3, ?4)";
        let row = params![source, until.as_microsecond(), *PROCESS, ended];
        self.db.prepare_cached(sql)?.execute(row)?;
        Ok(())
    }

    /// The sources of these entries, as far as they are connected, were up when the entries were handed in.
    pub(super) fn note_sources(&self, entries: &[Entry], accepted: Timestamp) -> rusqlite::Result<()> {
        let sql = "UPDATE source_up SET until = ?2
                   WHERE source = ?1 AND until < ?3 AND ended IS NULL AND process = ?4";
        let mut update = self.db.prepare_cached(sql)?;
        let (until, stale) = (accepted.as_microsecond(), before(accepted, STEP).as_microsecond());
        let mut last = None;
        // Entries of one source mostly follow each other.
        for source in entries.iter().map(|entry| &entry.event.source) {
            if last != Some(source) {
                update.execute(params![&**source, until, stale, *PROCESS])?;
                last = Some(source);
            }
        }
        Ok(())
    }
}

pub(super) fn up_until(db: &Connection, source: &str) -> rusqlite::Result<Option<UpUntil>> {
    let mut statement = db.prepare_cached("SELECT until, ended, process FROM source_up WHERE source = ?1")?;
    let row = statement.query_row([source], |row| {
        let mut columns = Columns::of(row);
        let (until, ended) = (columns.time(0), columns.text_if_any(1));
        Ok(UpUntil { until, ended, by_this_process: columns.number(2) == *PROCESS })
    });
    row.optional()
}
