use std::sync::Arc;

use crate::event::Body;
use serde_json::{Value, json};

use super::super::harness::{message, read, send, sink, verdict};
use super::*;
use crate::message::{Field, Severity, Signal, Unit};
use crate::sinks::Sink;
use crate::test_support::scripted_server::{ScriptedServer, Step, reply};

const KEY: &str = "0123456789abcdefs3cr3t0123456789";
const TOML: &str = "key = \"0123456789abcdefs3cr3t0123456789\"\nurl = \"@/v2/enqueue\"";
const TOML_V1: &str = "key = \"0123456789abcdefs3cr3t0123456789\"\nurl = \"@/v1\"\napi = \"v1\"";
const ACCEPTED: &str = r#"{"status":"success","message":"Event processed","dedup_key":"prod/web"}"#;
const ACCEPTED_V1: &str = r#"{"status":"success","message":"Event processed","incident_key":"prod/web"}"#;

async fn sent(message: &Message) -> Value {
    let (seen, result) = send("pagerduty", TOML, message, reply(202, "", ACCEPTED)).await;
    assert_eq!(verdict(&result), "delivered as prod/web");
    assert!(seen.body.len() <= LONGEST_BODY);
    seen.json()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON")
}

#[tokio::test]
async fn a_v2_event_holds_every_part_of_a_message() {
    let mut full = message("It was stopped.");
    full.title = Some("Stack web".to_owned());
    full.severity = Severity::Critical;
    full.link = Some("https://x.example/".to_owned());
    full.client = Some("tidings".to_owned());
    full.fields = vec![Field { name: "State".to_owned(), value: "Stopped".to_owned(), short: true }];
    insta::assert_snapshot!(pretty(&sent(&full).await), @r#"
    {
      "client": "tidings",
      "dedup_key": "prod/web",
      "event_action": "trigger",
      "links": [
        {
          "href": "https://x.example/",
          "text": "Stack web"
        }
      ],
      "payload": {
        "class": "container.create",
        "component": "container",
        "custom_details": {
          "State": "Stopped",
          "action": "create"
        },
        "group": "prod",
        "severity": "critical",
        "source": "/api/v1/container/<7a>/",
        "summary": "Stack web: It was stopped.",
        "timestamp": "1970-01-01T00:00:00Z"
      },
      "routing_key": "0123456789abcdefs3cr3t0123456789"
    }
    "#);
}

#[tokio::test]
async fn a_v1_event_is_that_of_the_first_bridge_with_only_what_is_set() {
    let mut lost = message("Tutum Stream connection closed.");
    lost.key = "tutum-stream".to_owned();
    Arc::make_mut(&mut lost.origin.event).data = Body::from_value(&Value::Null);
    let (seen, result) = send("pagerduty", TOML_V1, &lost, reply(200, "", ACCEPTED_V1)).await;
    assert_eq!(verdict(&result), "delivered as prod/web");
    assert_eq!(
        seen.body,
        r#"{"service_key":"0123456789abcdefs3cr3t0123456789","incident_key":"tutum-stream","event_type":"trigger","description":"Tutum Stream connection closed."}"#
    );
    lost.signal = Some(Signal::Resolve);
    lost.link = Some("https://x.example/".to_owned());
    Arc::make_mut(&mut lost.origin.event).data = Body::from_value(&json!([1]));
    let toml = format!("{TOML_V1}\nclient = \"bridge\"\nclient_url = \"https://b.example/\"");
    let (seen, _) = send("pagerduty", &toml, &lost, reply(200, "", ACCEPTED_V1)).await;
    insta::assert_snapshot!(pretty(&seen.json()), @r#"
    {
      "client": "bridge",
      "client_url": "https://b.example/",
      "contexts": [
        {
          "href": "https://x.example/",
          "text": "More",
          "type": "link"
        }
      ],
      "description": "Tutum Stream connection closed.",
      "details": {
        "data": [
          1
        ]
      },
      "event_type": "resolve",
      "incident_key": "tutum-stream",
      "service_key": "0123456789abcdefs3cr3t0123456789"
    }
    "#);
}

#[tokio::test]
async fn signals_and_severities_have_pagerdutys_names() {
    for signal in [Signal::Trigger, Signal::Acknowledge, Signal::Resolve] {
        for severity in [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical] {
            let mut one = message("x");
            (one.signal, one.severity) = (Some(signal), severity);
            let body = sent(&one).await;
            assert_eq!(
                (&body["event_action"], &body["payload"]["severity"]),
                (&signal.word().into(), &severity.word().into())
            );
        }
    }
}

#[tokio::test]
async fn required_parts_are_never_empty() {
    let mut empty = message(" \n");
    empty.key = String::new();
    empty.link = Some(" ".to_owned());
    Arc::make_mut(&mut empty.origin.event).subject = "".into();
    let body = sent(&empty).await;
    assert_eq!(body["payload"]["summary"], "Tutum Stream Issue");
    assert_eq!((&body["payload"]["source"], &body["dedup_key"]), (&"prod".into(), &"prod/".into()));
    assert!(body.get("links").is_none());
    Arc::make_mut(&mut empty.origin.event).source = "".into();
    assert_eq!(sent(&empty).await["payload"]["source"], "tidings");
}

#[tokio::test]
async fn long_texts_and_keys_are_cut_and_keys_stay_different() {
    let mut long = message(&"👩\u{200d}💻é".chars().cycle().take(10_000).collect::<String>());
    Arc::make_mut(&mut long.origin.event).subject = "s".repeat(5000).into();
    let mut keys = Vec::new();
    for end in ["a", "b"] {
        long.key = format!("{}{end}", "k".repeat(400));
        let body = sent(&long).await;
        let length = |value: &Value| Unit::Utf16.count(value.as_str().expect("a text"));
        let summary = &body["payload"]["summary"];
        assert!(length(summary) <= 1024 && summary.as_str().expect("a text").ends_with('…'));
        assert!(length(&body["dedup_key"]) <= 255 && length(&body["payload"]["source"]) <= 255);
        keys.push(body["dedup_key"].clone());
    }
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn an_event_too_large_keeps_its_alarm_and_loses_its_details() {
    let mut large = message("disk full");
    Arc::make_mut(&mut large.origin.event).data = Body::from_value(&json!({ "log": "x".repeat(LONGEST_BODY) }));
    let body = sent(&large).await;
    assert_eq!(body["payload"]["summary"], "disk full");
    assert_eq!(
        body["payload"]["custom_details"],
        json!({ "note": "left out: the event is larger than PagerDuty takes (512,000 bytes)" })
    );
}

#[tokio::test]
async fn a_raw_payload_gets_the_key() {
    let mut raw = message("ignored");
    raw.raw = Some(json!({ "event_action": "resolve", "payload": { "summary": "x" } }));
    assert_eq!(
        sent(&raw).await,
        json!({ "routing_key": KEY, "event_action": "resolve", "dedup_key": "prod/web", "payload": { "summary": "x" } })
    );
}

#[tokio::test]
async fn pagerdutys_replies_have_their_verdicts() {
    let invalid = r#"{"status":"invalid event","message":"Event object is invalid","errors":["x"]}"#;
    for (toml, status, body, expected) in [
        (TOML, 202, ACCEPTED, "delivered as prod/web"),
        (TOML, 202, "", "delivered as prod/web"),
        (TOML, 202, "[]", "delivered as prod/web"),
        (TOML, 202, r#"{"status":"success","dedup_key":"theirs"}"#, "delivered as theirs"),
        (TOML, 202, invalid, "never, message: failed_with_2xx"),
        (TOML, 200, r#"{"status":"throttle exceeded"}"#, "later, all: failed_with_2xx"),
        (TOML, 400, invalid, "never, message: status_400"),
        (TOML, 403, "", "never, destination: status_403"),
        (TOML, 413, "", "never, message: status_413"),
        (TOML, 429, r#"{"status":"throttle exceeded"}"#, "later, all: rate_limited"),
        (TOML, 500, "", "later: status_500"),
        (TOML, 502, "", "later, all: status_502"),
        (TOML, 302, "", "never, destination: redirect"),
        (TOML_V1, 200, ACCEPTED_V1, "delivered as prod/web"),
        (TOML_V1, 200, invalid, "never, message: failed_with_2xx"),
        (TOML_V1, 400, invalid, "never, message: status_400"),
        (TOML_V1, 403, "", "later, all: status_403"),
        (TOML_V1, 500, "", "later: status_500"),
    ] {
        let (_, result) = send("pagerduty", toml, &message("x"), reply(status, "", body)).await;
        assert_eq!(verdict(&result), expected, "{status} {body}");
    }
    let (_, result) = send("pagerduty", TOML_V1, &message("x"), reply(403, "Retry-After: 90\r\n", "")).await;
    assert_eq!(verdict(&result), "later in 90s, all: status_403");
}

#[tokio::test]
async fn a_reply_that_repeats_the_key_is_redacted() {
    let (_, result) = send("pagerduty", TOML, &message("x"), reply(400, "", &format!("bad key {KEY}"))).await;
    assert_eq!(result.expect_err("refused").cause().to_string(), "status 400: bad key …");
    let (_, result) = send("pagerduty", TOML, &message("x"), Step::Reset).await;
    assert_eq!(verdict(&result), "later: reset");
}

#[tokio::test]
async fn its_traits_are_those_of_a_pager() {
    let server = ScriptedServer::start([]).await;
    let traits = sink("pagerduty", TOML, &server).traits();
    assert_eq!((traits.markup, traits.burst, traits.audience), (Markup::Plain, 10, Audience::Pager));
    assert_eq!(traits.rate, Some(Rate { times: 120, per: Duration::from_secs(60) }));
    let other = sink("pagerduty", &TOML.replace("abcdef", "fedcba"), &server).traits();
    assert_ne!(traits.destination, other.destination);
}

#[test]
fn the_key_is_required_and_the_api_must_be_known() {
    assert_eq!(read("pagerduty", "").1, ["`key` is missing here"]);
    assert_eq!(
        read("pagerduty", "key = { env = \"PAGERDUTY_KEY\" }").1,
        ["`key`: the variable PAGERDUTY_KEY is not set"]
    );
    assert_eq!(read("pagerduty", "key = \"k\"\napi = \"v3\"").1, ["`v3` is not one of v1, v2"]);
    assert_eq!(
        read("pagerduty", "key = \"k\"\nurl = \"events\"").1,
        ["`url`: not a URL (relative URL without a base)"]
    );
    for api in ["v1", "v2"] {
        assert!(read("pagerduty", &format!("key = \"k\"\napi = \"{api}\"")).0.is_some());
    }
}
