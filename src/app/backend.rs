//! Answers the admin API's requests from the store, the relays and the lanes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::responses::{self, store_refusal};
use super::silences::SilenceRegistry;
use crate::admin::types::{
    Count, DeadLetters, DeadRequest, EventRecord, Events, EventsRequest, ExpireRequest, ExplainTarget, Explanation,
    NewSilence, Silence, Silences, SilencesRequest, SinkStatus, SourceStatus, Status,
};
use crate::admin::{AdminBackend, HttpError};
use crate::delivery::LaneState;
use crate::event::{Event, EventId, Name};
use crate::intake::{Recent, SourceCondition};
use crate::metrics::{Metrics, unix_seconds};
use crate::relay::{Relays, glob_matches};
use crate::store::{self, DeliveryId, Health, Store};

/// How many stored events `explain` searches for an id.
const SEARCH_LIMIT: usize = 10_000;

pub(super) struct Backend {
    pub(super) store: Store,
    pub(super) relays: Arc<Relays>,
    pub(super) recent: Arc<Recent>,
    pub(super) silences: Arc<SilenceRegistry>,
    pub(super) metrics: Metrics,
    pub(super) sources: Vec<SourceView>,
    pub(super) sinks: Vec<SinkView>,
    pub(super) started: Timestamp,
    /// Why the daemon itself is not ready.
    pub(super) not_ready: watch::Sender<Option<&'static str>>,
}

/// What the backend reads of a source; the senders are its health monitor and its outbox.
pub(super) struct SourceView {
    pub name: Name,
    pub kind: Name,
    pub condition: watch::Receiver<SourceCondition>,
    /// The messages that the source could not parse.
    pub skipped: Arc<AtomicU64>,
}

/// What the backend reads of a sink; the sender is its lane.
pub(super) struct SinkView {
    pub name: Name,
    pub kind: &'static str,
    pub lane: watch::Receiver<LaneState>,
}

impl Backend {
    async fn sink_statuses(&self) -> Vec<SinkStatus> {
        let backlogs = self.store.backlog().await.unwrap_or_default();
        let statuses = self.sinks.iter().map(|sink| {
            let backlog = backlogs.iter().find(|backlog| backlog.sink == sink.name);
            let lane = sink.lane.borrow();
            SinkStatus {
                name: sink.name.to_string(),
                kind: sink.kind.to_owned(),
                suppressed: self.metrics.sink(&sink.name).suppressed.get(),
                stopped: lane.stopped.clone(),
                held: lane.held.clone(),
                ..backlog.map(responses::backlog).unwrap_or_default()
            }
        });
        let removed = backlogs.iter().filter(|backlog| {
            backlog.pending + backlog.dead > 0 && !self.sinks.iter().any(|sink| sink.name == backlog.sink)
        });
        let removed = removed.map(|backlog| SinkStatus {
            stopped: Some("not set up in relays.toml now; its pending messages are kept".to_owned()),
            ..responses::backlog(backlog)
        });
        statuses.chain(removed).collect()
    }

    /// The events that no relay took, as far as they are still in memory; they are never stored.
    fn unmatched(&self, request: &EventsRequest, stored: &[EventRecord]) -> Vec<EventRecord> {
        if request.relay.is_some() || request.sink.is_some() {
            return Vec::new();
        }
        let is_requested = |event: &Event| {
            request.source.as_ref().is_none_or(|source| *source == *event.source)
                && request.r#type.as_ref().is_none_or(|pattern| glob_matches(pattern, &event.r#type))
                && request.since.is_none_or(|since| event.time >= since)
                && request.until.is_none_or(|until| event.time <= until)
        };
        let events = self.recent.list().into_iter().filter(|event| is_requested(event));
        let records = events.map(|event| responses::event_record(&event, Vec::new()));
        records.filter(|event| !stored.iter().any(|other| other.id == event.id)).collect()
    }

    async fn find(&self, id: &EventId) -> Result<Arc<Event>, HttpError> {
        if let Some(event) = self.recent.find(id) {
            return Ok(event);
        }
        let filter = store::EventFilter { limit: SEARCH_LIMIT, ..store::EventFilter::default() };
        let stored = self.store.events(filter).await.map_err(store_refusal)?;
        let found = stored.into_iter().find(|row| row.event.id == *id).map(|row| row.event);
        found.ok_or_else(|| {
            HttpError::not_found(format!("there is no event {id}"), "`tidings events` lists the known ones")
        })
    }
}

impl AdminBackend for Backend {
    fn ready(&self) -> Result<(), String> {
        match (*self.not_ready.borrow(), self.store.health()) {
            (Some(why), _) => Err(why.to_owned()),
            (None, Health::Refusing(why)) => Err(why),
            (None, Health::Writable) => Ok(()),
        }
    }

    async fn metrics(&self) -> String {
        let now = Timestamp::now();
        for backlog in self.store.backlog().await.unwrap_or_default() {
            let metrics = self.metrics.sink(&backlog.sink);
            metrics.pending.set(gauge(backlog.pending));
            metrics.dead.set(gauge(backlog.dead));
            metrics.oldest_pending.set(backlog.oldest.map_or(0.0, |at| unix_seconds(now) - unix_seconds(at)));
        }
        for source in &self.sources {
            let counter = self.metrics.source(&source.name).skipped_messages;
            let skipped = source.skipped.load(Ordering::Relaxed);
            counter.inc_by(skipped.saturating_sub(counter.get()));
        }
        self.metrics.render()
    }

    async fn status(&self) -> Status {
        let ready = self.ready();
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
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: u64::try_from(Timestamp::now().duration_since(self.started).as_secs()).unwrap_or(0),
            ready: ready.is_ok(),
            why: ready.err(),
            sources: sources.collect(),
            sinks: self.sink_statuses().await,
            incidents: incidents.into_iter().map(responses::incident).collect(),
            silences: self.silences.active() as u64,
        }
    }

    async fn events(&self, request: EventsRequest) -> Result<Events, HttpError> {
        let filter = event_filter(request.clone());
        let limit = filter.limit;
        let rows = self.store.events(filter).await.map_err(store_refusal)?;
        let mut events: Vec<_> = rows.into_iter().map(responses::stored_event).collect();
        events.extend(self.unmatched(&request, &events));
        // RFC 3339 times do not sort as text, because of their fractions.
        events.sort_by_key(|event| event.time.parse::<Timestamp>().ok());
        events.drain(..events.len().saturating_sub(limit));
        Ok(Events { events })
    }

    async fn dead(&self, request: DeadRequest) -> Result<DeadLetters, HttpError> {
        let letters = self.store.dead(dead_filter(request)).await.map_err(store_refusal)?;
        let backlogs = self.store.backlog().await.map_err(store_refusal)?;
        Ok(DeadLetters {
            dead: letters.into_iter().map(responses::dead_letter).collect(),
            total: backlogs.iter().map(|backlog| backlog.dead).sum(),
        })
    }

    async fn replay(&self, request: DeadRequest) -> Result<Count, HttpError> {
        self.store.replay(dead_filter(request)).await.map(count).map_err(store_refusal)
    }

    async fn drop_dead(&self, request: DeadRequest) -> Result<Count, HttpError> {
        self.store.drop_dead(dead_filter(request)).await.map(count).map_err(store_refusal)
    }

    async fn explain(&self, target: ExplainTarget) -> Result<Explanation, HttpError> {
        let event = match target {
            ExplainTarget::Known(id) => self.find(&id).await?,
            ExplainTarget::Given(event) => Arc::new(*event),
        };
        let mut explanation = responses::explain(&self.relays, &event);
        for relay in explanation.relays.iter_mut().filter(|relay| relay.took) {
            relay.silence = self.silences.silencing(&event, &relay.relay);
        }
        Ok(explanation)
    }

    async fn silences(&self, request: SilencesRequest) -> Result<Silences, HttpError> {
        Ok(Silences { silences: self.silences.list(request.expired).await? })
    }

    async fn add_silence(&self, request: NewSilence) -> Result<Silence, HttpError> {
        self.silences.add(request, &self.relays).await
    }

    async fn expire_silences(&self, request: ExpireRequest) -> Result<Count, HttpError> {
        self.silences.expire(request).await.map(count)
    }
}

fn event_filter(request: EventsRequest) -> store::EventFilter {
    let EventsRequest { source, r#type, relay, sink, since, until, limit } = request;
    let limit = limit.unwrap_or(store::EventFilter::default().limit);
    store::EventFilter { source, r#type, relay, sink, since, until, limit }
}

fn dead_filter(request: DeadRequest) -> store::DeadFilter {
    let DeadRequest { ids, all: _, relay, sink, older_than, limit } = request;
    // Nothing is older than an age beyond the calendar.
    let older_than = older_than.map(|age| {
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN)
    });
    store::DeadFilter { ids: ids.into_iter().map(DeliveryId::from).collect(), relay, sink, older_than, limit }
}

fn count(count: usize) -> Count {
    Count { count: count as u64 }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
