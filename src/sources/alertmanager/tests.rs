use axum::http::HeaderMap;
use proptest::prelude::*;
use serde_json::json;
use tokio::join;

use super::*;
use crate::event::{Event, EventId};
use crate::fault::Fault;
use crate::ingress::{Accepted, HookRequest};
use crate::outbound::Outbound;
use crate::sources::test_support::post::{TestPost, events_of, read_config};
use crate::sources::{Settings, Source};

fn config(text: &str) -> Config {
    let (config, problems) = read_config(text, &|_| Some("open-sesame-0123456789".to_owned()), Config::read);
    assert!(problems.is_empty(), "{problems:?}");
    config.expect("right")
}

fn posted(body: &str) -> Result<PostedEvents, String> {
    events_of(&AlertmanagerKind, &HeaderMap::new(), body.as_bytes())
}

const BODY: &str = r#"{"receiver":"tidings","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"DiskFull","instance":"db-1:9100","severity":"critical"},"annotations":{"summary":"the disk of db-1 is full"},"startsAt":"2026-11-20T09:30:00.123Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus:9090/graph?g0.expr=up","fingerprint":"c6eadffa33fcdf37"},{"status":"resolved","labels":{"alertname":"DiskFull","instance":"db-2:9100"},"annotations":{},"startsAt":"2026-11-20T09:00:00Z","endsAt":"2026-11-20T09:29:00Z","generatorURL":"","fingerprint":"b1f2"}],"groupLabels":{"alertname":"DiskFull"},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://am:9093","version":"4","groupKey":"{}:{}","truncatedAlerts":0}"#;

const ALERTS: &str = r#"{"truncatedAlerts":0,"alerts":[
    {"status":"firing","labels":{"alertname":"A"},"fingerprint":"1","startsAt":"2026-11-20T09:00:00Z"},
    {"status":"firing","labels":{"alertname":"A"},"fingerprint":"2","startsAt":"2026-11-20T09:00:00Z"}]}"#;

#[tokio::test]
async fn alerts_of_one_notification_are_committed_together() {
    let config = config("verify = { bearer = { env = \"TOKEN\" } }");
    assert!(!Settings::endpoint(&config).expect("an endpoint").is_unverified());
    let mut test = TestPost::new("alertmanager", Alertmanager::open(config, &Outbound::new()));
    let (accepted, events) = test.post(&[("authorization", "Bearer open-sesame-0123456789")], ALERTS).await;
    assert_eq!(accepted, Ok(2));
    assert_eq!(events.iter().map(|event| &*event.subject).collect::<Vec<_>>(), ["A/1", "A/2"]);
    assert_eq!(test.post_refused(&[("authorization", "Bearer open-sesame")], ALERTS).await.0, 401);
    let right = [("authorization", "Bearer open-sesame-0123456789")];
    assert_eq!(test.post_refused(&right, "{}").await.0, 400);
}

#[tokio::test]
async fn omitted_alerts_are_reported_as_a_gap_after_the_events() {
    let TestPost { source, out, mut arrivals, mut status } = unverified();
    let intake = async {
        let arrival = arrivals.recv().await.expect("events");
        assert!(status.gaps.try_recv().is_err(), "the events come first");
        arrival.committed.expect("a waiting source").send(Ok(())).expect("a waiting source");
        let gap = status.gaps.recv().await.expect("a gap");
        assert!(gap.events == Some(5) && gap.why.contains("max_alerts"), "{gap:?}");
        gap.committed.expect("a waiting source").send(Ok(())).expect("a waiting source");
    };
    let (answer, ()) = join!(source.receive(truncated(), &out), intake);
    assert_eq!(answer, Ok(Accepted::new(2)));
}

#[tokio::test]
async fn a_refused_request_reports_no_gap() {
    let TestPost { source, out, mut arrivals, mut status } = unverified();
    let intake = async {
        let arrival = arrivals.recv().await.expect("events");
        let full = Fault::new("state_file", "the disk is full");
        arrival.committed.expect("a waiting source").send(Err(full)).expect("a waiting source");
    };
    let (answer, ()) = join!(source.receive(truncated(), &out), intake);
    assert_eq!(answer.expect_err("refused").status.as_u16(), 503);
    assert!(status.gaps.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_is_not_taken_delays_the_answer_only_briefly() {
    let TestPost { source, out, mut arrivals, status: _status } = unverified();
    let intake = async {
        let arrival = arrivals.recv().await.expect("events");
        arrival.committed.expect("a waiting source").send(Ok(())).expect("a waiting source");
    };
    let (answer, ()) = join!(source.receive(truncated(), &out), intake);
    assert_eq!(answer, Ok(Accepted::new(2)));
}

fn unverified() -> TestPost<Alertmanager> {
    let config = config("");
    assert!(Settings::endpoint(&config).expect("an endpoint").is_unverified());
    TestPost::new("alertmanager", Alertmanager::open(config, &Outbound::new()))
}

fn truncated() -> HookRequest {
    let body = ALERTS.replace("\"truncatedAlerts\":0", "\"truncatedAlerts\":5");
    HookRequest { headers: HeaderMap::new(), query: None, body: body.into() }
}

fn one(alert: &Value) -> Event {
    posted(&json!({"alerts": [alert]}).to_string()).expect("read").events.remove(0)
}

#[test]
fn every_alert_is_an_event_of_its_own() {
    let PostedEvents { events, omitted } = posted(BODY).expect("read");
    let lines: Vec<_> = events
        .iter()
        .map(|event| format!("{} | {} | {} | {}", event.r#type, event.subject, event.time, event.id))
        .collect();
    assert_eq!(
        lines,
        [
            "alert.firing | DiskFull/c6eadffa33fcdf37 | 2026-11-20T09:30:00.123Z | c6eadffa33fcdf37 2026-11-20T09:30:00.123Z firing",
            "alert.resolved | DiskFull/b1f2 | 2026-11-20T09:29:00Z | b1f2 2026-11-20T09:00:00Z resolved 2026-11-20T09:29:00Z",
        ]
    );
    assert!(omitted.is_none());
    assert!(events[0].data.text().starts_with(r#"{"status":"firing","labels":{"alertname""#), "unchanged");
}

#[test]
fn firing_and_resolved_have_one_subject_and_sent_again_the_same_id() {
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
fn missing_fields_are_optional_and_omitted_alerts_are_counted() {
    let bare = one(&json!({"status": "firing", "labels": {"alertname": "X"}, "fingerprint": "f"}));
    assert_eq!((&*bare.subject, bare.time), ("X/f", Timestamp::UNIX_EPOCH));
    assert!(matches!(bare.id, EventId::Fresh(_)));
    let truncated = posted(r#"{"alerts":[],"truncatedAlerts":7}"#).expect("read");
    assert_eq!((truncated.events.len(), truncated.omitted.map(|omitted| omitted.count)), (0, Some(7)));
}

#[test]
fn an_invalid_notification_is_refused_as_a_whole() {
    for (body, error) in [
        ("{}", "`alerts` is missing or is not a list"),
        (r#"{"alerts":[{}]}"#, "alert 0: `status` is neither `firing` nor `resolved`"),
        (r#"{"alerts":[{"status":"Firing","labels":{}}]}"#, "alert 0: `status` is neither `firing` nor `resolved`"),
        (r#"{"alerts":[{"status":"firing","labels":[]}]}"#, "alert 0: it has no `labels`"),
        (r#"{"alerts":[3]}"#, "alert 0: `status` is neither `firing` nor `resolved`"),
    ] {
        assert_eq!(posted(body).err().as_deref(), Some(error), "{body}");
    }
}

proptest! {
    #[test]
    fn no_input_causes_a_panic(at in 0..BODY.len(), byte in any::<u8>(), junk in "[\\[\\]{}\":, a-e0-9]{0,60}") {
        let mut spoilt = BODY.as_bytes().to_vec();
        spoilt[at] = byte;
        for body in [String::from_utf8_lossy(&spoilt).into_owned(), format!("{{\"alerts\":{junk}}}"), junk] {
            for event in posted(&body).map(|read| read.events).unwrap_or_default() {
                prop_assert!(matches!(&*event.r#type, "alert.firing" | "alert.resolved"));
            }
        }
    }
}
