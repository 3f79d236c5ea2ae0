//! One notification of Alertmanager's, read: <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::event::{Body, Event, digest};
use crate::sources::labels::{Arrived, Known};
use crate::sources::posted::split::Split;
use crate::sources::posted::{Unreadable, body};

#[derive(Debug)]
pub(super) struct Read {
    pub(super) events: Vec<Event>,
    /// How many alerts Alertmanager left out.
    pub(super) cut: u64,
}

/// One event for each alert: firing or resolved, and still the same one when it is told again. Nothing is sent,
/// nothing kept.
pub(super) fn events_of(headers: &HeaderMap, bytes: &[u8], arrived: Arrived) -> Result<Read, Unreadable> {
    let whole = body(headers, bytes)?;
    let alerts = Split::at(&["alerts"]).elements(&whole)?.into_iter().enumerate();
    let events = alerts.map(|(at, alert)| {
        let wrong = |what: &str| Unreadable::Malformed(format!("alert {at}: {what}"));
        let known = known(&alert).map_err(wrong)?;
        Ok(known.event(alert, arrived))
    });
    let events = events.collect::<Result<_, _>>()?;
    Ok(Read { events, cut: whole.value().get("truncatedAlerts").and_then(Value::as_u64).unwrap_or(0) })
}

fn known(alert: &Body) -> Result<Known, &'static str> {
    let alert = alert.value();
    let text = |name: &str| alert.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let status = text("status").filter(|status| matches!(*status, "firing" | "resolved"));
    let status = status.ok_or("its `status` is neither `firing` nor `resolved`")?;
    let labels = alert.get("labels").filter(|labels| labels.is_object()).ok_or("it has no `labels`")?;
    let fingerprint = text("fingerprint").map_or_else(|| fingerprint_of(labels), str::to_owned);
    let name = labels.get("alertname").and_then(Value::as_str).filter(|name| !name.is_empty());
    // While it fires its end is a guess, which moves.
    let end = if status == "resolved" { "endsAt" } else { "startsAt" };
    let (start, end) = (text("startsAt").unwrap_or_default(), text(end).unwrap_or_default());
    let id = match status {
        "resolved" => format!("{fingerprint} {start} resolved {end}"),
        _ => format!("{fingerprint} {start} firing"),
    };
    Ok(Known {
        r#type: Some(format!("alert.{status}")),
        // Without a beginning one alert could not be told from the next.
        id: (!start.is_empty()).then_some(id),
        subject: Some(name.map_or_else(|| fingerprint.clone(), |name| format!("{name}/{fingerprint}"))),
        time: end.parse::<Timestamp>().ok(),
    })
}

/// What tells one alert from another is its labels. Alertmanagers before 0.19 send no fingerprint of them.
fn fingerprint_of(labels: &Value) -> String {
    // Written with its keys in order, so the same labels are the same text.
    digest(&[&labels.to_string()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::event::{EventId, Name};

    const BODY: &str = r#"{"receiver":"tidings","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"DiskFull","instance":"db-1:9100","severity":"critical"},"annotations":{"summary":"the disk of db-1 is full"},"startsAt":"2026-11-20T09:30:00.123Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus:9090/graph?g0.expr=up","fingerprint":"c6eadffa33fcdf37"},{"status":"resolved","labels":{"alertname":"DiskFull","instance":"db-2:9100"},"annotations":{},"startsAt":"2026-11-20T09:00:00Z","endsAt":"2026-11-20T09:29:00Z","generatorURL":"","fingerprint":"b1f2"}],"groupLabels":{"alertname":"DiskFull"},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://am:9093","version":"4","groupKey":"{}:{}","truncatedAlerts":0}"#;

    fn read(body: &str) -> Result<Read, String> {
        let (source, kind) = (Name::from("alerts"), Name::from("alertmanager"));
        let arrived = Arrived { source: &source, kind: &kind, at: Timestamp::UNIX_EPOCH };
        events_of(&HeaderMap::new(), body.as_bytes(), arrived).map_err(|refused| refused.to_string())
    }

    fn one(alert: &Value) -> Event {
        read(&json!({"alerts": [alert]}).to_string()).expect("read").events.remove(0)
    }

    #[test]
    fn every_alert_is_an_event_of_its_own() {
        let Read { events, cut } = read(BODY).expect("read");
        let shown: Vec<_> = events
            .iter()
            .map(|event| format!("{} | {} | {} | {}", event.r#type, event.subject, event.time, event.id))
            .collect();
        assert_eq!(
            shown,
            [
                "alert.firing | DiskFull/c6eadffa33fcdf37 | 2026-11-20T09:30:00.123Z | c6eadffa33fcdf37 2026-11-20T09:30:00.123Z firing",
                "alert.resolved | DiskFull/b1f2 | 2026-11-20T09:29:00Z | b1f2 2026-11-20T09:00:00Z resolved 2026-11-20T09:29:00Z",
            ]
        );
        assert_eq!(cut, 0);
        assert!(events[0].data.text().starts_with(r#"{"status":"firing","labels":{"alertname""#), "as it came");
    }

    #[test]
    fn firing_and_resolve_are_of_one_subject_and_told_again_they_are_the_same() {
        let alert = |status: &str, ends: &str| {
            one(
                &json!({"status": status, "labels": {"b": "2", "a": "1"}, "startsAt": "2026-11-20T09:00:00Z", "endsAt": ends}),
            )
        };
        let (first, again) = (alert("firing", "2026-11-20T09:04:00Z"), alert("firing", "2026-11-20T09:08:00Z"));
        assert_eq!(first.id, again.id);
        let resolved = alert("resolved", "2026-11-20T09:05:00Z");
        assert_eq!(first.subject, resolved.subject);
        assert_eq!(first.subject.len(), 32, "no name, and a fingerprint of ours: {}", first.subject);
        assert_ne!(first.id, resolved.id);
    }

    #[test]
    fn what_is_left_out_is_optional_and_what_was_cut_is_counted() {
        let bare = one(&json!({"status": "firing", "labels": {"alertname": "X"}, "fingerprint": "f"}));
        assert_eq!((&*bare.subject, bare.time), ("X/f", Timestamp::UNIX_EPOCH));
        assert!(matches!(bare.id, EventId::Fresh(_)));
        assert_eq!(read(r#"{"alerts":[],"truncatedAlerts":7}"#).map(|read| (read.events.len(), read.cut)), Ok((0, 7)));
    }

    #[test]
    fn what_is_no_notification_is_refused_as_a_whole() {
        for (body, said) in [
            ("{}", "`alerts` is not there or is not a list"),
            (r#"{"alerts":[{}]}"#, "alert 0: its `status` is neither `firing` nor `resolved`"),
            (
                r#"{"alerts":[{"status":"Firing","labels":{}}]}"#,
                "alert 0: its `status` is neither `firing` nor `resolved`",
            ),
            (r#"{"alerts":[{"status":"firing","labels":[]}]}"#, "alert 0: it has no `labels`"),
            (r#"{"alerts":[3]}"#, "alert 0: its `status` is neither `firing` nor `resolved`"),
        ] {
            assert_eq!(read(body).err().as_deref(), Some(said), "{body}");
        }
    }

    proptest! {
        #[test]
        fn nothing_posted_breaks_the_reading(at in 0..BODY.len(), byte in any::<u8>(), junk in "[\\[\\]{}\":, a-e0-9]{0,60}") {
            let mut spoilt = BODY.as_bytes().to_vec();
            spoilt[at] = byte;
            for body in [String::from_utf8_lossy(&spoilt).into_owned(), format!("{{\"alerts\":{junk}}}"), junk] {
                for event in read(&body).map(|read| read.events).unwrap_or_default() {
                    prop_assert!(matches!(&*event.r#type, "alert.firing" | "alert.resolved"));
                }
            }
        }
    }
}
