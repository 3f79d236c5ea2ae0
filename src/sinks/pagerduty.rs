//! `PagerDuty`'s Events API, v2 and the older v1. The key is the credential and names the service.

mod config;
mod payload;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use serde_json::Value;

use super::payload::{fitting_key, to_body};
use super::sink::{Audience, SinkKind, SinkTraits};
use crate::config_reader::Rate;
use crate::message::{Markup, Message, Receipt, SendError};
use crate::outbound::{FailureClass, Outbound, Reply, Request};
use config::EventsApi;

pub(super) use config::Pagerduty;

/// Of the whole event.
const LONGEST_BODY: usize = 512_000;
const LONGEST_KEY: usize = 255;

impl Pagerduty {
    /// The event as JSON. One too large for `PagerDuty` loses its details, never its alarm.
    fn body(&self, message: &Message, key: &str) -> Result<Vec<u8>, SendError> {
        let write = |with_details: bool| match (&message.raw, self.api) {
            (Some(raw), api) => to_body(&self.completed(raw, api, message, key)),
            (None, EventsApi::V2) => to_body(&payload::v2(self, message, key, with_details)),
            (None, EventsApi::V1) => to_body(&payload::v1(self, message, key, with_details)),
        };
        let whole = write(true)?;
        if whole.len() <= LONGEST_BODY { Ok(whole) } else { write(false) }
    }

    /// A raw payload with the credential, the signal and the key, where it leaves these out.
    fn completed(&self, raw: &Value, api: EventsApi, message: &Message, key: &str) -> Value {
        let [service, event, incident] = match api {
            EventsApi::V1 => ["service_key", "event_type", "incident_key"],
            EventsApi::V2 => ["routing_key", "event_action", "dedup_key"],
        };
        let mut raw = raw.clone();
        if let Value::Object(members) = &mut raw {
            members.entry(service).or_insert_with(|| self.key.expose().into());
            members.entry(event).or_insert_with(|| payload::signal(message).into());
            members.entry(incident).or_insert_with(|| key.into());
        }
        raw
    }
}

impl SinkKind for Pagerduty {
    async fn send(&self, net: &Outbound, message: &Message) -> Result<Receipt, SendError> {
        let key = incident_key(message);
        let body = self.body(message, &key)?;
        let reply = net.deliver(Request::post(&self.url, body)).await?;
        reply.verdict(|reply| exceptions(self.api, reply))?;
        let assigned: Value = reply.json().unwrap_or_default();
        let assigned = assigned["dedup_key"].as_str().or(assigned["incident_key"].as_str());
        Ok(Receipt(Some(assigned.unwrap_or(&key).to_owned())))
    }

    fn traits(&self) -> SinkTraits {
        SinkTraits {
            markup: Markup::Plain,
            // https://developer.pagerduty.com/docs/events-api-v2-overview: per integration key.
            rate: Some(Rate { times: 120, per: Duration::from_secs(60) }),
            burst: 10,
            audience: Audience::Pager,
            knows_repeats: true,
            ..SinkTraits::plain(self.url.destination_of(self.key.expose()))
        }
    }
}

/// An incident is opened, acknowledged and resolved by the same key, so a message without one gets one.
fn incident_key(message: &Message) -> Cow<'_, str> {
    if message.key.is_empty() {
        let origin = &message.origin;
        Cow::Owned(fitting_key(&format!("{}/{}", origin.source, origin.subject), LONGEST_KEY).into_owned())
    } else {
        fitting_key(&message.key, LONGEST_KEY)
    }
}

fn exceptions(api: EventsApi, reply: &Reply) -> Option<FailureClass> {
    if api == EventsApi::V1 && reply.status == 403 {
        // https://developer.pagerduty.com/docs/events-api-v1-overview: 403 means that the limit was reached.
        return Some(FailureClass::Later { lane: true });
    }
    // Both pages promise `"status":"success"` with every success. Without it the HTTP status decides.
    let body: Value = reply.json().ok()?;
    match body["status"].as_str()? {
        _ if !reply.is_success() => None,
        "success" => None,
        "throttle exceeded" => Some(FailureClass::Later { lane: true }),
        _ => Some(FailureClass::NeverMessage),
    }
}
