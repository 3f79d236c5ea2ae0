//! The tables of the state file, and the migrations from older versions.
//!
//! An event's `seq` is the id of its first delivery and its deliveries follow it, so they are found without an index;
//! replayed ones, which come later, have one. Times are microseconds since 1970 in UTC. The views `events`,
//! `deliveries` and `silences` are for operators. `reserve` holds space for the writer.

use rusqlite::{Connection, TransactionBehavior};

use super::source_up;

/// "tidi", so that the database of another program is neither used nor changed.
pub(super) const APPLICATION: i64 = 0x7469_6469;

/// Entry n leads from version n to n + 1. Never change one that was released; add one.
const MIGRATIONS: [&str; 4] = [FIRST, SECOND, THIRD, source_up::TABLE];

pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("there are few migrations")
}

const FIRST: &str = "
CREATE TABLE event (
    seq      INTEGER PRIMARY KEY,
    routes   INTEGER NOT NULL,
    source   TEXT NOT NULL,
    kind     TEXT NOT NULL,
    type     TEXT NOT NULL,
    subject  TEXT NOT NULL,
    id       TEXT NOT NULL,
    time     INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    crc      INTEGER NOT NULL,
    body     TEXT NOT NULL
) STRICT;
CREATE TABLE delivery (
    id          INTEGER PRIMARY KEY,
    event       INTEGER NOT NULL,
    state       INTEGER NOT NULL,
    relay       TEXT NOT NULL,
    sink        TEXT NOT NULL,
    accepted    INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    due         INTEGER,
    first_tried INTEGER,
    settled     INTEGER,
    why         TEXT,
    reply       TEXT,
    receipt     TEXT,
    again       INTEGER
) STRICT;
CREATE INDEX pending ON delivery(sink, id) WHERE state = 0;
CREATE INDEX dead ON delivery(sink, id) WHERE state = 2;
CREATE INDEX again ON delivery(event) WHERE again IS NOT NULL;
CREATE TABLE tally (sink TEXT PRIMARY KEY, pending INTEGER NOT NULL, dead INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE cursor (source TEXT PRIMARY KEY, place TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE incident (source TEXT PRIMARY KEY, event TEXT NOT NULL, why TEXT NOT NULL, since INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE seen (source TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (source, id)) STRICT, WITHOUT ROWID;
CREATE INDEX seen_at ON seen(at);
CREATE TABLE room (id INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT;
";

/// `tries` are the times of the attempts that failed, with commas between them; `matches` is a JSON list.
const SECOND: &str = "
ALTER TABLE delivery ADD COLUMN tries TEXT;
CREATE TABLE note (
    sink  TEXT NOT NULL,
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (sink, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX note_until ON note(until);
CREATE TABLE silence (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    matches TEXT NOT NULL,
    why     TEXT NOT NULL,
    since   INTEGER NOT NULL,
    until   INTEGER NOT NULL,
    revoked INTEGER
) STRICT;
";

const THIRD: &str = "
ALTER TABLE room RENAME TO reserve;
ALTER TABLE cursor RENAME COLUMN place TO position;
ALTER TABLE delivery RENAME COLUMN again TO replay_of;
DROP INDEX again;
CREATE INDEX replayed ON delivery(event) WHERE replay_of IS NOT NULL;
";

/// Created after every migration; none of them has to change a view.
const VIEWS: &str = "
CREATE VIEW events AS
    SELECT seq, strftime('%FT%R:%fZ', accepted / 1e6, 'unixepoch') AS accepted, source, kind, type, subject, id,
           strftime('%FT%R:%fZ', time / 1e6, 'unixepoch') AS time, body
    FROM event;
CREATE VIEW deliveries AS
    SELECT d.id, CASE d.state WHEN 0 THEN 'pending' WHEN 1 THEN 'delivered' WHEN 2 THEN 'dead' WHEN 3 THEN 'replayed'
                              WHEN 4 THEN 'dropped' WHEN 5 THEN 'suppressed' END AS state,
           d.relay, d.sink, e.source, e.type, e.subject, d.attempts,
           strftime('%FT%R:%fZ', d.accepted / 1e6, 'unixepoch') AS accepted,
           strftime('%FT%R:%fZ', d.due / 1e6, 'unixepoch') AS due,
           strftime('%FT%R:%fZ', d.settled / 1e6, 'unixepoch') AS settled, d.why, d.reply, d.receipt, d.event
    FROM delivery d LEFT JOIN event e ON e.seq = d.event;
CREATE VIEW silences AS
    SELECT id, matches, why, strftime('%FT%R:%fZ', since / 1e6, 'unixepoch') AS since,
           strftime('%FT%R:%fZ', until / 1e6, 'unixepoch') AS until,
           strftime('%FT%R:%fZ', revoked / 1e6, 'unixepoch') AS revoked
    FROM silence;
";

/// What a file is, according to its header and tables.
pub(super) enum Found {
    Ours(i64),
    Empty,
    Foreign,
}

pub(super) fn inspect(db: &Connection) -> rusqlite::Result<Found> {
    let application: i64 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (application, version, tables) {
        (APPLICATION, version, _) => Found::Ours(version),
        (0, 0, 0) => Found::Empty,
        _ => Found::Foreign,
    })
}

/// From `version` to the current one, all or nothing.
pub(super) fn migrate(db: &mut Connection, version: i64) -> rusqlite::Result<()> {
    let from = usize::try_from(version).unwrap_or(0);
    if from >= MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for view in ["events", "deliveries", "silences"] {
        transaction.execute_batch(&format!("DROP VIEW IF EXISTS {view}"))?;
    }
    for step in MIGRATIONS.iter().skip(from).chain([&VIEWS]) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", known())?;
    transaction.commit()
}
