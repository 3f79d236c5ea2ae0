//! The whole source, from the request to what reaches the intake. No sockets: the listener has its own tests.

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use sha2::Sha256;
use tokio::join;

use super::*;
use crate::ingress::{EndpointConfig, HookRequest};
use crate::outbound::Outbound;
use crate::outbox::LinkState;
use crate::sources::test_support::post::{TestPost, events_proven, headers, read_config};
use crate::sources::{Settings, Source};
use crate::stop::Stop;

fn env(name: &str) -> Option<String> {
    match name {
        "KEY" => Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
        "SLACK" => Some("8f742231b10e8888abcd99yyyzzz85a5".to_owned()),
        "TOKEN" => Some("open-sesame-0123456789".to_owned()),
        _ => None,
    }
}

fn read(text: &str) -> (Option<Config>, Vec<String>) {
    read_config(text, &env, Config::read)
}

/// The kind alone, without endpoint and verification.
fn kind(text: &str) -> WebhookKind {
    let (kind, problems) = read_config(text, &env, |table| Some(WebhookKind::read(table)));
    assert_eq!(problems, [""; 0], "{text}");
    kind.expect("right")
}

fn config(text: &str) -> Config {
    let (config, problems) = read(text);
    assert_eq!(problems, [""; 0], "{text}");
    config.expect("right")
}

fn webhook(text: &str) -> TestPost<Webhook> {
    TestPost::new("webhook", Webhook::open(config(text), &Outbound::new()))
}

fn ids(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.id.to_string()).collect()
}

const SIGNED: &str = "verify = { standard_webhooks = { env = \"KEY\" } }";

/// The headers of Standard Webhooks now, with this prefix.
fn signed(prefix: &str, id: &str, body: &str) -> [(String, String); 3] {
    let key = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
    let stamp = jiff::Timestamp::now().as_second().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any key");
    mac.update(format!("{id}.{stamp}.{body}").as_bytes());
    let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    [("id", id), ("timestamp", &stamp), ("signature", &signature)]
        .map(|(name, value)| (format!("{prefix}-{name}"), value.to_owned()))
}

fn borrowed(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

const NAMED: &str =
    "verify = \"none\"\ntype = \"{{ data.kind }}\"\nid = \"{{ data.id }}\"\nsubject = \"{{ headers['x-room'] }}\"";

#[tokio::test]
async fn a_request_is_answered_after_the_commit_and_not_before() {
    let mut test = webhook("");
    let request = HookRequest { headers: HeaderMap::new(), query: None, body: Bytes::from_static(b"{}") };
    let receive = test.source.receive(request, &test.out);
    tokio::pin!(receive);
    let arrival = tokio::select! {
        biased;
        answer = &mut receive => panic!("answered before the commit: {answer:?}"),
        arrival = test.arrivals.recv() => arrival.expect("an event"),
    };
    let full = Fault::new("state_file", "the disk is full");
    arrival.committed.expect("a waiting source").send(Err(full)).expect("a waiting source");
    assert_eq!(receive.await.expect_err("refused").status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn labels_are_made_by_the_templates() {
    let mut test = webhook(NAMED);
    let (answer, events) = test.post(&[("x-room", "hall"), ("x-room", "2")], r#"{"kind":"door.open","id":7}"#).await;
    assert_eq!(answer, Ok(1));
    let [event] = <[Event; 1]>::try_from(events).expect("one");
    assert_eq!(
        (&*event.r#type, &*event.subject, event.data.text()),
        ("door.open", "hall, 2", r#"{"kind":"door.open","id":7}"#)
    );
    assert_eq!((event.id, &*event.source, &*event.kind), (EventId::Given("7".into()), "in", "webhook"));

    let form = [("content-type", "application/x-www-form-urlencoded")];
    let (_, events) = test.post(&form, "kind=door.shut&id=8").await;
    assert_eq!((&*events[0].r#type, events[0].data.text()), ("door.shut", r#"{"id":"8","kind":"door.shut"}"#));
    let (_, events) = test.post(&form, "payload=%7B%22kind%22%3A+%22door.jammed%22%7D").await;
    assert_eq!((&*events[0].r#type, events[0].data.text()), ("door.jammed", r#"{"kind": "door.jammed"}"#));
}

#[tokio::test]
async fn without_templates_an_event_is_a_message_with_the_id_of_its_delivery() {
    let mut test = webhook(SIGNED);
    let once = signed("svix", "msg_1", "[1]");
    let (_, events) = test.post(&borrowed(&once), "[1]").await;
    assert_eq!((&*events[0].r#type, ids(&events)), ("message", vec!["msg_1".to_owned()]));
    let resent = [&borrowed(&once)[..], &[("webhook-id", "msg_made_up")]].concat();
    let (_, events) = test.post(&resent, "[1]").await;
    assert_eq!(ids(&events), ["msg_1"], "another unsigned id does not make it another event");
    let (_, events) = test.post(&borrowed(&signed("webhook", "", "[1]")), "[1]").await;
    assert!(matches!(events[0].id, EventId::Fresh(_)));
}

#[tokio::test]
async fn an_unsigned_id_names_an_event_only_where_a_template_uses_it() {
    for verify in ["", "verify = \"none\"", "verify = { token = { env = \"TOKEN\" }, header = \"X-Token\" }"] {
        let fields = [("x-token", "open-sesame-0123456789"), ("webhook-id", "m"), ("svix-id", "n")];
        let (_, events) = webhook(verify).post(&fields, "[1]").await;
        assert!(matches!(events[0].id, EventId::Fresh(_)), "{verify}");
        let meant = format!("{verify}\nid = \"{{{{ headers['webhook-id'] }}}}\"");
        assert_eq!(ids(&webhook(&meant).post(&fields, "[1]").await.1), ["m"], "{verify}");
    }
}

#[tokio::test]
async fn copies_of_a_signed_request_are_one_event() {
    let verify = "verify = { hmac_sha256 = { env = \"SLACK\" }, header = \"X-Signature\", encoding = \"base64\", timestamp = \"X-Time\" }";
    let (mut test, now) = (webhook(verify), jiff::Timestamp::now().as_second());
    let mut send = async |stamp: i64| {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"8f742231b10e8888abcd99yyyzzz85a5").expect("any key");
        mac.update(format!("{stamp}.[1]").as_bytes());
        let (signature, stamp) = (BASE64_STANDARD.encode(mac.finalize().into_bytes()), stamp.to_string());
        let (_, events) = test.post(&[("x-signature", &signature), ("x-time", &stamp)], "[1]").await;
        assert!(matches!(events[0].id, EventId::Given(_)), "{:?}", events[0].id);
        ids(&events)
    };
    let first = send(now).await;
    assert_eq!(send(now).await, first);
    assert_ne!(send(now - 1).await, first, "the same body signed again is another event");
    let named = kind("id = \"{{ data[0] }}\"");
    let fields = [("x-signature", "00"), ("x-time", "1")];
    let proof = Proof::Signature("digest".into());
    assert_eq!(ids(&events_proven(&named, &headers(&fields), b"[1]", &proof).expect("read").events), ["1"]);
}

#[tokio::test]
async fn a_list_is_split_into_one_commit() {
    const TWO: &str = r#"{"status":"bad","alerts":[{"n": 1},{"n":2.50}]}"#;
    let rest = "split = \"data.alerts\"\ntype = \"{{ body.status }}.{{ data.n }}\"";
    let (_, events) = webhook(&format!("{SIGNED}\n{rest}")).post(&borrowed(&signed("webhook", "m", TWO)), TWO).await;
    assert_eq!(ids(&events), ["m#0", "m#1"]);
    let mut test = webhook(rest);
    let (answer, events) = test.post(&[], TWO).await;
    assert_eq!(answer, Ok(2));
    assert_eq!(
        events.iter().map(|event| (&*event.r#type, event.data.text())).collect::<Vec<_>>(),
        [("bad.1", r#"{"n": 1}"#), ("bad.2.5", r#"{"n":2.50}"#)]
    );
    assert_eq!(test.post(&[], r#"{"alerts":[]}"#).await.0, Ok(0));
    assert_eq!(
        test.post_refused(&[], r#"{"alerts":{}}"#).await,
        (400, "`data.alerts` is missing or is not a list".into())
    );
    let many = format!("{{\"alerts\":[{}0]}}", "0,".repeat(MAX_ELEMENTS));
    assert_eq!(test.post_refused(&[], many).await.0, 413);
}

const CLOUD: &str = r#"{"specversion":"1.0","id":"1","source":"/shop","type":"order.paid","subject":"17","time":"2026-11-20T09:30:00Z","data":{"total":3}}"#;

#[tokio::test]
async fn cloudevents_are_labelled_by_their_attributes_in_every_mode() {
    let mut test = webhook("");
    let binary = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/shop"),
        ("ce-type", "order.paid"),
        ("ce-subject", "17"),
        ("ce-time", "2026-11-20T09:30:00Z"),
        ("content-type", "application/json"),
    ];
    let batch = format!("[{CLOUD},{}]", CLOUD.replace("\"1\"", "\"2\""));
    for (fields, body, data) in [
        (&[("content-type", "application/cloudevents+json; charset=utf-8")][..], CLOUD, CLOUD),
        (&binary, r#"{"total":3}"#, r#"{"total":3}"#),
        (&binary[..6], "", "null"),
        (&[("content-type", "application/cloudevents-batch+json")], &batch, CLOUD),
    ] {
        let (_, events) = test.post(fields, body.to_owned()).await;
        let event = &events[0];
        assert_eq!((&*event.r#type, &*event.subject, event.data.text()), ("order.paid", "17", data));
        assert_eq!(
            (event.id.to_string().as_str(), event.time.to_string().as_str()),
            ("/shop 1", "2026-11-20T09:30:00Z")
        );
        assert_eq!(events.len(), if data == body || body.is_empty() { 1 } else { 2 });
    }
    let unsigned = [&binary[..], &[("webhook-id", "m")]].concat();
    assert_eq!(ids(&test.post(&unsigned, "{}").await.1), ["/shop 1"]);
    let delivery = signed("webhook", "m", "{}");
    let twice = [&binary[..], &borrowed(&delivery)].concat();
    assert_eq!(ids(&webhook(SIGNED).post(&twice, "{}").await.1), ["m"], "the signed id");
    assert_eq!(
        test.post_refused(&[("content-type", "application/cloudevents+json")], CLOUD.replace("order.paid", "")).await,
        (400, "the CloudEvent has no `type`".into())
    );
}

#[tokio::test]
async fn a_template_replaces_an_attribute() {
    let mut test = webhook("type = \"shop.{{ data.type }}\"\nid = \"{{ data.data.order }}\"");
    let (_, events) = test.post(&[("content-type", "application/cloudevents+json")], CLOUD).await;
    assert_eq!((&*events[0].r#type, ids(&events)), ("shop.order.paid", vec!["/shop 1".to_owned()]));
}

#[tokio::test]
async fn unreadable_requests_are_refused_with_the_reason_and_counted() {
    let mut test = webhook(NAMED);
    assert_eq!(test.post_refused(&[], "<xml>").await, (400, "not JSON: expected value at line 1 column 1".into()));
    assert_eq!(test.post_refused(&[("content-type", "text/plain")], "{}").await.0, 415);
    assert_eq!(test.post_refused(&[("content-type", "application/x-www-form-urlencoded")], "{}").await.0, 415);
    assert_eq!(test.post_refused(&[], "[".repeat(10_000)).await.0, 400);
    assert_eq!(test.status.skipped.load(std::sync::atomic::Ordering::Relaxed), 4);
}

#[tokio::test]
async fn an_unauthenticated_request_is_refused_and_not_read() {
    let mut test = webhook("verify = { basic = { user = \"x\", password = { env = \"TOKEN\" } } }");
    let (answer, _) = test.post(&[], "<xml>").await;
    let response = answer.expect_err("refused").into_response();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[WWW_AUTHENTICATE], "Basic realm=\"tidings\"");
    let mut test = webhook("verify = { standard_webhooks = { env = \"KEY\" } }");
    assert_eq!(test.post_refused(&[], "{}").await, (401, "the header `webhook-id` is missing".into()));
    let old = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ];
    let (status, error) = test.post_refused(&old, r#"{"test": 2432232314}"#).await;
    assert!(status == 401 && error.contains("more than 300 s old or in the future"), "{error}");
}

#[tokio::test]
async fn without_verify_requests_through_a_proxy_or_from_a_web_page_are_refused() {
    for (name, value) in [
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("forwarded", "for=192.0.2.1"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "bridge.example.com"),
    ] {
        let error =
            format!("the header `{name}` shows a proxy or a web page; without `verify` only local programs may post");
        assert_eq!(webhook("").post_refused(&[(name, value)], "{}").await, (403, error));
        assert_eq!(webhook("verify = \"none\"").post(&[(name, value)], "{}").await.0, Ok(1), "{name}");
        let verified = "verify = { token = { env = \"TOKEN\" }, header = \"X-Token\" }";
        let shown = [(name, value), ("x-token", "open-sesame-0123456789")];
        assert_eq!(webhook(verified).post(&shown, "{}").await.0, Ok(1), "{name}");
    }
}

#[tokio::test]
async fn no_template_sees_a_secret() {
    let rest =
        "subject = \"{{ headers['x-gitlab-token'] }}{{ headers.authorization }}{{ headers.cookie }}{{ headers.x }}\"";
    let mut test =
        webhook(&format!("verify = {{ token = {{ env = \"TOKEN\" }}, header = \"X-Gitlab-Token\" }}\n{rest}"));
    let fields = [("x-gitlab-token", "open-sesame-0123456789"), ("authorization", "a"), ("cookie", "b"), ("x", "seen")];
    assert_eq!(&*test.post(&fields, "{}").await.1[0].subject, "seen");
    let printed = format!("{:?}", test.source);
    assert!(!printed.contains("sesame"), "{printed}");
}

#[tokio::test]
async fn the_source_is_up_until_the_stop() {
    let mut test = webhook("");
    let stop = Stop::new();
    let script = async {
        test.status.link.wait_for(|link| *link == LinkState::Up).await.expect("up");
        stop.trigger();
    };
    assert_eq!(join!(test.source.run(&test.out, &stop), script).0, Ok(()));
    assert_eq!(test.source.look_up("/x").await.expect_err("no API").reason(), "no_look_up");
}

#[test]
fn only_an_endpoint_without_verify_is_unverified() {
    let is_unverified = |text: &str| Settings::endpoint(&config(text)).expect("an endpoint").is_unverified();
    assert!(is_unverified(""));
    assert!(!is_unverified("verify = \"none\"") && !is_unverified("verify = { bearer = { env = \"TOKEN\" } }"));
    let config = config("verify = { path = { env = \"TOKEN\" } }");
    let endpoint = Settings::endpoint(&config).expect("an endpoint");
    let secret = crate::secret::Secret::literal("open-sesame-0123456789");
    let same = EndpointConfig::default().with_secret(secret);
    assert!(!endpoint.is_unverified() && endpoint.same_path("in", &same, "in"));
}

#[test]
fn invalid_configurations_are_reported() {
    for (text, wanted) in [
        ("verfy = 1", "unknown key `verfy`"),
        ("type = \"{{ event.type }}\"", "unknown name `event`"),
        ("split = \"alerts[]\"", "`alerts[]` is no path to a list"),
        (
            "path = { env = \"TOKEN\" }\nverify = { path = { env = \"TOKEN\" } }",
            "`path` and `verify.path` exclude each other",
        ),
    ] {
        assert_eq!(read(text).1, [wanted], "{text}");
    }
    let (config, problems) = read("optional = true\nverify = { bearer = { env = \"UNSET\" } }");
    assert!(config.is_none() && problems.is_empty(), "left out without a problem: {problems:?}");
}

proptest! {
    #[test]
    fn no_input_causes_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
        (at, byte) in (0..CLOUD.len(), any::<u8>()),
        content_type in "(application/)?(json|x-www-form-urlencoded|cloudevents\\+json|cloudevents-batch\\+json|[ -~]{0,20})",
        value in "[ -~]{0,30}",
    ) {
        let split = kind("split = \"data\"\ntype = \"{{ body.a }}{{ headers.a }}{{ data.type | upper }}\"\nid = \"{{ data.id }}\"");
        let plain = kind("subject = \"{{ data }}\"\ntime = \"{{ data.time }}\"");
        let mut spoilt = CLOUD.as_bytes().to_vec();
        spoilt[at] = byte;
        let mut list = spoilt.clone();
        list.insert(0, b'[');
        list.push(b']');
        let mut sent = headers(&[("ce-id", "a"), ("ce-source", "a"), ("ce-specversion", "1.0"), ("ce-type", "a"), ("a", "b")]);
        for (key, value) in [(CONTENT_TYPE, content_type.as_str()), (HeaderName::from_static("ce-subject"), &value)] {
            sent.insert(key, HeaderValue::try_from(value).expect("a value"));
        }
        for body in [&bytes, &spoilt, &list] {
            for kind in [&split, &plain] {
                for sent in [&sent, &HeaderMap::new()] {
                    for event in events_proven(kind, sent, body, &Proof::Sender).unwrap_or_default().events {
                        prop_assert!(!event.r#type.is_empty() && event.r#type.chars().count() <= 256);
                        prop_assert!(serde_json::from_str::<serde_json::Value>(event.data.text()).is_ok());
                    }
                }
            }
        }
    }
}
