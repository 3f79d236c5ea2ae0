//! What the admin API asks, answered from the parts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::watch;

use crate::admin::types::{Dead, EventShown, Events, Moved, Silences, SinkStatus, SourceStatus, Status};
use crate::admin::{
    self, DeadRequest, EventsRequest, ExpireRequest, ExplainRequest, HttpError, SilenceRequest, SilencesRequest,
};
use crate::delivery::LaneState;
use crate::event::{Event, EventId, Name};
use crate::intake::{Recent, SourceCondition};
use crate::metrics::{Metrics, unix_seconds};
use crate::relay::{Relays, glob_matches};
use crate::store::{self, DeliveryId, Health, Store};

use super::shown::{dead_shown, event_shown, explained, fault, incident_shown, json, row_shown};
use super::silences::SilenceRegistry;

/// How far back `explain` looks for a stored event by its id.
const SEARCHED: usize = 10_000;

pub(super) struct Backend {
    store: Store,
    relays: Arc<Relays>,
    recent: Arc<Recent>,
    silences: Arc<SilenceRegistry>,
    metrics: Metrics,
    sources: Vec<SourceSeen>,
    sinks: Vec<SinkSeen>,
    started: Timestamp,
    phase: AtomicU8,
}

/// A source as its watch shows it.
pub(super) struct SourceSeen {
    pub name: Name,
    pub kind: Name,
    pub condition: watch::Receiver<SourceCondition>,
    /// Messages that the source could not understand, counted by itself.
    pub skipped: Arc<AtomicU64>,
}

/// A sink as its lane shows it.
pub(super) struct SinkSeen {
    pub name: Name,
    pub kind: &'static str,
    pub lane: watch::Receiver<LaneState>,
}

const STARTING: u8 = 0;
const OPEN: u8 = 1;
const CLOSING: u8 = 2;

impl Backend {
    pub(super) fn new(
        store: Store,
        relays: Arc<Relays>,
        recent: Arc<Recent>,
        silences: Arc<SilenceRegistry>,
        metrics: Metrics,
        sources: Vec<SourceSeen>,
        sinks: Vec<SinkSeen>,
    ) -> Self {
        let (started, phase) = (Timestamp::now(), AtomicU8::new(STARTING));
        Self { store, relays, recent, silences, metrics, sources, sinks, started, phase }
    }

    pub(super) fn open(&self) {
        self.phase.store(OPEN, Ordering::Relaxed);
    }

    pub(super) fn close(&self) {
        self.phase.store(CLOSING, Ordering::Relaxed);
    }

    pub(super) fn has_source(&self, name: &str) -> bool {
        self.sources.iter().any(|source| &*source.name == name)
    }

    async fn sink_statuses(&self) -> Vec<SinkStatus> {
        let backlog = self.store.backlog().await.unwrap_or_default();
        let statuses = self.sinks.iter().map(|sink| {
            let waiting = backlog.iter().find(|waiting| waiting.sink == sink.name);
            let lane = sink.lane.borrow();
            SinkStatus {
                name: sink.name.to_string(),
                kind: sink.kind.to_owned(),
                pending: waiting.map_or(0, |waiting| waiting.pending),
                oldest: waiting.and_then(|waiting| waiting.oldest).map(|at| at.to_string()),
                dead: waiting.map_or(0, |waiting| waiting.dead),
                suppressed: self.metrics.sink(&sink.name).suppressed.get(),
                stopped: lane.stopped.clone(),
                held: lane.held.clone(),
            }
        });
        let gone = backlog.iter().filter(|waiting| {
            waiting.pending + waiting.dead > 0 && !self.sinks.iter().any(|sink| sink.name == waiting.sink)
        });
        let gone = gone.map(|waiting| SinkStatus {
            name: waiting.sink.to_string(),
            pending: waiting.pending,
            oldest: waiting.oldest.map(|at| at.to_string()),
            dead: waiting.dead,
            stopped: Some("not set up in relays.toml now; what waits stays in the queue".to_owned()),
            ..SinkStatus::default()
        });
        statuses.chain(gone).collect()
    }

    /// Events that no relay took, as far as they are remembered: they are in no file.
    fn unwanted(&self, ask: &EventsRequest, stored: &[EventShown]) -> Vec<EventShown> {
        if ask.relay.is_some() || ask.sink.is_some() {
            return Vec::new();
        }
        let fits = |event: &Event| {
            ask.source.as_ref().is_none_or(|source| *source == *event.source)
                && ask.r#type.as_ref().is_none_or(|pattern| glob_matches(pattern, &event.r#type))
                && ask.since.is_none_or(|since| event.time >= since)
                && ask.until.is_none_or(|until| event.time <= until)
        };
        let events = self.recent.list().into_iter().filter(|event| fits(event));
        let shown = events.map(|event| event_shown(&event, Vec::new()));
        shown.filter(|event| !stored.iter().any(|other| other.id == event.id)).collect()
    }

    async fn find(&self, id: &EventId) -> Result<Arc<Event>, HttpError> {
        if let Some(event) = self.recent.find(id) {
            return Ok(event);
        }
        let ask = store::EventFilter { limit: SEARCHED, ..store::EventFilter::default() };
        let stored = self.store.events(ask).await.map_err(fault)?;
        let found = stored.into_iter().find(|row| row.event.id == *id).map(|row| row.event);
        found.ok_or_else(|| {
            HttpError::not_found(format!("no event {id} is known"), "`tidings events` lists those that are")
        })
    }
}

impl admin::AdminBackend for Backend {
    fn ready(&self) -> Result<(), String> {
        match (self.phase.load(Ordering::Relaxed), self.store.health()) {
            (STARTING, _) => Err("starting".to_owned()),
            (CLOSING, _) => Err("draining".to_owned()),
            (_, Health::Refusing(why)) => Err(why),
            (_, Health::Writable) => Ok(()),
        }
    }

    async fn metrics(&self) -> String {
        let now = Timestamp::now();
        for waiting in self.store.backlog().await.unwrap_or_default() {
            let metrics = self.metrics.sink(&waiting.sink);
            metrics.pending.set(gauge(waiting.pending));
            metrics.dead.set(gauge(waiting.dead));
            metrics.oldest_pending.set(waiting.oldest.map_or(0.0, |at| unix_seconds(now) - unix_seconds(at)));
        }
        for source in &self.sources {
            let counter = self.metrics.source(&source.name).skipped_messages;
            let seen = source.skipped.load(Ordering::Relaxed);
            counter.inc_by(seen.saturating_sub(counter.get()));
        }
        self.metrics.render()
    }

    async fn status(&self) -> Value {
        let ready = admin::AdminBackend::ready(self);
        let sources = self.sources.iter().map(|source| {
            let condition = source.condition.borrow();
            SourceStatus {
                name: source.name.to_string(),
                kind: source.kind.to_string(),
                state: condition.state.name().to_owned(),
                since: Some(condition.since.to_string()),
                why: condition.why.clone(),
                last_event: self.recent.last_of(&source.name).map(|at| at.to_string()),
            }
        });
        let incidents = self.store.incidents().await.unwrap_or_default();
        json(&Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: u64::try_from(Timestamp::now().duration_since(self.started).as_secs()).unwrap_or(0),
            ready: ready.is_ok(),
            why: ready.err(),
            sources: sources.collect(),
            sinks: self.sink_statuses().await,
            incidents: incidents.into_iter().map(incident_shown).collect(),
            silences: self.silences.in_force() as u64,
        })
    }

    async fn events(&self, ask: EventsRequest) -> Result<Value, HttpError> {
        let EventsRequest { source, r#type, relay, sink, since, until, limit } = ask.clone();
        let limit = limit.unwrap_or(store::EventFilter::default().limit);
        let rows = self.store.events(store::EventFilter { source, r#type, relay, sink, since, until, limit }).await;
        let mut events: Vec<_> = rows.map_err(fault)?.into_iter().map(row_shown).collect();
        events.extend(self.unwanted(&ask, &events));
        // Latest last, whoever wanted them; RFC 3339 in UTC sorts as text does, but for its fractions.
        events.sort_by_key(|event| event.time.parse::<Timestamp>().ok());
        events.drain(..events.len().saturating_sub(limit));
        Ok(json(&Events { events }))
    }

    async fn dead(&self, ask: DeadRequest) -> Result<Value, HttpError> {
        let letters = self.store.dead(letters(ask)).await.map_err(fault)?;
        let backlog = self.store.backlog().await.map_err(fault)?;
        let dead = letters.into_iter().map(dead_shown);
        Ok(json(&Dead { dead: dead.collect(), total: backlog.iter().map(|waiting| waiting.dead).sum() }))
    }

    async fn replay(&self, ask: DeadRequest) -> Result<Value, HttpError> {
        let count = self.store.replay(letters(ask)).await.map_err(fault)?;
        Ok(json(&Moved { count: count as u64 }))
    }

    async fn drop_dead(&self, ask: DeadRequest) -> Result<Value, HttpError> {
        let count = self.store.drop_dead(letters(ask)).await.map_err(fault)?;
        Ok(json(&Moved { count: count as u64 }))
    }

    async fn explain(&self, ask: ExplainRequest) -> Result<Value, HttpError> {
        let event = match ask {
            ExplainRequest::Stored(id) => self.find(&id).await?,
            ExplainRequest::Shown(event) => Arc::new(*event),
        };
        let mut explained = explained(&self.relays, &event);
        for relay in explained.relays.iter_mut().filter(|relay| relay.took) {
            relay.silence = self.silences.silencing(&event, &relay.relay);
        }
        Ok(json(&explained))
    }

    async fn silences(&self, ask: SilencesRequest) -> Result<Value, HttpError> {
        Ok(json(&Silences { silences: self.silences.list(ask.expired).await? }))
    }

    async fn add_silence(&self, ask: SilenceRequest) -> Result<Value, HttpError> {
        Ok(json(&self.silences.add(ask, &self.relays).await?))
    }

    async fn expire_silences(&self, ask: ExpireRequest) -> Result<Value, HttpError> {
        Ok(json(&Moved { count: self.silences.expire(ask).await? as u64 }))
    }
}

fn letters(ask: DeadRequest) -> store::DeadFilter {
    // An age beyond all time means: older than everything there is, which is nothing.
    let older_than = ask.older_than.map(|age| {
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN)
    });
    let ids = ask.ids.into_iter().map(DeliveryId::from).collect();
    store::DeadFilter { ids, relay: ask.relay, sink: ask.sink, older_than, limit: ask.limit }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
