//! What the writer does inside one transaction. Nothing of it is visible outside before the commit.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, named_params, params};

use super::counts::CountChanges;
use super::queries::{SELECTED_DEAD, ids};
use super::retention::before;
use crate::event::{Event, EventId, Name};
use crate::store::types::{Committed, DeadFilter, Delivery, DeliveryId, Entry, Incident, IncidentChange};

/// An open transaction with its prepared statements.
pub(super) struct WriteTransaction<'c> {
    pub(super) db: &'c Connection,
    /// The first unused id.
    pub(super) next: i64,
    pub(super) changes: CountChanges,
    /// New deliveries for the ready buffers, in order.
    pub(super) fresh: Vec<Delivery>,
    /// Sinks with new deliveries that are only in the file.
    pub(super) behind: Vec<Name>,
    insert_event: CachedStatement<'c>,
    insert_delivery: CachedStatement<'c>,
}

impl<'c> WriteTransaction<'c> {
    pub(super) fn begin(db: &'c Connection, next: i64) -> rusqlite::Result<Self> {
        let insert_event = db.prepare_cached(
            "INSERT INTO event (seq, routes, source, kind, type, subject, id, time, accepted, crc, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        let insert_delivery = db.prepare_cached(
            "INSERT INTO delivery (id, event, state, relay, sink, accepted) VALUES (?1, ?2, 0, ?3, ?4, ?5)",
        )?;
        let (changes, fresh, behind) = (CountChanges::default(), Vec::new(), Vec::new());
        Ok(Self { db, next, changes, fresh, behind, insert_event, insert_delivery })
    }

    pub(super) fn commit(
        &mut self,
        entry: &Entry,
        accepted: Timestamp,
        remember: Duration,
    ) -> rusqlite::Result<Committed> {
        let event = &entry.event;
        if let Some(position) = &entry.cursor {
            let sql = "INSERT INTO cursor (source, position) VALUES (?1, ?2)
                       ON CONFLICT (source) DO UPDATE SET position = excluded.position";
            self.db.prepare_cached(sql)?.execute(params![&*event.source, position])?;
        }
        match &entry.incident {
            None => (),
            Some(IncidentChange::Opened(incident)) => self.open_incident(incident)?,
            Some(IncidentChange::Closed { source }) => {
                self.db.prepare_cached("DELETE FROM incident WHERE source = ?1")?.execute([&**source])?;
            }
        }
        if entry.routes.is_empty() {
            return Ok(Committed { duplicate: false });
        }
        if let EventId::Given(id) = &event.id
            && self.is_repeated(&event.source, id, accepted, before(accepted, remember))?
        {
            return Ok(Committed { duplicate: true });
        }
        self.insert(entry, event, accepted)?;
        Ok(Committed { duplicate: false })
    }

    fn insert(&mut self, entry: &Entry, event: &Arc<Event>, accepted: Timestamp) -> rusqlite::Result<()> {
        let seq = self.next;
        let at = accepted.as_microsecond();
        let body = event.data.text();
        self.insert_event.execute(params![
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
            self.insert_delivery.execute(params![id, seq, &*route.relay, &*route.sink, at])?;
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

    fn open_incident(&self, incident: &Incident) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO incident (source, event, why, since) VALUES (?1, ?2, ?3, ?4)";
        let since = incident.since.as_microsecond();
        self.db.prepare_cached(sql)?.execute(params![&*incident.source, incident.event, incident.why, since])?;
        Ok(())
    }

    /// Whether `source` sent this id after `remember_from`. Remembers the id.
    fn is_repeated(&self, source: &str, id: &str, now: Timestamp, remember_from: Timestamp) -> rusqlite::Result<bool> {
        let sql = "INSERT INTO seen (source, id, at) VALUES (?1, ?2, ?3)
                   ON CONFLICT (source, id) DO UPDATE SET at = excluded.at WHERE at < ?4";
        let row = params![source, id, now.as_microsecond(), remember_from.as_microsecond()];
        let written = self.db.prepare_cached(sql)?.execute(row)?;
        Ok(written == 0)
    }

    /// Makes dead letters pending again under new ids, because streams only read forward. Returns how many, and the
    /// highest id that was considered.
    pub(super) fn replay(&mut self, filter: &DeadFilter, highest: Option<i64>) -> rusqlite::Result<(usize, i64)> {
        let (letters, highest) = self.select_dead(filter, highest)?;
        let now = Timestamp::now().as_microsecond();
        let mut insert = self.db.prepare_cached(
            "INSERT INTO delivery (id, event, state, relay, sink, accepted, replay_of)
             SELECT ?2, event, 0, relay, sink, ?3, id FROM delivery WHERE id = ?1",
        )?;
        let mut mark = self.db.prepare_cached("UPDATE delivery SET state = 3 WHERE id = ?1")?;
        for (id, sink) in &letters {
            insert.execute(params![id, self.next, now])?;
            mark.execute([id])?;
            self.next += 1;
            let count = self.changes.of(sink);
            count.pending += 1;
            count.dead -= 1;
            if !self.behind.contains(sink) {
                self.behind.push(sink.clone());
            }
        }
        Ok((letters.len(), highest))
    }

    pub(super) fn drop_dead(&mut self, filter: &DeadFilter, highest: Option<i64>) -> rusqlite::Result<(usize, i64)> {
        let (letters, highest) = self.select_dead(filter, highest)?;
        let mut mark = self.db.prepare_cached("UPDATE delivery SET state = 4 WHERE id = ?1")?;
        for (id, sink) in &letters {
            mark.execute([id])?;
            self.changes.of(sink).dead -= 1;
        }
        Ok((letters.len(), highest))
    }

    /// Letters up to the id `highest`; None: up to the newest.
    fn select_dead(&self, filter: &DeadFilter, highest: Option<i64>) -> rusqlite::Result<(Vec<(i64, Name)>, i64)> {
        let highest = highest.unwrap_or(self.next - 1);
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT d.id, d.sink FROM delivery d INDEXED BY dead
             WHERE {SELECTED_DEAD} AND d.id <= :highest ORDER BY d.id LIMIT :limit"
        ))?;
        let letters = statement.query_map(
            named_params! {
                ":ids": ids(filter),
                ":relay": filter.relay,
                ":sink": filter.sink,
                ":older": filter.older_than.map(Timestamp::as_microsecond),
                ":highest": highest,
                ":limit": filter.limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(i64::MAX),
            },
            |row| Ok((row.get(0)?, Name::from(row.get::<_, String>(1)?))),
        )?;
        Ok((letters.collect::<rusqlite::Result<_>>()?, highest))
    }
}
