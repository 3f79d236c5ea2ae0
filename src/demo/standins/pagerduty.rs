//! `PagerDuty`'s Events API, v2 and v1 on one server, with the state of its alerts.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::http::{Reply, Request};
use super::log::{Log, WaitTimeout};
use super::pagerduty_rules::{Invalid, PagerEvent, check_v1, check_v2};
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

type Check = fn(&Request) -> Result<PagerEvent, Invalid>;

#[derive(Debug)]
pub struct Service {
    key: String,
    alerts: Log<Alert>,
}

const V2: &str = "/v2/enqueue";
const V1: &str = "/generic/2010-04-15/create_event.json";

impl PagerDuty {
    pub async fn start() -> io::Result<Self> {
        let key = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        Self::open(0, Service { key, alerts: Log::new("alerts") }).await
    }

    /// The endpoint of Events API v2.
    pub fn url(&self) -> String {
        format!("{}{V2}", self.base())
    }

    /// The endpoint of Events API v1.
    pub fn v1_url(&self) -> String {
        format!("{}{V1}", self.base())
    }

    /// The integration's key, which both versions take.
    pub fn key(&self) -> &str {
        &self.vendor().key
    }

    pub fn log(&self) -> &Log<Alert> {
        &self.vendor().alerts
    }

    /// The events that were accepted, in order.
    pub fn alerts(&self) -> Vec<Alert> {
        self.log().all()
    }

    /// The keys of the alerts that are not resolved.
    pub fn open_keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.alerts().into_iter().map(|alert| alert.key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| self.vendor().is_open(key));
        keys
    }

    pub async fn wait_for(&self, alerts: usize, limit: Duration) -> Result<Vec<Alert>, WaitTimeout> {
        self.log().wait_for(alerts, limit).await
    }

    pub async fn next(&self, limit: Duration) -> Result<Alert, WaitTimeout> {
        self.log().next(limit).await
    }
}

impl Vendor for Service {
    fn answer(&self, request: &Request) -> Reply {
        let (check, status, key_name): (Check, _, _) = match request.path.as_str() {
            V2 => (check_v2, 202, "dedup_key"),
            V1 => (check_v1, 200, "incident_key"),
            other => return Reply::text(404, "Not Found").offended(format!("there is nothing at {other:?}")),
        };
        if request.method != "POST" {
            return Reply::text(404, "Not Found").offended(format!("{} instead of POST", request.method));
        }
        let event = match check(request) {
            Ok(event) => event,
            Err(Invalid(errors)) => {
                let offence = errors.join("; ");
                let body = json!({ "status": "invalid event", "message": "Event object is invalid", "errors": errors });
                return Reply::json(400, &body).offended(offence);
            }
        };
        let body = json!({ "status": "success", "message": "Event processed", key_name: event.key });
        let reply = Reply::json(status, &body);
        if event.routing_key != self.key {
            // PagerDuty may answer 202 to an unknown key that has the right form.
            return reply.offended("the integration's key is not the service's");
        }
        self.take(request, event);
        reply
    }

    fn throttled(&self, request: &Request, retry_after: Option<u32>) -> Reply {
        let reply = match request.path.as_str() {
            V1 => Reply::text(403, "Forbidden: rate limited"),
            _ => Reply::json(
                429,
                &json!({ "status": "throttle exceeded", "message": "Requests for this service are arriving too quickly." }),
            ),
        };
        reply.after(retry_after)
    }

    fn broken(&self, _request: &Request, status: u16) -> Reply {
        Reply::text(status, "Internal Server Error")
    }
}

impl Service {
    fn take(&self, request: &Request, event: PagerEvent) {
        let change = match (event.action.as_str(), self.is_open(&event.key)) {
            ("trigger", false) => AlertChange::Opened,
            ("trigger", true) => AlertChange::Appended,
            (_, false) => AlertChange::Dropped,
            ("resolve", true) => AlertChange::Resolved,
            (_, true) => AlertChange::Acknowledged,
        };
        let PagerEvent { action, key, summary, severity, body, .. } = event;
        self.alerts.push(Alert { at: request.at, action, key, summary, severity, change, body });
    }

    fn is_open(&self, key: &str) -> bool {
        let last = self.alerts.last(|alert| alert.key == key && alert.change != AlertChange::Dropped);
        last.is_some_and(|alert| alert.change != AlertChange::Resolved)
    }
}

#[cfg(test)]
mod tests {
    use AlertChange::{Acknowledged, Appended, Dropped, Opened, Resolved};

    use super::super::faults::InjectedFault;
    use super::super::http::tests::post;
    use super::*;

    fn v2(key: &str, action: &str) -> String {
        let payload = json!({ "summary": "deaf", "source": "prod", "severity": "critical" });
        json!({ "routing_key": key, "event_action": action, "dedup_key": "prod", "payload": payload }).to_string()
    }

    #[tokio::test]
    async fn alerts_open_once_and_are_resolved_under_their_key() {
        let pager = PagerDuty::start().await.unwrap();
        for action in ["resolve", "trigger", "trigger", "acknowledge", "resolve", "resolve"] {
            let (status, body) = post(&pager.url(), &v2(pager.key(), action)).await;
            assert_eq!((status, body.contains("\"dedup_key\":\"prod\"")), (202, true), "{body}");
        }
        let changes: Vec<_> = pager.alerts().into_iter().map(|alert| alert.change).collect();
        assert_eq!(changes, [Dropped, Opened, Appended, Acknowledged, Resolved, Dropped]);
        assert!(pager.open_keys().is_empty());
        assert!(pager.offences().is_empty());
    }

    #[tokio::test]
    async fn v1_throttles_with_403_and_has_the_same_alerts_as_v2() {
        let pager = PagerDuty::start().await.unwrap();
        pager.fail_with([InjectedFault::Throttled { retry_after: None }]);
        let body = json!({ "service_key": pager.key(), "event_type": "trigger", "incident_key": "tutum-stream",
            "description": "Tutum Stream connection closed.", "client": null, "client_url": null });
        assert_eq!(post(&pager.v1_url(), &body.to_string()).await.0, 403);
        assert_eq!(post(&pager.v1_url(), &body.to_string()).await.0, 200);
        assert_eq!(pager.open_keys(), ["tutum-stream"]);
    }

    #[tokio::test]
    async fn an_invalid_event_is_refused_and_an_unknown_key_opens_no_alert() {
        let pager = PagerDuty::start().await.unwrap();
        let bad = v2(pager.key(), "trigger").replace("critical", "catastrophic");
        let (status, body) = post(&pager.url(), &bad).await;
        assert_eq!((status, body.contains("invalid event")), (400, true));
        let other = "0".repeat(32);
        assert_eq!(post(&pager.url(), &v2(&other, "trigger")).await.0, 202);
        assert_eq!(post(&pager.url(), &v2("short", "trigger")).await.0, 400);
        assert_eq!((pager.alerts().len(), pager.offences().len()), (0, 3));
    }
}
