//! What `PagerDuty` requires of the fields of an event, in both versions of its Events API.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::http::Request;
use super::random::random_text;

/// All errors, as `PagerDuty` lists them.
#[derive(Debug, PartialEq)]
pub(super) struct Invalid(pub(super) Vec<String>);

/// One valid event of either version.
#[derive(Debug, PartialEq)]
pub(super) struct PagerEvent {
    pub(super) routing_key: String,
    pub(super) action: String,
    pub(super) key: String,
    pub(super) summary: Option<String>,
    pub(super) severity: Option<String>,
    pub(super) body: Value,
}

const BODY_MAX: usize = 512_000;
const ACTIONS: [&str; 3] = ["trigger", "acknowledge", "resolve"];
const SEVERITIES: [&str; 4] = ["critical", "error", "warning", "info"];

pub(super) fn check_v2(request: &Request) -> Result<PagerEvent, Invalid> {
    let body = read(request)?;
    let mut fields = FieldReader { fields: object(&body), place: "", errors: Vec::new() };
    let routing_key = fields.required("routing_key", 32).filter(|key| key.len() == 32);
    fields.expect(routing_key.is_some(), "routing_key is not 32 characters long");
    let action = fields.one_of("event_action", &ACTIONS);
    let key = fields.optional("dedup_key", 255);
    let triggers = action == Some("trigger");
    fields.expect(triggers || key.is_some(), "dedup_key is missing or blank");
    fields.optional("client", usize::MAX);
    fields.optional("client_url", usize::MAX);
    fields.items("links", "href", |href| !href.is_empty());
    fields.items("images", "src", |src| src.starts_with("https://"));
    let FieldReader { mut errors, .. } = fields;

    let mut payload =
        FieldReader { fields: body.get("payload").and_then(Value::as_object), place: "payload.", errors: Vec::new() };
    let (mut summary, mut severity) = (None, None);
    if triggers {
        summary = payload.required("summary", 1024);
        payload.required("source", usize::MAX);
        severity = payload.one_of("severity", &SEVERITIES);
        for name in ["component", "group", "class"] {
            payload.optional(name, usize::MAX);
        }
        let time = payload.optional("timestamp", usize::MAX);
        payload.expect(time.is_none_or(is_time), "payload.timestamp is not ISO 8601");
        let details = payload.get("custom_details");
        payload.expect(details.is_none_or(Value::is_object), "payload.custom_details is no object");
    } else if let Some(given) = payload.get("summary") {
        summary = given.as_str();
    }
    errors.extend(payload.errors);
    event(errors, routing_key, action, key, summary, severity, &body)
}

pub(super) fn check_v1(request: &Request) -> Result<PagerEvent, Invalid> {
    let body = read(request)?;
    let mut fields = FieldReader { fields: object(&body), place: "", errors: Vec::new() };
    let routing_key = fields.required("service_key", 32).filter(|key| key.len() == 32);
    fields.expect(routing_key.is_some(), "service_key is not 32 characters long");
    let action = fields.one_of("event_type", &ACTIONS);
    let key = fields.optional("incident_key", 255);
    let triggers = action == Some("trigger");
    fields.expect(triggers || key.is_some(), "incident_key is missing or blank");
    let description = fields.optional("description", 1024);
    fields.expect(!triggers || description.is_some(), "description is missing or blank");
    fields.optional("client", usize::MAX);
    fields.optional("client_url", usize::MAX);
    let details = fields.get("details");
    fields.expect(details.is_none_or(Value::is_object), "details is no object");
    let contexts = fields.get("contexts");
    fields.expect(contexts.is_none_or(Value::is_array), "contexts is no list");
    event(fields.errors, routing_key, action, key, description, None, &body)
}

fn event(
    errors: Vec<String>,
    routing_key: Option<&str>,
    action: Option<&str>,
    key: Option<&str>,
    summary: Option<&str>,
    severity: Option<&str>,
    body: &Value,
) -> Result<PagerEvent, Invalid> {
    let (Some(routing_key), Some(action), true) = (routing_key, action, errors.is_empty()) else {
        return Err(Invalid(errors));
    };
    Ok(PagerEvent {
        routing_key: routing_key.to_owned(),
        action: action.to_owned(),
        key: key.map_or_else(|| random_text(32), str::to_owned),
        summary: summary.map(str::to_owned),
        severity: severity.map(str::to_owned),
        body: body.clone(),
    })
}

fn read(request: &Request) -> Result<Value, Invalid> {
    let invalid = |error: String| Invalid(vec![error]);
    if request.body.len() > BODY_MAX {
        return Err(invalid(format!("the body is larger than {BODY_MAX} bytes")));
    }
    if !request.is_json() {
        return Err(invalid("the Content-Type is not application/json".to_owned()));
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|error| invalid(format!("not JSON: {error}")))?;
    if body.is_object() { Ok(body) } else { Err(invalid("not an object".to_owned())) }
}

fn object(body: &Value) -> Option<&Map<String, Value>> {
    body.as_object()
}

fn is_time(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok()
}

/// Reads fields and collects the errors. A null counts as missing: old clients send it.
struct FieldReader<'a> {
    fields: Option<&'a Map<String, Value>>,
    place: &'static str,
    errors: Vec<String>,
}

impl<'a> FieldReader<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields?.get(name).filter(|value| !value.is_null())
    }

    fn expect(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            self.errors.push(otherwise.to_owned());
        }
    }

    fn required(&mut self, name: &str, most: usize) -> Option<&'a str> {
        let text = self.optional(name, most);
        if text.is_none() {
            self.errors.push(format!("{}{name} is missing or blank", self.place));
        }
        text
    }

    fn optional(&mut self, name: &str, most: usize) -> Option<&'a str> {
        let value = self.get(name)?;
        let Some(text) = value.as_str() else {
            self.errors.push(format!("{}{name} is no string", self.place));
            return None;
        };
        if text.chars().count() > most {
            self.errors.push(format!("{}{name} is longer than {most} characters", self.place));
        }
        Some(text).filter(|text| !text.trim().is_empty())
    }

    fn one_of(&mut self, name: &str, choices: &[&str]) -> Option<&'a str> {
        let value = self.required(name, usize::MAX)?;
        if choices.contains(&value) {
            return Some(value);
        }
        self.errors.push(format!("{}{name} is invalid (must be one of: {})", self.place, choices.join(" ")));
        None
    }

    fn items(&mut self, list: &str, key: &str, holds: impl Fn(&str) -> bool) {
        let Some(items) = self.get(list) else { return };
        let good = |item: &Value| item.get(key).and_then(Value::as_str).is_some_and(&holds);
        if !items.as_array().is_some_and(|items| items.iter().all(good)) {
            self.errors.push(format!("{}{list} needs a valid {key} in each item", self.place));
        }
    }
}
