//! What people ask: events with what became of them, dead letters, incidents, backlogs.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::rows::Columns;
use super::words::{DeadFilter, DeadLetter, DeliveryId, DeliveryRow, EventFilter, EventRow, Incident, Note, State};
use crate::event::Name;

/// No listing is longer, or has more bytes of bodies, whatever was asked for.
const LISTED: usize = 10_000;
const LISTED_BYTES: usize = 16 << 20;

/// What a lane may have to remember of one sink: some megabytes at most.
const NOTES: i64 = 50_000;

pub(super) fn events(db: &Connection, ask: &EventFilter) -> rusqlite::Result<Vec<EventRow>> {
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
        ":source": ask.source,
        ":type": ask.r#type.as_deref().map(glob),
        ":since": ask.since.map(Timestamp::as_microsecond),
        ":until": ask.until.map(Timestamp::as_microsecond),
        ":relay": ask.relay,
        ":sink": ask.sink,
        ":limit": bounded(Some(ask.limit)),
    })?;
    let mut found = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()?
        && bytes < LISTED_BYTES
    {
        let mut columns = Columns::of(row);
        let (seq, event, accepted, routes) = (columns.number(0), columns.event(0), columns.time(9), columns.number(10));
        let deliveries = deliveries(db, seq, routes)?;
        bytes += event.data.text().len() + deliveries.iter().map(weight).sum::<usize>();
        found.push(EventRow { event: Arc::new(event), accepted, deliveries, damage: columns.damage() });
    }
    Ok(found)
}

fn deliveries(db: &Connection, seq: i64, routes: i64) -> rusqlite::Result<Vec<DeliveryRow>> {
    let mut statement = db.prepare_cached(
        "SELECT id, state, relay, sink, accepted, attempts, due, first_tried, tries, settled, why,
                reply, receipt
         FROM delivery WHERE id >= ?1 AND id < ?1 + ?2
         UNION ALL
         SELECT id, state, relay, sink, accepted, attempts, due, first_tried, tries, settled, why,
                reply, receipt
         FROM delivery INDEXED BY again WHERE event = ?1 AND again IS NOT NULL
         LIMIT ?3",
    )?;
    let rows = statement.query_map(params![seq, routes, bounded(None)], |row| Ok(delivery(row)))?;
    rows.collect()
}

/// About what a listing of it takes in memory beyond the row itself.
fn weight(row: &DeliveryRow) -> usize {
    let texts = [&row.why, &row.reply, &row.receipt];
    row.tries.len() * size_of::<Timestamp>() + texts.into_iter().flatten().map(String::len).sum::<usize>()
}

fn delivery(row: &Row<'_>) -> DeliveryRow {
    let mut columns = Columns::of(row);
    DeliveryRow {
        id: DeliveryId(columns.number(0)),
        state: State::from_code(columns.number(1)),
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

/// Which dead letters [`DeadFilter`] means. `:ids` is a JSON list.
pub(super) const MEANT: &str = "d.state = 2 AND (:ids IS NULL OR d.id IN (SELECT value FROM json_each(:ids)))
    AND (:relay IS NULL OR d.relay = :relay) AND (:sink IS NULL OR d.sink = :sink)
    AND (:older IS NULL OR d.settled < :older)";

pub(super) fn ids(ask: &DeadFilter) -> Option<String> {
    let ids: Vec<i64> = ask.ids.iter().map(|id| id.0).collect();
    (!ids.is_empty()).then(|| serde_json::Value::from(ids).to_string())
}

pub(super) fn dead(db: &Connection, ask: &DeadFilter) -> rusqlite::Result<Vec<DeadLetter>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT d.id, d.relay, d.sink, d.accepted, d.first_tried, d.settled, d.attempts, d.tries, d.why, d.reply,
                e.seq, e.source, e.kind, e.type, e.subject, e.id, e.time, e.crc, e.body
         FROM delivery d INDEXED BY dead LEFT JOIN event e ON e.seq = d.event
         WHERE {MEANT} ORDER BY d.id LIMIT :limit"
    ))?;
    let mut rows = statement.query(named_params! {
        ":ids": ids(ask),
        ":relay": ask.relay,
        ":sink": ask.sink,
        ":older": ask.older_than.map(Timestamp::as_microsecond),
        ":limit": bounded(ask.limit),
    })?;
    let mut found = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()?
        && bytes < LISTED_BYTES
    {
        let mut columns = Columns::of(row);
        let letter = DeadLetter {
            id: DeliveryId(columns.number(0)),
            relay: columns.name(1),
            sink: columns.name(2),
            accepted: columns.time(3),
            first_tried: columns.time_if_any(4),
            buried: columns.time(5),
            attempts: columns.count(6),
            tries: columns.times(7),
            why: columns.text_if_any(8).unwrap_or_default(),
            reply: columns.text_if_any(9),
            event: Arc::new(columns.event(10)),
        };
        let reply = letter.reply.as_ref().map_or(0, String::len);
        bytes += letter.event.data.text().len() + letter.tries.len() * size_of::<Timestamp>() + reply;
        found.push(letter);
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
    let rows = statement.query_map(params![sink, now.as_microsecond(), NOTES], |row| {
        let mut columns = Columns::of(row);
        let (name, value) = (columns.text(0).into_owned(), columns.text_if_any(1));
        Ok(Note { name, value, until: columns.time(2) })
    })?;
    rows.collect()
}

pub(super) fn cursor(db: &Connection, source: &str) -> rusqlite::Result<Option<String>> {
    let mut statement = db.prepare_cached("SELECT place FROM cursor WHERE source = ?1")?;
    statement.query_row([source], |row| row.get(0)).optional()
}

/// When the first pending delivery of each of `sinks` was accepted: one step down an index for each.
pub(super) fn oldest(db: &Connection, sinks: &[Name]) -> rusqlite::Result<Vec<Option<Timestamp>>> {
    let mut statement = db.prepare_cached(
        "SELECT accepted FROM delivery INDEXED BY pending WHERE state = 0 AND sink = ?1 ORDER BY id LIMIT 1",
    )?;
    let mut oldest = |sink: &Name| statement.query_row([&**sink], |row| Ok(Columns::of(row).time(0))).optional();
    sinks.iter().map(&mut oldest).collect()
}

/// Our globs know `*` alone; those of the database know more.
fn glob(pattern: &str) -> String {
    pattern.replace('[', "[[]").replace('?', "[?]")
}

fn bounded(limit: Option<usize>) -> i64 {
    i64::try_from(limit.unwrap_or(LISTED).min(LISTED)).unwrap_or(i64::MAX)
}
