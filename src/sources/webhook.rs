//! Whatever others post: JSON, forms, `CloudEvents`. relays.toml says what type, id, subject and time an event has.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::posted::{Posted, PostedEvents, PostedKind};
use super::source::{AlertTexts, alert_texts};
use crate::config_reader::TableReader;
use crate::event::{Body, Event, EventId, Name};
use crate::fault::Fault;
use crate::ingress::verify::Proof;
use crate::ingress::{Known, Labels, MAX_ELEMENTS, Media, Split, Unreadable, VerifiedRequest, cloudevents, json};
use crate::log_limiter::LogLimiter;

/// `data` is the event's own body, `body` the whole one if it was split.
const ROOTS: [&str; 3] = ["data", "headers", "body"];

/// `[source.webhook.NAME]`
pub(super) type Config = Posted<WebhookKind>;
pub(super) type Webhook = Config;

#[derive(Debug, Default)]
pub struct WebhookKind {
    labels: Labels,
    split: Option<Split>,
    label_faults: Mutex<LogLimiter>,
}

impl PostedKind for WebhookKind {
    const ALERT_TEXTS: AlertTexts = alert_texts!("Source");
    const PREFLIGHT: bool = true;

    fn read(table: &TableReader) -> Self {
        let (labels, split) = (Labels::read(table, &ROOTS), Split::read(table));
        Self { labels, split, label_faults: Mutex::default() }
    }

    fn events_of(&self, request: &VerifiedRequest) -> Result<PostedEvents, Unreadable> {
        let Self { labels, split, label_faults } = self;
        let mut failed = |fault: Fault| {
            let mut limiter = label_faults.lock().unwrap_or_else(PoisonError::into_inner);
            limiter.note(request.arrived.source, "label template failed, using the default", fault);
        };
        let headers = labels.mention("headers").then(|| (Name::from("headers"), Arc::new(request.public_headers())));
        let mut events = Vec::new();
        for (whole, known) in bodies(request)? {
            let mut roots: Vec<_> = headers.iter().cloned().collect();
            roots.extend(labels.mention("body").then(|| (Name::from("body"), Arc::clone(whole.value()))));
            let parts = match split {
                Some(split) => numbered(split.elements(&whole)?, &known),
                None => vec![(whole, known)],
            };
            if events.len() + parts.len() > MAX_ELEMENTS {
                let why = format!("these are more than {MAX_ELEMENTS} events, send them in parts");
                return Err(Unreadable::TooLarge(why));
            }
            let arrived = request.arrived;
            events
                .extend(parts.into_iter().map(|(data, known)| labels.event(data, known, &roots, arrived, &mut failed)));
        }
        report_repeated_id(&events, &mut failed);
        Ok(events.into())
    }
}

/// The bodies in a request, before `split`, each with the labels that the request has for it.
fn bodies(request: &VerifiedRequest) -> Result<Vec<(Body, Known)>, Unreadable> {
    let VerifiedRequest { headers, body: bytes, proof, .. } = *request;
    // What is signed goes before what is not: the id of a signed delivery before a CloudEvents header, and an id inside
    // the body before both. An unsigned id of a delivery could be anything, so it is not used.
    let delivery = || match proof {
        Proof::Delivery(id) if !id.is_empty() => Some(id.clone()),
        Proof::Delivery(_) | Proof::Signature(_) | Proof::Sender => None,
    };
    // Without any id, a copy of a request is recognized by its signature.
    let signature = || match proof {
        Proof::Signature(digest) => Some(digest.clone()),
        Proof::Delivery(_) | Proof::Sender => None,
    };
    match Media::of(headers)? {
        Media::CloudEventBatch => cloudevents::batch(bytes),
        Media::CloudEvent => Ok(vec![cloudevents::structured(json(bytes)?)?]),
        media if cloudevents::is_binary(headers) => {
            let known = cloudevents::binary(headers)?;
            // The data is optional.
            let data = if bytes.is_empty() && media == Media::Json { json(b"null") } else { request.parse() };
            Ok(vec![(data?, Known { id: delivery().or(known.id), ..known })])
        }
        _ => Ok(vec![(request.parse()?, Known { id: delivery().or_else(signature), ..Known::default() })]),
    }
}

/// Elements of a body that was split have its id with their position, which is the same when they are sent again.
fn numbered(elements: Vec<Body>, known: &Known) -> Vec<(Body, Known)> {
    let id = |at| known.id.as_ref().map(|id| format!("{id}#{at}"));
    let elements = elements.into_iter().enumerate();
    elements.map(|(at, data)| (data, Known { id: id(at), ..known.clone() })).collect()
}

/// Of several events with one id only the first is processed. Within one request that is rarely intended.
fn report_repeated_id(events: &[Event], failed: &mut dyn FnMut(Fault)) {
    let mut seen = HashSet::new();
    let repeated = events.iter().find(|event| matches!(event.id, EventId::Given(_)) && !seen.insert(&event.id));
    if let Some(event) = repeated {
        failed(Fault::new("repeated_id", format!("several events of one request have the id {}", event.id)));
    }
}

#[cfg(test)]
mod tests;
