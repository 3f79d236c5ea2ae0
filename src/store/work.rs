//! What the writer does inside one transaction. Nothing in here is visible to anyone before it is committed.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, named_params, params};

use super::lists::{MEANT, ids};
use super::words::{Committed, DeadFilter, Delivery, DeliveryId, Entry, Incident, IncidentChange};
use crate::event::{Event, EventId, Name};

/// By how much each sink's counts change.
#[derive(Debug, Default)]
pub(super) struct Changes(HashMap<Name, Count>);

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) pending: i64,
    pub(super) dead: i64,
}

impl Changes {
    pub(super) fn of(&mut self, sink: &str) -> &mut Count {
        if !self.0.contains_key(sink) {
            self.0.insert(sink.into(), Count::default());
        }
        self.0.get_mut(sink).expect("it is there or was put there above")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Name, Count)> {
        self.0.iter().map(|(sink, count)| (sink, *count))
    }

    /// Writes the counts beside what they count, so that no start has to count anew.
    pub(super) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        let mut statement = db.prepare_cached(
            "INSERT INTO tally (sink, pending, dead) VALUES (?1, ?2, ?3)
             ON CONFLICT (sink) DO UPDATE SET pending = pending + excluded.pending, dead = dead + excluded.dead",
        )?;
        for (sink, count) in self.iter() {
            statement.execute(params![&**sink, count.pending, count.dead])?;
        }
        Ok(())
    }
}

/// Which of the dead letters that were asked for one transaction takes on.
#[derive(Debug)]
pub(super) struct Portion {
    pub(super) ask: DeadFilter,
    /// Only ids up to here, so that what dies again meanwhile is not taken twice. None: all there are now.
    pub(super) ceiling: Option<i64>,
    pub(super) limit: usize,
}

/// One transaction's work, with its statements at hand.
pub(super) struct Work<'c> {
    pub(super) db: &'c Connection,
    next: i64,
    pub(super) changes: Changes,
    /// What the lanes get once it is on disk, in order.
    pub(super) fresh: Vec<Delivery>,
    /// Sinks with new deliveries that lie only in the file.
    pub(super) behind: Vec<Name>,
    event: CachedStatement<'c>,
    delivery: CachedStatement<'c>,
}

impl<'c> Work<'c> {
    /// `next` is the first id that was never used.
    pub(super) fn begin(db: &'c Connection, next: i64) -> rusqlite::Result<Self> {
        let event = db.prepare_cached(
            "INSERT INTO event (seq, routes, source, kind, type, subject, id, time, accepted, crc, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        let delivery = db.prepare_cached(
            "INSERT INTO delivery (id, event, state, relay, sink, accepted) VALUES (?1, ?2, 0, ?3, ?4, ?5)",
        )?;
        let (changes, fresh, behind) = (Changes::default(), Vec::new(), Vec::new());
        Ok(Self { db, next, changes, fresh, behind, event, delivery })
    }

    /// The first id that this work left unused.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    pub(super) fn entry(
        &mut self,
        entry: &Entry,
        accepted: Timestamp,
        remember_from: i64,
    ) -> rusqlite::Result<Committed> {
        let event = &entry.event;
        if let Some(place) = &entry.cursor {
            let sql = "INSERT INTO cursor (source, place) VALUES (?1, ?2)
                       ON CONFLICT (source) DO UPDATE SET place = excluded.place";
            self.db.prepare_cached(sql)?.execute(params![&*event.source, place])?;
        }
        match &entry.incident {
            None => (),
            Some(IncidentChange::Opened(incident)) => self.open(incident)?,
            Some(IncidentChange::Closed { source }) => {
                self.db.prepare_cached("DELETE FROM incident WHERE source = ?1")?.execute([&**source])?;
            }
        }
        if entry.routes.is_empty() {
            return Ok(Committed { duplicate: false });
        }
        if let EventId::Given(id) = &event.id
            && self.seen(&event.source, id, accepted, remember_from)?
        {
            return Ok(Committed { duplicate: true });
        }
        self.plan(entry, event, accepted)?;
        Ok(Committed { duplicate: false })
    }

    fn plan(&mut self, entry: &Entry, event: &Arc<Event>, accepted: Timestamp) -> rusqlite::Result<()> {
        let seq = self.next;
        let at = accepted.as_microsecond();
        let body = event.data.text();
        self.event.execute(params![
            seq,
            i64::try_from(entry.routes.len()).unwrap_or(i64::MAX),
            &*event.source,
            &*event.kind,
            &*event.r#type,
            &*event.subject,
            event.id.to_string(),
            event.time.as_microsecond(),
            at,
            crc32c::crc32c(body.as_bytes()),
            body,
        ])?;
        for route in &entry.routes {
            let id = self.next;
            self.next += 1;
            self.delivery.execute(params![id, seq, &*route.relay, &*route.sink, at])?;
            self.changes.of(&route.sink).pending += 1;
            self.fresh.push(Delivery {
                id: DeliveryId(id),
                event: event.clone(),
                relay: route.relay.clone(),
                sink: route.sink.clone(),
                accepted,
                attempts: 0,
                due: None,
                first_tried: None,
                again: false,
            });
        }
        Ok(())
    }

    fn open(&self, incident: &Incident) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO incident (source, event, why, since) VALUES (?1, ?2, ?3, ?4)";
        let since = incident.since.as_microsecond();
        self.db.prepare_cached(sql)?.execute(params![&*incident.source, incident.event, incident.why, since])?;
        Ok(())
    }

    /// Whether `source` gave this id before, later than `remember_from`; from now on it did.
    fn seen(&self, source: &str, id: &str, now: Timestamp, remember_from: i64) -> rusqlite::Result<bool> {
        let sql = "INSERT INTO seen (source, id, at) VALUES (?1, ?2, ?3)
                   ON CONFLICT (source, id) DO UPDATE SET at = excluded.at WHERE at < ?4";
        let written = self.db.prepare_cached(sql)?.execute(params![source, id, now.as_microsecond(), remember_from])?;
        Ok(written == 0)
    }

    /// Dead letters become pending again under new ids, so that lines, which only look ahead, find them.
    /// Gives how many, and the ceiling that held.
    pub(super) fn replay(&mut self, portion: &Portion, now: Timestamp) -> rusqlite::Result<(usize, i64)> {
        let (letters, ceiling) = self.meant(portion)?;
        let mut insert = self.db.prepare_cached(
            "INSERT INTO delivery (id, event, state, relay, sink, accepted, again)
             SELECT ?2, event, 0, relay, sink, ?3, id FROM delivery WHERE id = ?1",
        )?;
        let mut mark = self.db.prepare_cached("UPDATE delivery SET state = 3 WHERE id = ?1")?;
        for (id, sink) in &letters {
            insert.execute(params![id, self.next, now.as_microsecond()])?;
            mark.execute([id])?;
            self.next += 1;
            let count = self.changes.of(sink);
            count.pending += 1;
            count.dead -= 1;
            if !self.behind.contains(sink) {
                self.behind.push(sink.clone());
            }
        }
        Ok((letters.len(), ceiling))
    }

    pub(super) fn drop_dead(&mut self, portion: &Portion) -> rusqlite::Result<(usize, i64)> {
        let (letters, ceiling) = self.meant(portion)?;
        let mut mark = self.db.prepare_cached("UPDATE delivery SET state = 4 WHERE id = ?1")?;
        for (id, sink) in &letters {
            mark.execute([id])?;
            self.changes.of(sink).dead -= 1;
        }
        Ok((letters.len(), ceiling))
    }

    fn meant(&self, portion: &Portion) -> rusqlite::Result<(Vec<(i64, Name)>, i64)> {
        let ceiling = portion.ceiling.unwrap_or(self.next - 1);
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT d.id, d.sink FROM delivery d INDEXED BY dead
             WHERE {MEANT} AND d.id <= :ceiling ORDER BY d.id LIMIT :limit"
        ))?;
        let letters = statement.query_map(
            named_params! {
                ":ids": ids(&portion.ask),
                ":relay": portion.ask.relay,
                ":sink": portion.ask.sink,
                ":older": portion.ask.older_than.map(Timestamp::as_microsecond),
                ":ceiling": ceiling,
                ":limit": i64::try_from(portion.limit).unwrap_or(i64::MAX),
            },
            |row| Ok((row.get(0)?, Name::from(row.get::<_, String>(1)?))),
        )?;
        Ok((letters.collect::<rusqlite::Result<_>>()?, ceiling))
    }
}
