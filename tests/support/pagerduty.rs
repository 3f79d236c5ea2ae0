//! `PagerDuty`'s Events API with what it requires of the fields of an event, and with its first version.

use jiff::Timestamp;
use serde_json::{Map, Value};
use tidings::demo::standins::{PagerDuty, PagerEvent, Payload, Reply, Request, Service, Vendor, pagerduty_refusal};

const V1: &str = "/generic/2010-04-15/create_event.json";

const BODY_MAX: usize = 512_000;
const ACTIONS: [&str; 3] = ["trigger", "acknowledge", "resolve"];
const SEVERITIES: [&str; 4] = ["critical", "error", "warning", "info"];

/// A stand-in that checks every rule.
pub(crate) fn start() -> PagerDuty {
    PagerDuty::open(Service::default(), Some(check)).expect("loopback")
}

/// The endpoint of Events API v1.
pub(crate) fn v1_url(pagerduty: &PagerDuty) -> String {
    pagerduty.url().replace(&pagerduty.endpoint(), V1)
}

/// The keys of the alerts that are not resolved.
pub(crate) fn open_keys(pagerduty: &PagerDuty) -> Vec<String> {
    let mut keys: Vec<_> = pagerduty.alerts().into_iter().map(|alert| alert.key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| pagerduty.is_open(key));
    keys
}

fn check(service: &Service, request: &Request) -> Option<Reply> {
    let read = read(request);
    if request.path != V1 {
        return read.and_then(|body| check_v2(&body)).err().map(|errors| pagerduty_refusal(&errors));
    }
    Some(match read.and_then(|body| check_v1(&body)) {
        _ if request.method != "POST" => service.answer(request),
        Ok(event) => service.take(request, event, (200, "incident_key")),
        Err(errors) => pagerduty_refusal(&errors),
    })
}

/// All errors, as `PagerDuty` lists them.
type Errors = Vec<String>;

fn check_v2(body: &Map<String, Value>) -> Result<(), Errors> {
    let mut fields = FieldReader { fields: Some(body), place: "", errors: Vec::new() };
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
    if triggers {
        payload.required("summary", 1024);
        payload.required("source", usize::MAX);
        payload.one_of("severity", &SEVERITIES);
        for name in ["component", "group", "class"] {
            payload.optional(name, usize::MAX);
        }
        let time = payload.optional("timestamp", usize::MAX);
        payload.expect(time.is_none_or(is_time), "payload.timestamp is not ISO 8601");
        let details = payload.get("custom_details");
        payload.expect(details.is_none_or(Value::is_object), "payload.custom_details is no object");
    }
    errors.extend(payload.errors);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn check_v1(body: &Map<String, Value>) -> Result<PagerEvent, Errors> {
    let mut fields = FieldReader { fields: Some(body), place: "", errors: Vec::new() };
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
    let (Some(routing_key), Some(action), true) = (routing_key, action, fields.errors.is_empty()) else {
        return Err(fields.errors);
    };
    Ok(PagerEvent {
        routing_key: routing_key.to_owned(),
        event_action: action.to_owned(),
        dedup_key: key.map(str::to_owned),
        payload: Payload { summary: description.map(str::to_owned), severity: None },
    })
}

fn read(request: &Request) -> Result<Map<String, Value>, Errors> {
    if request.body.len() > BODY_MAX {
        return Err(vec![format!("the body is larger than {BODY_MAX} bytes")]);
    }
    if !request.is_json() {
        return Err(vec!["the Content-Type is not application/json".to_owned()]);
    }
    serde_json::from_slice(&request.body).map_err(|error| vec![format!("not a JSON object: {error}")])
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidings::demo::standins::InjectedFault;

    use super::*;
    use crate::daemon::post;

    fn v2(key: &str, action: &str) -> String {
        let payload = json!({ "summary": "prod is lost", "source": "prod", "severity": "critical" });
        json!({ "routing_key": key, "event_action": action, "dedup_key": "prod", "payload": payload }).to_string()
    }

    #[tokio::test]
    async fn v1_throttles_with_403_and_has_the_same_alerts_as_v2() {
        let pager = start();
        pager.fail_with([InjectedFault::Throttled { retry_after: None }]);
        let body = json!({ "service_key": pager.key(), "event_type": "trigger", "incident_key": "tutum-stream",
            "description": "Tutum Stream connection closed.", "client": null, "client_url": null });
        assert_eq!(post(&v1_url(&pager), &body.to_string()).await.0, 403);
        assert_eq!(post(&v1_url(&pager), &body.to_string()).await.0, 200);
        assert_eq!(open_keys(&pager), ["tutum-stream"]);
    }

    #[tokio::test]
    async fn an_invalid_event_is_refused_and_an_unknown_key_opens_no_alert() {
        let pager = start();
        let bad = v2(pager.key(), "trigger").replace("critical", "catastrophic");
        let (status, body) = post(&pager.url(), &bad).await;
        assert_eq!((status, body.contains("invalid event")), (400, true));
        let other = "0".repeat(32);
        assert_eq!(post(&pager.url(), &v2(&other, "trigger")).await.0, 202);
        assert_eq!(post(&pager.url(), &v2("short", "trigger")).await.0, 400);
        assert_eq!((pager.alerts().len(), pager.offences().len()), (0, 3));
    }
}
