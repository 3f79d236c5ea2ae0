//! `PagerDuty`'s Events API, v2 and v1 on one server, with the state of its alerts.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::log::{Late, Log};
use super::pagerduty_rules::{Invalid, Order, judge_v1, judge_v2};
use super::peer::{Peer, Vendor};
use super::wire::{Reply, Request};

pub type PagerDuty = Peer<Service>;

/// One accepted event, and what it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    pub at: Instant,
    /// `trigger`, `acknowledge` or `resolve`.
    pub action: String,
    pub key: String,
    pub summary: Option<String>,
    pub severity: Option<String>,
    pub effect: Effect,
    pub body: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Opened,
    /// A trigger for an alert that is open already.
    Appended,
    Acknowledged,
    Resolved,
    /// There was no open alert of this key: accepted and forgotten, as `PagerDuty` does.
    Dropped,
}

type Judge = fn(&Request) -> Result<Order, Invalid>;

#[derive(Debug)]
pub struct Service {
    key: String,
    alerts: Log<Alert>,
}

const V2: &str = "/v2/enqueue";
const V1: &str = "/generic/2010-04-15/create_event.json";

impl PagerDuty {
    pub async fn start() -> io::Result<Self> {
        Self::start_at(0).await
    }

    pub async fn start_at(port: u16) -> io::Result<Self> {
        let key = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        Self::open(port, Service { key, alerts: Log::new("alerts") }).await
    }

    /// Events API v2, the whole endpoint.
    pub fn url(&self) -> String {
        format!("{}{V2}", self.base())
    }

    /// Events API v1, the whole endpoint.
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

    /// What was accepted, in order.
    pub fn alerts(&self) -> Vec<Alert> {
        self.log().all()
    }

    /// The keys of the alerts that nobody has resolved.
    pub fn open_keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.alerts().into_iter().map(|alert| alert.key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| self.vendor().is_open(key));
        keys
    }

    pub async fn wait_for(&self, alerts: usize, limit: Duration) -> Result<Vec<Alert>, Late> {
        self.log().wait_for(alerts, limit).await
    }

    pub async fn next(&self, limit: Duration) -> Result<Alert, Late> {
        self.log().next(limit).await
    }
}

impl Vendor for Service {
    fn answer(&self, request: &Request) -> Reply {
        let (judge, status, key_name): (Judge, _, _) = match request.path.as_str() {
            V2 => (judge_v2, 202, "dedup_key"),
            V1 => (judge_v1, 200, "incident_key"),
            other => return Reply::text(404, "Not Found").offended(format!("there is nothing at {other:?}")),
        };
        if request.method != "POST" {
            return Reply::text(404, "Not Found").offended(format!("{} instead of POST", request.method));
        }
        let order = match judge(request) {
            Ok(order) => order,
            Err(Invalid(errors)) => {
                let said = errors.join("; ");
                let body = json!({ "status": "invalid event", "message": "Event object is invalid", "errors": errors });
                return Reply::json(400, &body).offended(said);
            }
        };
        let body = json!({ "status": "success", "message": "Event processed", key_name: order.key });
        let reply = Reply::json(status, &body);
        if order.routing_key != self.key {
            // PagerDuty may well say 202 to a key that looks right, and nobody is ever woken.
            return reply.offended("the integration's key is not the service's");
        }
        self.take(request, order);
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
    fn take(&self, request: &Request, order: Order) {
        let effect = match (order.action.as_str(), self.is_open(&order.key)) {
            ("trigger", false) => Effect::Opened,
            ("trigger", true) => Effect::Appended,
            (_, false) => Effect::Dropped,
            ("resolve", true) => Effect::Resolved,
            (_, true) => Effect::Acknowledged,
        };
        let Order { action, key, summary, severity, body, .. } = order;
        self.alerts.push(Alert { at: request.at, action, key, summary, severity, effect, body });
    }

    fn is_open(&self, key: &str) -> bool {
        let last = self.alerts.last(|alert| alert.key == key && alert.effect != Effect::Dropped);
        last.is_some_and(|alert| alert.effect != Effect::Resolved)
    }
}

#[cfg(test)]
mod tests {
    use Effect::{Acknowledged, Appended, Dropped, Opened, Resolved};

    use super::super::faults::Trouble;
    use super::super::wire::tests::post;
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
        let effects: Vec<_> = pager.alerts().into_iter().map(|alert| alert.effect).collect();
        assert_eq!(effects, [Dropped, Opened, Appended, Acknowledged, Resolved, Dropped]);
        assert!(pager.open_keys().is_empty());
        assert!(pager.offences().is_empty());
    }

    #[tokio::test]
    async fn the_first_version_throttles_with_403_and_counts_to_the_same_alerts() {
        let pager = PagerDuty::start().await.unwrap();
        pager.fail_with([Trouble::Throttled { retry_after: None }]);
        let body = json!({ "service_key": pager.key(), "event_type": "trigger", "incident_key": "tutum-stream",
            "description": "Tutum Stream connection closed.", "client": null, "client_url": null });
        assert_eq!(post(&pager.v1_url(), &body.to_string()).await.0, 403);
        assert_eq!(post(&pager.v1_url(), &body.to_string()).await.0, 200);
        assert_eq!(pager.open_keys(), ["tutum-stream"]);
    }

    #[tokio::test]
    async fn what_is_invalid_is_refused_and_a_wrong_key_wakes_nobody() {
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
