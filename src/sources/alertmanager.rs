//! Prometheus's Alertmanager, and Grafana's alerting, which posts the same: one event for each alert.
//! <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>

use jiff::Timestamp;
use serde_json::Value;

use super::posted::{Omitted, Posted, PostedEvents, PostedKind};
use super::source::{AlertTexts, alert_texts};
use crate::event::{Body, digest, path};
use crate::ingress::{Known, Split, Unreadable, VerifiedRequest};

/// `[source.alertmanager.NAME]`
pub(super) type Config = Posted<AlertmanagerKind>;
pub(super) type Alertmanager = Config;

#[derive(Debug, Default)]
pub struct AlertmanagerKind;

impl PostedKind for AlertmanagerKind {
    const ALERT_TEXTS: AlertTexts = alert_texts!("Alertmanager source");

    /// `alert.firing` or `alert.resolved`. An alert that is sent again has the same id.
    fn events_of(&self, request: &VerifiedRequest) -> Result<PostedEvents, Unreadable> {
        let whole = request.parse()?;
        let alerts = Split::at(&["alerts"]).elements(&whole)?.into_iter().enumerate();
        let events = alerts.map(|(at, alert)| {
            let malformed = |why: &str| Unreadable::malformed(format!("alert {at}: {why}"));
            let known = known(&alert).map_err(malformed)?;
            Ok(known.event(alert, request.arrived))
        });
        let why = "Alertmanager left alerts out of a notification: its `max_alerts` is too small";
        let omitted =
            path("truncatedAlerts").and_then(|path| whole.plain(&path)?.parse().ok()).filter(|count| *count > 0);
        Ok(PostedEvents {
            events: events.collect::<Result<_, _>>()?,
            omitted: omitted.map(|count| Omitted { count, why }),
        })
    }
}

fn known(alert: &Body) -> Result<Known, &'static str> {
    let alert = alert.value();
    let text = |name: &str| alert.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let status = text("status").filter(|status| matches!(*status, "firing" | "resolved"));
    let status = status.ok_or("`status` is neither `firing` nor `resolved`")?;
    let labels = alert.get("labels").filter(|labels| labels.is_object()).ok_or("it has no `labels`")?;
    let fingerprint = text("fingerprint").map_or_else(|| fingerprint_of(labels), str::to_owned);
    let name = labels.get("alertname").and_then(Value::as_str).filter(|name| !name.is_empty());
    // While an alert fires, its end is an estimate that changes.
    let end = if status == "resolved" { "endsAt" } else { "startsAt" };
    let (start, end) = (text("startsAt").unwrap_or_default(), text(end).unwrap_or_default());
    let id = match status {
        "resolved" => format!("{fingerprint} {start} resolved {end}"),
        _ => format!("{fingerprint} {start} firing"),
    };
    Ok(Known {
        r#type: Some(format!("alert.{status}")),
        // Without a start, an alert cannot be distinguished from the next one with the same labels.
        id: (!start.is_empty()).then_some(id),
        subject: Some(name.map_or_else(|| fingerprint.clone(), |name| format!("{name}/{fingerprint}"))),
        time: end.parse::<Timestamp>().ok(),
    })
}

/// An alert is identified by its labels. Alertmanagers before 0.19 send no fingerprint of them.
fn fingerprint_of(labels: &Value) -> String {
    // Written with its keys in order, so equal labels have equal text.
    digest(&[&labels.to_string()])
}

#[cfg(test)]
mod tests;
