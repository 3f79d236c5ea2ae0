//! The payloads of both APIs.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::config::Pagerduty;
use crate::message::{Markup, Message, Signal, Unit, cut};

/// `summary` in v2, `description` in v1.
const LONGEST_SUMMARY: usize = 1024;
/// Our own limit: no name is longer.
const LONGEST_NAME: usize = 255;
const LONGEST_LINK: usize = 2000;
/// The text of the first Tutum bridge for a message without one.
const DEFAULT_SUMMARY: &str = "Tutum Stream Issue";
const TOO_LARGE: &str = "left out: the event is larger than PagerDuty takes (512,000 bytes)";

/// <https://developer.pagerduty.com/docs/send-alert-event>
#[derive(Serialize)]
pub(super) struct V2<'a> {
    routing_key: &'a str,
    event_action: &'static str,
    dedup_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_url: Option<&'a str>,
    payload: Alert<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    links: Option<[Link<'a>; 1]>,
}

#[derive(Serialize)]
struct Alert<'a> {
    summary: String,
    source: Cow<'a, str>,
    severity: &'static str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_details: Option<Cow<'a, Value>>,
}

#[derive(Serialize)]
struct Link<'a> {
    href: &'a str,
    text: String,
}

/// <https://developer.pagerduty.com/docs/send-a-v1-event>
#[derive(Serialize)]
pub(super) struct V1<'a> {
    service_key: &'a str,
    incident_key: &'a str,
    event_type: &'static str,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Cow<'a, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contexts: Option<[Context<'a>; 1]>,
}

#[derive(Serialize)]
struct Context<'a> {
    r#type: &'static str,
    href: &'a str,
    text: String,
}

pub(super) fn v2<'a>(config: &'a Pagerduty, message: &'a Message, key: &'a str, with_details: bool) -> V2<'a> {
    let origin = &message.origin;
    let noun = origin.r#type.split('.').next().unwrap_or_default();
    V2 {
        routing_key: config.key.expose(),
        event_action: signal(message),
        dedup_key: key,
        client: client(config, message),
        client_url: client_url(config, message),
        payload: Alert {
            summary: summary(message),
            source: source(message),
            severity: message.severity.word(),
            timestamp: origin.time.to_string(),
            component: name(noun),
            group: name(&origin.source),
            class: name(&origin.r#type),
            custom_details: details(message, with_details),
        },
        links: link(message).map(|link| [link]),
    }
}

pub(super) fn v1<'a>(config: &'a Pagerduty, message: &'a Message, key: &'a str, with_details: bool) -> V1<'a> {
    V1 {
        service_key: config.key.expose(),
        incident_key: key,
        event_type: signal(message),
        description: summary(message),
        client: client(config, message),
        client_url: client_url(config, message),
        details: details(message, with_details),
        contexts: link(message).map(|link| [Context { r#type: "link", href: link.href, text: link.text }]),
    }
}

pub(super) fn signal(message: &Message) -> &'static str {
    message.signal.unwrap_or(Signal::Trigger).word()
}

fn summary(message: &Message) -> String {
    let title = message.title.as_deref().unwrap_or_default().trim();
    let text = message.text.trim();
    let summary = match (title.is_empty(), text.is_empty()) {
        (true, true) => Cow::Borrowed(DEFAULT_SUMMARY),
        (false, true) => Cow::Borrowed(title),
        (true, false) => Cow::Borrowed(text),
        (false, false) => Cow::Owned(format!("{title}: {text}")),
    };
    cut(&summary, LONGEST_SUMMARY, Unit::Utf16)
}

/// What is affected: the subject of the event, else its source. `PagerDuty` refuses an empty one.
fn source(message: &Message) -> Cow<'_, str> {
    let origin = &message.origin;
    match (name(&origin.subject), name(&origin.source)) {
        (Some(subject), _) => subject.into(),
        (None, Some(source)) => source.into(),
        (None, None) => "tidings".into(),
    }
}

/// A name out of the event, which the renderer has not escaped.
fn name(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| cut(&Markup::Plain.escaped(text), LONGEST_NAME, Unit::Utf16))
}

fn client<'a>(config: &'a Pagerduty, message: &'a Message) -> Option<&'a str> {
    message.client.as_deref().or(config.client.as_deref())
}

fn client_url<'a>(config: &'a Pagerduty, message: &'a Message) -> Option<&'a str> {
    message.client_url.as_deref().or(config.client_url.as_deref())
}

/// The body of the event and the fields of the message, as the object that both APIs require.
fn details(message: &Message, with_them: bool) -> Option<Cow<'_, Value>> {
    if !with_them {
        return Some(Cow::Owned(json!({ "note": TOO_LARGE })));
    }
    let data = message.origin.data.value().as_ref();
    if data.is_object() && message.fields.is_empty() {
        return Some(Cow::Borrowed(data));
    }
    let mut details = match data {
        Value::Object(members) => members.clone(),
        Value::Null => Map::new(),
        other => Map::from_iter([("data".to_owned(), other.clone())]),
    };
    details.extend(message.fields.iter().map(|field| (field.name.clone(), field.value.as_str().into())));
    (!details.is_empty()).then(|| Cow::Owned(details.into()))
}

/// `PagerDuty` refuses an alarm with an empty link, so such a link is left out.
fn link(message: &Message) -> Option<Link<'_>> {
    let href = message.link.as_deref()?.trim();
    let text = message.title.as_deref().and_then(name).unwrap_or_else(|| "More".to_owned());
    (!href.is_empty() && href.len() <= LONGEST_LINK).then_some(Link { href, text })
}
