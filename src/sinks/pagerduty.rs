//! `PagerDuty`'s Events API, v2 and the older v1. The key is the credential and the service.

mod payload;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use super::{Audience, Sink, SinkTraits, fitting_key, to_body};
use crate::config_reader::{Rate, TableReader};
use crate::message::{Markup, Message, Receipt, SendError, Signal};
use crate::outbound::{Class, Endpoint, Outbound, Reply};
use crate::secret::Secret;

const V1: &str = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";
const V2: &str = "https://events.pagerduty.com/v2/enqueue";
/// The whole event, as it is sent.
const LONGEST_BODY: usize = 512_000;
const LONGEST_KEY: usize = 255;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    V1,
    V2,
}

#[derive(Debug)]
pub struct Config {
    api: Api,
    url: Endpoint,
    key: Secret,
    client: Option<String>,
    client_url: Option<String>,
}

impl Config {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let (api, vendor) = match table.word("api", &["v1", "v2"]) {
            Some("v1") => (Api::V1, V1),
            _ => (Api::V2, V2),
        };
        let url = Endpoint::read_text(table, "url", vendor);
        let client = table.text("client").map(|said| said.value);
        let client_url = table.text("client_url").map(|said| said.value);
        let key = table.secret("key");
        if key.is_none() && !table.has("key") {
            table.missing_with_hint(
                "key",
                Some("Please provide a Pagerduty Service Key: key = { env = \"PAGERDUTY_KEY\" }"),
            );
        }
        let (key, url) = (key?.value, url?.value);
        Some(Self { api, url: url.hiding(key.expose()), key, client, client_url })
    }
}

#[derive(Debug)]
pub struct Pagerduty {
    config: Config,
    net: Outbound,
}

impl Pagerduty {
    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        Self { config, net: net.clone() }
    }

    /// The event as JSON. What is too large for `PagerDuty` loses its details, never its alarm.
    fn body(&self, message: &Message, key: &str) -> Result<Vec<u8>, SendError> {
        let write = |with_details: bool| match (&message.raw, self.config.api) {
            (Some(raw), api) => to_body(&self.completed(raw, api, message, key)),
            (None, Api::V2) => to_body(&payload::v2(&self.config, message, key, with_details)),
            (None, Api::V1) => to_body(&payload::v1(&self.config, message, key, with_details)),
        };
        let whole = write(true)?;
        if whole.len() <= LONGEST_BODY { Ok(whole) } else { write(false) }
    }

    /// A raw payload is its author's, but nobody writes the key into a template: what is left out is filled in.
    fn completed(&self, raw: &Value, api: Api, message: &Message, key: &str) -> Value {
        let [service, event, incident] = match api {
            Api::V1 => ["service_key", "event_type", "incident_key"],
            Api::V2 => ["routing_key", "event_action", "dedup_key"],
        };
        let mut raw = raw.clone();
        if let Value::Object(members) = &mut raw {
            members.entry(service).or_insert_with(|| self.config.key.expose().into());
            members.entry(event).or_insert_with(|| signal(message).into());
            members.entry(incident).or_insert_with(|| key.into());
        }
        raw
    }
}

impl Sink for Pagerduty {
    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let key = incident_key(message);
        let body = self.body(message, &key)?;
        let reply = self.net.post(&self.config.url, HeaderMap::new(), body).await?;
        reply.verdict(|reply| exceptions(self.config.api, reply))?;
        let named = answer(&reply).and_then(|answer| answer.dedup_key.or(answer.incident_key));
        Ok(Receipt(Some(named.unwrap_or(key).into_owned())))
    }

    fn traits(&self) -> SinkTraits {
        SinkTraits {
            markup: Markup::Plain,
            // https://developer.pagerduty.com/docs/events-api-v2-overview: per integration key.
            rate: Some(Rate { times: 120, per: Duration::from_secs(60) }),
            burst: 10,
            audience: Audience::Pager,
            knows_repeats: true,
            ..SinkTraits::plain(self.config.url.destination_of(self.config.key.expose()))
        }
    }
}

/// The same key opens, acknowledges and resolves, so there must be one, and the same one every time.
fn incident_key(message: &Message) -> Cow<'_, str> {
    if message.key.is_empty() {
        let origin = &message.origin;
        Cow::Owned(fitting_key(&format!("{}/{}", origin.source, origin.subject), LONGEST_KEY).into_owned())
    } else {
        fitting_key(&message.key, LONGEST_KEY)
    }
}

fn signal(message: &Message) -> &'static str {
    message.signal.unwrap_or(Signal::Trigger).word()
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    dedup_key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    incident_key: Option<Cow<'a, str>>,
}

fn answer(reply: &Reply) -> Option<Answer<'_>> {
    serde_json::from_slice(&reply.body).ok()
}

fn exceptions(api: Api, reply: &Reply) -> Option<Class> {
    if api == Api::V1 && reply.status == 403 {
        // https://developer.pagerduty.com/docs/events-api-v1-overview: 403 says that the limit was reached.
        return Some(Class::Later { lane: true });
    }
    // Both pages promise `"status":"success"` with every success. A body that says nothing is taken at its status.
    let status = answer(reply)?.status?;
    match &*status {
        _ if !reply.is_success() => None,
        "success" => None,
        "throttle exceeded" => Some(Class::Later { lane: true }),
        _ => Some(Class::NeverMessage),
    }
}
