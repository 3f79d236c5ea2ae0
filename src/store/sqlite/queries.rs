//! Listings: events with their deliveries, dead letters, incidents, notes, cursors.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::rows::Columns;
use crate::event::Name;
use crate::store::types::{DeadFilter, DeadLetter, DeliveryId, DeliveryRow, EventFilter, EventRow, Incident, Note};

/// No listing has more entries or more bytes, whatever the filter says.
const MAX_LISTED: usize = 10_000;
const MAX_LISTED_BYTES: usize = 16 << 20;

/// The notes of one sink: some megabytes at most.
const MAX_NOTES: i64 = 50_000;

pub(super) fn events(db: &Connection, filter: &EventFilter) -> rusqlite::Result<Vec<EventRow>> {
    let mut statement = db.prepare_cached(
        "SELECT seq, source, kind, type, subject, id, time, crc, body, accepted, routes FROM event e
         WHERE (:source IS NULL OR source = :source) AND (:type IS NULL OR type GLOB :type)
           AND (:since IS NULL OR accepted >= :since) AND (:until IS NULL OR accepted <= :until)
           AND ((:relay IS NULL AND :sink IS NULL) OR EXISTS (
                SELECT 1 FROM delivery d WHERE d.id >= e.seq AND d.id < e.seq + e.routes
                AND (:relay IS NULL OR d.relay = :relay) AND (:sink IS NULL OR d.sink = :sink)))
         ORDER BY seq DESC LIMIT :limit",
    )?;
    let mut rows = statement.query(named_params! {
        ":source": filter.source,
        ":type": filter.r#type.as_deref().map(glob),
        ":since": filter.since.map(Timestamp::as_microsecond),
        ":until": filter.until.map(Timestamp::as_microsecond),
        ":relay": filter.relay,
        ":sink": filter.sink,
        ":limit": bounded(Some(filter.limit)),
    })?;
    let mut found = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()?
        && bytes < MAX_LISTED_BYTES
    {
        let mut columns = Columns::of(row);
        let (seq, event, accepted, routes) = (columns.number(0), columns.event(0), columns.time(9), columns.number(10));
        let deliveries = deliveries(db, seq, routes)?;
        bytes += event.data.text().len() + deliveries.iter().map(size).sum::<usize>();
        found.push(EventRow { event: Arc::new(event), accepted, deliveries, damage: columns.damage() });
    }
    Ok(found)
}

/// What [`delivery`] reads.
const COLUMNS: &str =
    "d.id, d.state, d.relay, d.sink, d.accepted, d.attempts, d.due, d.first_tried, d.tries, d.settled,
    d.why, d.reply, d.receipt";

fn deliveries(db: &Connection, seq: i64, routes: i64) -> rusqlite::Result<Vec<DeliveryRow>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM delivery d WHERE id >= ?1 AND id < ?1 + ?2
         UNION ALL
         SELECT {COLUMNS} FROM delivery d INDEXED BY replayed WHERE event = ?1 AND replay_of IS NOT NULL
         LIMIT ?3"
    ))?;
    let rows = statement.query_map(params![seq, routes, bounded(None)], |row| Ok(delivery(&mut Columns::of(row))))?;
    rows.collect()
}

/// Roughly the memory that a listing needs for it, beyond the row itself.
fn size(row: &DeliveryRow) -> usize {
    let texts = [&row.why, &row.reply, &row.receipt];
    row.tries.len() * size_of::<Timestamp>() + texts.into_iter().flatten().map(String::len).sum::<usize>()
}

fn delivery(columns: &mut Columns) -> DeliveryRow {
    DeliveryRow {
        id: DeliveryId(columns.number(0)),
        state: columns.state(1),
        relay: columns.name(2),
        sink: columns.name(3),
        accepted: columns.time(4),
        attempts: columns.count(5),
        due: columns.time_if_any(6),
        first_tried: columns.time_if_any(7),
        tries: columns.times(8),
        settled: columns.time_if_any(9),
        why: columns.text_if_any(10),
        reply: columns.text_if_any(11),
        receipt: columns.text_if_any(12),
    }
}

/// The condition that stands for a [`DeadFilter`]. `:ids` is a JSON list.
pub(super) const SELECTED_DEAD: &str = "d.state = 2 AND (:ids IS NULL OR d.id IN (SELECT value FROM json_each(:ids)))
    AND (:relay IS NULL OR d.relay = :relay) AND (:sink IS NULL OR d.sink = :sink)
    AND (:older IS NULL OR d.settled < :older)";

pub(super) fn ids(filter: &DeadFilter) -> Option<String> {
    let ids: Vec<i64> = filter.ids.iter().map(|id| id.0).collect();
    (!ids.is_empty()).then(|| serde_json::Value::from(ids).to_string())
}

pub(super) fn dead(db: &Connection, filter: &DeadFilter) -> rusqlite::Result<Vec<DeadLetter>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS}, e.seq, e.source, e.kind, e.type, e.subject, e.id, e.time, e.crc, e.body
         FROM delivery d INDEXED BY dead LEFT JOIN event e ON e.seq = d.event
         WHERE {SELECTED_DEAD} ORDER BY d.id LIMIT :limit"
    ))?;
    let mut rows = statement.query(named_params! {
        ":ids": ids(filter),
        ":relay": filter.relay,
        ":sink": filter.sink,
        ":older": filter.older_than.map(Timestamp::as_microsecond),
        ":limit": bounded(filter.limit),
    })?;
    let mut found = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()?
        && bytes < MAX_LISTED_BYTES
    {
        let mut columns = Columns::of(row);
        let (delivery, event) = (delivery(&mut columns), columns.event(13));
        bytes += event.data.text().len() + size(&delivery);
        found.push(DeadLetter { delivery, event: Arc::new(event) });
    }
    Ok(found)
}

pub(super) fn incidents(db: &Connection) -> rusqlite::Result<Vec<Incident>> {
    let mut statement = db.prepare_cached("SELECT source, event, why, since FROM incident ORDER BY source")?;
    let rows = statement.query_map([], |row| {
        let mut columns = Columns::of(row);
        let (source, event, why) = (columns.name(0), columns.text(1).into_owned(), columns.text(2).into_owned());
        Ok(Incident { source, event, why, since: columns.time(3) })
    })?;
    rows.collect()
}

pub(super) fn notes(db: &Connection, sink: &str, now: Timestamp) -> rusqlite::Result<Vec<Note>> {
    let mut statement = db.prepare_cached(
        "SELECT name, value, until FROM
             (SELECT name, value, until FROM note WHERE sink = ?1 AND until > ?2 ORDER BY until DESC LIMIT ?3)
         ORDER BY name",
    )?;
    let rows = statement.query_map(params![sink, now.as_microsecond(), MAX_NOTES], |row| {
        let mut columns = Columns::of(row);
        let (name, value) = (columns.text(0).into_owned(), columns.text_if_any(1));
        Ok(Note { name, value, until: columns.time(2) })
    })?;
    rows.collect()
}

pub(super) fn cursor(db: &Connection, source: &str) -> rusqlite::Result<Option<String>> {
    let mut statement = db.prepare_cached("SELECT position FROM cursor WHERE source = ?1")?;
    statement.query_row([source], |row| row.get(0)).optional()
}

/// When the oldest pending delivery of each of `sinks` was accepted: one index lookup each.
pub(super) fn oldest(db: &Connection, sinks: &[Name]) -> rusqlite::Result<Vec<Option<Timestamp>>> {
    let mut statement = db.prepare_cached(
        "SELECT accepted FROM delivery INDEXED BY pending WHERE state = 0 AND sink = ?1 ORDER BY id LIMIT 1",
    )?;
    let mut oldest = |sink: &Name| statement.query_row([&**sink], |row| Ok(Columns::of(row).time(0))).optional();
    sinks.iter().map(&mut oldest).collect()
}

/// In our globs only `*` is special; the database has more.
fn glob(pattern: &str) -> String {
    pattern.replace('[', "[[]").replace('?', "[?]")
}

fn bounded(limit: Option<usize>) -> i64 {
    i64::try_from(limit.unwrap_or(MAX_LISTED).min(MAX_LISTED)).unwrap_or(i64::MAX)
}
