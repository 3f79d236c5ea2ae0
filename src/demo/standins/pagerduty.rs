//! `PagerDuty`'s Events API v2, with the state of its alerts.

use std::io;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::http::{Reply, Request};
use super::log::Log;
use super::random::random_text;
use super::stand_in::{StandIn, Vendor};

pub type PagerDuty = StandIn<Service>;

/// One accepted event, and what it changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    pub at: Instant,
    /// `trigger`, `acknowledge` or `resolve`.
    pub action: String,
    pub key: String,
    pub summary: Option<String>,
    pub severity: Option<String>,
    pub change: AlertChange,
    pub body: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertChange {
    Opened,
    /// A trigger for an open alert.
    Appended,
    Acknowledged,
    Resolved,
    /// No alert with this key was open: accepted and ignored, as `PagerDuty` does.
    Dropped,
}

pub struct Service {
    key: String,
    alerts: Log<Alert>,
}

/// What is read of an event.
#[derive(Debug, Deserialize)]
pub struct PagerEvent {
    pub routing_key: String,
    pub event_action: String,
    pub dedup_key: Option<String>,
    #[serde(default)]
    pub payload: Payload,
}

#[derive(Debug, Default, Deserialize)]
pub struct Payload {
    pub summary: Option<String>,
    pub severity: Option<String>,
}

const PATH: &str = "/v2/enqueue";

impl PagerDuty {
    pub fn start() -> io::Result<Self> {
        Self::open(Service::default(), None)
    }
}

impl Default for Service {
    fn default() -> Self {
        Self { key: format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)), alerts: Log::new("alerts") }
    }
}

impl Vendor for Service {
    type Post = Alert;

    fn endpoint(&self) -> String {
        PATH.to_owned()
    }

    fn log(&self) -> &Log<Alert> {
        &self.alerts
    }

    fn answer(&self, request: &Request) -> Reply {
        if request.path != PATH || request.method != "POST" {
            let rule = format!("there is nothing for {} {:?}", request.method, request.path);
            return Reply::text(404, "Not Found").offended(rule);
        }
        match serde_json::from_slice(&request.body) {
            Ok(event) => self.take(request, event, (202, "dedup_key")),
            Err(error) => invalid(&[error.to_string()]),
        }
    }

    fn throttled(&self, request: &Request, retry_after: Option<u32>) -> Reply {
        let why = "Requests for this service are arriving too quickly.";
        let reply = match request.path.as_str() {
            PATH => Reply::json(429, &json!({ "status": "throttle exceeded", "message": why })),
            // Events API v1.
            _ => Reply::text(403, "Forbidden: rate limited"),
        };
        reply.after(retry_after)
    }

    fn broken(&self, status: u16) -> Reply {
        Reply::text(status, "Internal Server Error")
    }
}

impl Service {
    /// The integration's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The events that were accepted, in order.
    pub fn alerts(&self) -> Vec<Alert> {
        self.alerts.all()
    }

    /// Answers with this status, and with the event's key under this name.
    pub fn take(&self, request: &Request, event: PagerEvent, (status, key_name): (u16, &str)) -> Reply {
        let PagerEvent { routing_key, event_action: action, dedup_key, payload } = event;
        let key = dedup_key.unwrap_or_else(|| random_text(32));
        let reply = Reply::json(status, &json!({ "status": "success", "message": "Event processed", key_name: key }));
        if routing_key != self.key {
            // PagerDuty may answer 202 to an unknown key that has the right form.
            return reply.offended("the integration's key is not the service's");
        }
        let change = match (action.as_str(), self.is_open(&key)) {
            ("trigger", false) => AlertChange::Opened,
            ("trigger", true) => AlertChange::Appended,
            (_, false) => AlertChange::Dropped,
            ("resolve", true) => AlertChange::Resolved,
            (_, true) => AlertChange::Acknowledged,
        };
        let Payload { summary, severity } = payload;
        let body = serde_json::from_slice(&request.body).unwrap_or_default();
        self.alerts.push(Alert { at: request.at, action, key, summary, severity, change, body });
        reply
    }

    pub fn is_open(&self, key: &str) -> bool {
        let alerts = self.alerts.entries();
        let last = alerts.iter().rfind(|alert| alert.key == key && alert.change != AlertChange::Dropped);
        last.is_some_and(|alert| alert.change != AlertChange::Resolved)
    }
}

/// `PagerDuty`'s answer to an event with these errors.
pub fn invalid(errors: &[String]) -> Reply {
    let body = json!({ "status": "invalid event", "message": "Event object is invalid", "errors": errors });
    Reply::json(400, &body).offended(errors.join("; "))
}

#[cfg(test)]
mod tests {
    use AlertChange::{Acknowledged, Appended, Dropped, Opened, Resolved};

    use super::super::http::tests::post;
    use super::*;

    #[tokio::test]
    async fn alerts_open_once_and_are_resolved_under_their_key() {
        let pager = PagerDuty::start().unwrap();
        for action in ["resolve", "trigger", "trigger", "acknowledge", "resolve", "resolve"] {
            let event = json!({ "routing_key": pager.key(), "event_action": action, "dedup_key": "prod",
                "payload": { "summary": "prod is lost", "source": "prod", "severity": "critical" } });
            let (status, body) = post(&pager.url(), &event.to_string()).await;
            assert_eq!((status, body.contains("\"dedup_key\":\"prod\"")), (202, true), "{body}");
        }
        let changes: Vec<_> = pager.alerts().into_iter().map(|alert| alert.change).collect();
        assert_eq!(changes, [Dropped, Opened, Appended, Acknowledged, Resolved, Dropped]);
        assert!(!pager.is_open("prod"));
        assert!(pager.offences().is_empty());
    }
}
