//! The house's words in the admin API's shapes.

use serde::Serialize;
use serde_json::Value;

use crate::admin::HttpError;
use crate::admin::types::{DeadShown, DeliveryShown, EventShown, Explained, Incident, RelayExplained};
use crate::event::Event;
use crate::fault::Fault;
use crate::relay::Relays;
use crate::store::{self, StoreError};

/// What each relay makes of an event; also without a daemon, for `explain --file`.
pub fn explained(relays: &Relays, event: &Event) -> Explained {
    let relays = relays.explain(event).into_iter().map(|explained| {
        let to = relays.by_name(&explained.relay).map(|relay| relay.sinks.iter().map(ToString::to_string).collect());
        RelayExplained {
            relay: explained.relay.to_string(),
            took: explained.taken,
            why: explained.why,
            to: to.unwrap_or_default(),
            silence: None,
        }
    });
    Explained { event: event_shown(event, Vec::new()), relays: relays.collect() }
}

pub(super) fn row_shown(row: store::EventRow) -> EventShown {
    let deliveries = row.deliveries.into_iter().map(|delivery| DeliveryShown {
        relay: delivery.relay.to_string(),
        sink: delivery.sink.to_string(),
        state: delivery.state.name().to_owned(),
        attempts: delivery.attempts.into(),
        tries: delivery.tries.iter().map(ToString::to_string).collect(),
        why: delivery.why.or_else(|| row.damage.clone()),
        reply: delivery.reply,
    });
    event_shown(&row.event, deliveries.collect())
}

pub(super) fn event_shown(event: &Event, deliveries: Vec<DeliveryShown>) -> EventShown {
    EventShown {
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

pub(super) fn incident_shown(incident: store::Incident) -> Incident {
    Incident {
        source: incident.source.to_string(),
        event: incident.event,
        why: incident.why,
        since: Some(incident.since.to_string()),
    }
}

pub(super) fn dead_shown(letter: store::DeadLetter) -> DeadShown {
    DeadShown {
        id: letter.id.into(),
        since: letter.died.to_string(),
        relay: letter.relay.to_string(),
        sink: letter.sink.to_string(),
        attempts: letter.attempts.into(),
        tries: letter.tries.iter().map(ToString::to_string).collect(),
        why: letter.why,
        reply: letter.reply,
        event: letter.event.to_json(),
    }
}

/// The shapes are plain data, so this cannot fail; were it ever to, `null` is the honest answer.
pub(super) fn json(shape: &impl Serialize) -> Value {
    serde_json::to_value(shape).unwrap_or_default()
}

pub(super) fn fault(error: StoreError) -> HttpError {
    match error {
        StoreError::Closed => HttpError::unavailable("the daemon is stopping", "ask again when it has started"),
        trouble => HttpError::internal_fault(&Fault::new("state_file", trouble.to_string())),
    }
}
