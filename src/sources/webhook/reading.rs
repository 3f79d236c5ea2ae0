//! One request, read: the events that are in it, named.

use std::collections::HashSet;
use std::sync::Arc;

use reqwest::header::HeaderMap;

use super::Config;
use crate::event::{Body, Event, EventId, Name};
use crate::fault::Fault;
use crate::sources::labels::{Arrived, Known};
use crate::sources::posted::split::MOST_ELEMENTS;
use crate::sources::posted::{Media, Unreadable, body, cloudevents, json};
use crate::sources::verify::Proof;

/// `data` is the event's own body, `body` the whole of which `split` made it.
pub(super) const ROOTS: [&str; 3] = ["data", "headers", "body"];

/// Everything that reads what strangers wrote is in here; nothing is sent, nothing kept.
pub(super) fn events_of(
    config: &Config,
    headers: &HeaderMap,
    bytes: &[u8],
    proof: &Proof,
    arrived: Arrived,
    failed: &mut dyn FnMut(Fault),
) -> Result<Vec<Event>, Unreadable> {
    let Config { gate, labels, split } = config;
    let shown = labels.mention("headers").then(|| (Name::from("headers"), Arc::new(gate.shown(headers))));
    let mut events = Vec::new();
    for (whole, known) in posted(headers, bytes, proof)? {
        let mut others: Vec<_> = shown.iter().cloned().collect();
        others.extend(labels.mention("body").then(|| (Name::from("body"), Arc::clone(whole.value()))));
        let parts = match split {
            Some(split) => parts(split.elements(&whole)?, &known),
            None => vec![(whole, known)],
        };
        if events.len() + parts.len() > MOST_ELEMENTS {
            let said = format!("these are more than {MOST_ELEMENTS} events, send them in parts");
            return Err(Unreadable::TooMuch(said));
        }
        events.extend(parts.into_iter().map(|(data, known)| labels.event(data, known, &others, arrived, failed)));
    }
    tell_repeated_ids(&events, failed);
    Ok(events)
}

/// What was posted, before any split, and what it says of itself.
fn posted(headers: &HeaderMap, bytes: &[u8], proof: &Proof) -> Result<Vec<(Body, Known)>, Unreadable> {
    // What a signature covers names an event before what it does not: the delivery's id before a header of CloudEvents,
    // and an id inside the body before both. A delivery's id that nobody signed anybody can change, so it names nothing.
    let delivery = || match proof {
        Proof::Delivery(id) if !id.is_empty() => Some(id.clone()),
        Proof::Delivery(_) | Proof::Signature(_) | Proof::Sender => None,
    };
    // A copy of a request that nobody named is known by its signature.
    let copy = || match proof {
        Proof::Signature(digest) => Some(digest.clone()),
        Proof::Delivery(_) | Proof::Sender => None,
    };
    match Media::of(headers)? {
        Media::CloudEventBatch => cloudevents::batch(bytes),
        Media::CloudEvent => Ok(vec![cloudevents::structured(json(bytes)?)?]),
        media if cloudevents::is_binary(headers) => {
            let known = cloudevents::binary(headers)?;
            // An event may go without data.
            let data = if bytes.is_empty() && media == Media::Json { json(b"null") } else { body(headers, bytes) };
            Ok(vec![(data?, Known { id: delivery().or(known.id), ..known })])
        }
        _ => Ok(vec![(body(headers, bytes)?, Known { id: delivery().or_else(copy), ..Known::default() })]),
    }
}

/// The elements of one thing that was split. Sent again they come in the same order, so the place tells them apart.
fn parts(elements: Vec<Body>, known: &Known) -> Vec<(Body, Known)> {
    let numbered = |at| known.id.as_ref().map(|id| format!("{id}#{at}"));
    let parts = elements.into_iter().enumerate();
    parts.map(|(at, data)| (data, Known { id: numbered(at), ..known.clone() })).collect()
}

/// Of events with one id only the first is kept. Within one request that is rarely meant.
fn tell_repeated_ids(events: &[Event], failed: &mut dyn FnMut(Fault)) {
    let mut seen = HashSet::new();
    let repeated = events.iter().find(|event| matches!(event.id, EventId::Given(_)) && !seen.insert(&event.id));
    if let Some(event) = repeated {
        failed(Fault::new("repeated_id", format!("several events of one request have the id {}", event.id)));
    }
}
