//! Events, deliveries, dead letters and silences as the admin API's responses.

use jiff::Timestamp;

use crate::admin::HttpError;
use crate::admin::types::{
    DeadLetter, DeliveryRecord, EventRecord, Explanation, Incident, RelayVerdict, Silence, SinkStatus,
};
use crate::event::Event;
use crate::fault::Fault;
use crate::relay::Relays;
use crate::store::{self, StoreError};

/// What each relay does with an event; also without a daemon, for `explain --file`.
pub fn explain(relays: &Relays, event: &Event) -> Explanation {
    let verdicts = relays.explain(event).into_iter().map(|explained| {
        let relay = relays.by_name(&explained.relay);
        RelayVerdict {
            relay: explained.relay.to_string(),
            took: explained.taken,
            why: explained.why,
            to: relay.map(|relay| texts(&relay.sinks)).unwrap_or_default(),
            silence: None,
        }
    });
    Explanation { event: event_record(event, Vec::new()), relays: verdicts.collect() }
}

pub(super) fn stored_event(row: store::EventRow) -> EventRecord {
    let deliveries = row.deliveries.into_iter().map(|delivery| DeliveryRecord {
        relay: delivery.relay.to_string(),
        sink: delivery.sink.to_string(),
        state: delivery.state.name().to_owned(),
        attempts: delivery.attempts.into(),
        tries: texts(&delivery.tries),
        why: delivery.why.or_else(|| row.damage.clone()),
        reply: delivery.reply,
    });
    event_record(&row.event, deliveries.collect())
}

pub(super) fn event_record(event: &Event, deliveries: Vec<DeliveryRecord>) -> EventRecord {
    EventRecord {
        specversion: "1.0".to_owned(),
        id: event.id.to_string(),
        source: event.source.to_string(),
        kind: event.kind.to_string(),
        r#type: event.r#type.to_string(),
        time: event.time.to_string(),
        subject: event.subject.to_string(),
        data: event.data.value().as_ref().clone(),
        deliveries,
    }
}

pub(super) fn incident(incident: store::Incident) -> Incident {
    Incident {
        source: incident.source.to_string(),
        event: incident.event,
        why: incident.why,
        since: Some(incident.since.to_string()),
    }
}

pub(super) fn dead_letter(letter: store::DeadLetter) -> DeadLetter {
    let store::DeadLetter { delivery, event } = letter;
    DeadLetter {
        id: i64::from(delivery.id),
        since: delivery.settled.unwrap_or_default().to_string(),
        relay: delivery.relay.to_string(),
        sink: delivery.sink.to_string(),
        attempts: delivery.attempts.into(),
        tries: texts(&delivery.tries),
        why: delivery.why.unwrap_or_default(),
        reply: delivery.reply,
        event: event.to_json(),
    }
}

pub(super) fn silence(silence: &store::Silence, now: Timestamp) -> Silence {
    let ended = silence.revoked.or_else(|| (silence.until <= now).then_some(silence.until));
    Silence {
        id: silence.id,
        matches: silence.matches.clone(),
        why: silence.why.clone(),
        since: silence.since.to_string(),
        until: silence.until.to_string(),
        ended: ended.map(|at| at.to_string()),
    }
}

/// What the store has for a sink.
pub(super) fn backlog(backlog: &store::Backlog) -> SinkStatus {
    SinkStatus {
        name: backlog.sink.to_string(),
        pending: backlog.pending,
        oldest: backlog.oldest.map(|at| at.to_string()),
        dead: backlog.dead,
        ..SinkStatus::default()
    }
}

pub(super) fn store_refusal(error: StoreError) -> HttpError {
    match error {
        StoreError::Closed => HttpError::unavailable("the daemon is stopping", "try again when it has started"),
        error => HttpError::internal_fault(&Fault::new("state_file", error.to_string())),
    }
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}
