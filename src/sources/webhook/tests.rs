//! The whole source, from what is brought to what stands in the intake. No sockets: the listener has its own tests.

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
use crate::config_reader::ConfigReader;
use crate::event::{Event, EventId, Name};
use crate::fault::Fault;
use crate::sources::labels::Arrived;
use crate::sources::posted::split::MOST_ELEMENTS;
use crate::sources::verify::Proof;
use crate::sources::visitor::{Visitor, headers};
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
    let reading = ConfigReader::new(text, &env);
    let tree = reading.tree();
    let mut table = TableReader::new(&reading, "source.webhook", &tree);
    table.read_optional();
    let config = Config::read(&table);
    table.finish();
    (config, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
}

fn config(text: &str) -> Config {
    let (config, problems) = read(text);
    assert_eq!(problems, [""; 0], "{text}");
    config.expect("right")
}

fn at_the_door(text: &str) -> Visitor<Webhook> {
    Visitor::new("webhook", Webhook::open(config(text), &Outbound::new()))
}

fn ids(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| event.id.to_string()).collect()
}

const SIGNED: &str = "verify = { standard_webhooks = { env = \"KEY\" } }";

/// What Standard Webhooks sends along now, in the spelling that begins like this.
fn signed(spelling: &str, id: &str, body: &str) -> [(String, String); 3] {
    let key = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
    let stamp = jiff::Timestamp::now().as_second().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("any key");
    mac.update(format!("{id}.{stamp}.{body}").as_bytes());
    let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    [("id", id), ("timestamp", &stamp), ("signature", &signature)]
        .map(|(name, value)| (format!("{spelling}-{name}"), value.to_owned()))
}

fn shown(said: &[(String, String)]) -> Vec<(&str, &str)> {
    said.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

const NAMED: &str =
    "verify = \"none\"\ntype = \"{{ data.kind }}\"\nid = \"{{ data.id }}\"\nsubject = \"{{ headers['x-room'] }}\"";

#[tokio::test]
async fn a_request_is_answered_when_it_is_committed_and_not_before() {
    let mut visitor = at_the_door("");
    let request = HookRequest { headers: HeaderMap::new(), query: None, body: Bytes::from_static(b"{}") };
    let receive = visitor.source.receive(request, &visitor.out);
    tokio::pin!(receive);
    let arrival = tokio::select! {
        biased;
        answer = &mut receive => panic!("answered before it was safe: {answer:?}"),
        arrival = visitor.arrivals.recv() => arrival.expect("an event"),
    };
    let full = Fault::new("state_file", "the disk is full");
    arrival.committed.expect("somebody waits").send(Err(full)).expect("still waiting");
    assert_eq!(receive.await.expect_err("refused").status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn events_are_named_as_relays_toml_says() {
    let mut visitor = at_the_door(NAMED);
    let (answer, events) =
        visitor.bring(&[("x-room", "hall"), ("x-room", "2")], r#"{"kind":"door.open","id":7}"#).await;
    assert_eq!(answer, Ok(1));
    let [event] = <[Event; 1]>::try_from(events).expect("one");
    assert_eq!(
        (&*event.r#type, &*event.subject, event.data.text()),
        ("door.open", "hall, 2", r#"{"kind":"door.open","id":7}"#)
    );
    assert_eq!((event.id, &*event.source, &*event.kind), (EventId::Given("7".into()), "in", "webhook"));

    let form = [("content-type", "application/x-www-form-urlencoded")];
    let (_, events) = visitor.bring(&form, "kind=door.shut&id=8").await;
    assert_eq!((&*events[0].r#type, events[0].data.text()), ("door.shut", r#"{"id":"8","kind":"door.shut"}"#));
    let (_, events) = visitor.bring(&form, "payload=%7B%22kind%22%3A+%22door.jammed%22%7D").await;
    assert_eq!((&*events[0].r#type, events[0].data.text()), ("door.jammed", r#"{"kind": "door.jammed"}"#));
}

#[tokio::test]
async fn without_templates_an_event_is_a_message_with_the_id_of_its_delivery() {
    let mut visitor = at_the_door(SIGNED);
    let once = signed("svix", "msg_1", "[1]");
    let (_, events) = visitor.bring(&shown(&once), "[1]").await;
    assert_eq!((&*events[0].r#type, ids(&events)), ("message", vec!["msg_1".to_owned()]));
    let resent = [&shown(&once)[..], &[("webhook-id", "msg_made_up")]].concat();
    let (_, events) = visitor.bring(&resent, "[1]").await;
    assert_eq!(ids(&events), ["msg_1"], "another id that nobody signed makes it no other event");
    let (_, events) = visitor.bring(&shown(&signed("webhook", "", "[1]")), "[1]").await;
    assert!(matches!(events[0].id, EventId::Fresh(_)));
}

#[tokio::test]
async fn an_id_that_nobody_signed_names_an_event_only_where_a_template_says_so() {
    for verify in ["", "verify = \"none\"", "verify = { token = { env = \"TOKEN\" }, header = \"X-Token\" }"] {
        let said = [("x-token", "open-sesame-0123456789"), ("webhook-id", "m"), ("svix-id", "n")];
        let (_, events) = at_the_door(verify).bring(&said, "[1]").await;
        assert!(matches!(events[0].id, EventId::Fresh(_)), "{verify}");
        let meant = format!("{verify}\nid = \"{{{{ headers['webhook-id'] }}}}\"");
        assert_eq!(ids(&at_the_door(&meant).bring(&said, "[1]").await.1), ["m"], "{verify}");
    }
}

#[tokio::test]
async fn a_signed_request_that_comes_again_within_its_time_is_one_event() {
    let verify = "verify = { hmac_sha256 = { env = \"SLACK\" }, header = \"X-Signature\", encoding = \"base64\", timestamp = \"X-Time\" }";
    let (mut visitor, now) = (at_the_door(verify), jiff::Timestamp::now().as_second());
    let mut bring = async |stamp: i64| {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"8f742231b10e8888abcd99yyyzzz85a5").expect("any key");
        mac.update(format!("{stamp}.[1]").as_bytes());
        let (signature, stamp) = (BASE64_STANDARD.encode(mac.finalize().into_bytes()), stamp.to_string());
        let (_, events) = visitor.bring(&[("x-signature", &signature), ("x-time", &stamp)], "[1]").await;
        assert!(matches!(events[0].id, EventId::Given(_)), "{:?}", events[0].id);
        ids(&events)
    };
    let first = bring(now).await;
    assert_eq!(bring(now).await, first);
    assert_ne!(bring(now - 1).await, first, "the same said anew is another event");
    let named = at_the_door(&format!("{verify}\nid = \"{{{{ data[0] }}}}\""));
    let said = [("x-signature", "00"), ("x-time", "1")];
    let proof = Proof::Signature("digest".into());
    assert_eq!(ids(&events_proven(&named.source.config, &headers(&said), b"[1]", &proof)), ["1"]);
}

#[tokio::test]
async fn a_list_is_split_into_one_commit() {
    const TWO: &str = r#"{"status":"bad","alerts":[{"n": 1},{"n":2.50}]}"#;
    let rest = "split = \"data.alerts\"\ntype = \"{{ body.status }}.{{ data.n }}\"";
    let (_, events) = at_the_door(&format!("{SIGNED}\n{rest}")).bring(&shown(&signed("webhook", "m", TWO)), TWO).await;
    assert_eq!(ids(&events), ["m#0", "m#1"]);
    let mut visitor = at_the_door(rest);
    let (answer, events) = visitor.bring(&[], TWO).await;
    assert_eq!(answer, Ok(2));
    assert_eq!(
        events.iter().map(|event| (&*event.r#type, event.data.text())).collect::<Vec<_>>(),
        [("bad.1", r#"{"n": 1}"#), ("bad.2.5", r#"{"n":2.50}"#)]
    );
    assert_eq!(visitor.bring(&[], r#"{"alerts":[]}"#).await.0, Ok(0));
    assert_eq!(
        visitor.refused(&[], r#"{"alerts":{}}"#).await,
        (400, "`data.alerts` is not there or is not a list".into())
    );
    let many = format!("{{\"alerts\":[{}0]}}", "0,".repeat(MOST_ELEMENTS));
    assert_eq!(visitor.refused(&[], many).await.0, 413);
}

const CLOUD: &str = r#"{"specversion":"1.0","id":"1","source":"/shop","type":"order.paid","subject":"17","time":"2026-11-20T09:30:00Z","data":{"total":3}}"#;

#[tokio::test]
async fn cloudevents_name_themselves_in_every_mode() {
    let mut visitor = at_the_door("");
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
    for (said, body, data) in [
        (&[("content-type", "application/cloudevents+json; charset=utf-8")][..], CLOUD, CLOUD),
        (&binary, r#"{"total":3}"#, r#"{"total":3}"#),
        (&binary[..6], "", "null"),
        (&[("content-type", "application/cloudevents-batch+json")], &batch, CLOUD),
    ] {
        let (_, events) = visitor.bring(said, body.to_owned()).await;
        let event = &events[0];
        assert_eq!((&*event.r#type, &*event.subject, event.data.text()), ("order.paid", "17", data));
        assert_eq!(
            (event.id.to_string().as_str(), event.time.to_string().as_str()),
            ("/shop 1", "2026-11-20T09:30:00Z")
        );
        assert_eq!(events.len(), if data == body || body.is_empty() { 1 } else { 2 });
    }
    let unsigned = [&binary[..], &[("webhook-id", "m")]].concat();
    assert_eq!(ids(&visitor.bring(&unsigned, "{}").await.1), ["/shop 1"]);
    let delivery = signed("webhook", "m", "{}");
    let twice = [&binary[..], &shown(&delivery)].concat();
    assert_eq!(ids(&at_the_door(SIGNED).bring(&twice, "{}").await.1), ["m"], "that is what Standard Webhooks signs");
    assert_eq!(
        visitor.refused(&[("content-type", "application/cloudevents+json")], CLOUD.replace("order.paid", "")).await,
        (400, "the CloudEvent has no `type`".into())
    );
}

#[tokio::test]
async fn a_template_goes_before_an_attribute() {
    let mut visitor = at_the_door("type = \"shop.{{ data.type }}\"\nid = \"{{ data.data.order }}\"");
    let (_, events) = visitor.bring(&[("content-type", "application/cloudevents+json")], CLOUD).await;
    assert_eq!((&*events[0].r#type, ids(&events)), ("shop.order.paid", vec!["/shop 1".to_owned()]));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_the_reason_and_counted() {
    let mut visitor = at_the_door(NAMED);
    assert_eq!(visitor.refused(&[], "<xml>").await, (400, "not JSON: expected value at line 1 column 1".into()));
    assert_eq!(visitor.refused(&[("content-type", "text/plain")], "{}").await.0, 415);
    assert_eq!(visitor.refused(&[("content-type", "application/x-www-form-urlencoded")], "{}").await.0, 415);
    assert_eq!(visitor.refused(&[], "[".repeat(10_000)).await.0, 400);
    assert_eq!(visitor.status.skipped.load(std::sync::atomic::Ordering::Relaxed), 4);
}

#[tokio::test]
async fn who_cannot_show_who_they_are_is_not_let_in_and_nothing_is_read() {
    let mut visitor = at_the_door("verify = { basic = { user = \"x\", password = { env = \"TOKEN\" } } }");
    let (answer, _) = visitor.bring(&[], "<xml>").await;
    let response = answer.expect_err("refused").into_response();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()[WWW_AUTHENTICATE], "Basic realm=\"tidings\"");
    let mut visitor = at_the_door("verify = { standard_webhooks = { env = \"KEY\" } }");
    assert_eq!(visitor.refused(&[], "{}").await, (401, "the header `webhook-id` is missing".into()));
    let old = [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ];
    let (status, said) = visitor.refused(&old, r#"{"test": 2432232314}"#).await;
    assert!(status == 401 && said.contains("older or newer than 300 s"), "{said}");
}

#[tokio::test]
async fn where_nothing_is_said_of_verification_nobody_comes_in_through_a_proxy_or_from_a_page() {
    for (name, value) in [
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("forwarded", "for=192.0.2.1"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "bridge.example.com"),
    ] {
        let said = format!("the header `{name}` shows that this comes from elsewhere; only this machine may post");
        assert_eq!(at_the_door("").refused(&[(name, value)], "{}").await, (403, said));
        assert_eq!(at_the_door("verify = \"none\"").bring(&[(name, value)], "{}").await.0, Ok(1), "{name}");
        let verified = "verify = { token = { env = \"TOKEN\" }, header = \"X-Token\" }";
        let shown = [(name, value), ("x-token", "open-sesame-0123456789")];
        assert_eq!(at_the_door(verified).bring(&shown, "{}").await.0, Ok(1), "{name}");
    }
}

#[tokio::test]
async fn no_template_sees_a_secret() {
    let rest =
        "subject = \"{{ headers['x-gitlab-token'] }}{{ headers.authorization }}{{ headers.cookie }}{{ headers.x }}\"";
    let mut visitor =
        at_the_door(&format!("verify = {{ token = {{ env = \"TOKEN\" }}, header = \"X-Gitlab-Token\" }}\n{rest}"));
    let said = [("x-gitlab-token", "open-sesame-0123456789"), ("authorization", "a"), ("cookie", "b"), ("x", "seen")];
    assert_eq!(&*visitor.bring(&said, "{}").await.1[0].subject, "seen");
    let printed = format!("{:?}", visitor.source);
    assert!(!printed.contains("sesame"), "{printed}");
}

#[tokio::test]
async fn the_source_is_up_until_it_is_told_to_stop() {
    let mut visitor = at_the_door("");
    let stop = Stop::new();
    let script = async {
        visitor.status.line.wait_for(|line| *line == crate::outbox::LinkState::Up).await.expect("up");
        stop.trigger();
    };
    assert_eq!(join!(visitor.source.run(&visitor.out, &stop), script).0, Ok(()));
    assert_eq!(visitor.source.look_up("/x").await.expect_err("nobody to ask").reason(), "no_look_up");
}

#[test]
fn only_what_says_nothing_of_verification_is_open() {
    let is_open = |text: &str| Settings::hook(&config(text)).expect("it has one").is_open();
    assert!(is_open(""));
    assert!(!is_open("verify = \"none\"") && !is_open("verify = { bearer = { env = \"TOKEN\" } }"));
    let hook = config("verify = { path = { env = \"TOKEN\" } }");
    let hook = Settings::hook(&hook).expect("it has one");
    let secret = crate::secret::Secret::literal("open-sesame-0123456789");
    assert!(!hook.is_open() && hook.is_same_as("in", &Hook::named().with_secret(secret), "in"));
}

#[test]
fn what_cannot_be_meant_is_said() {
    for (text, wanted) in [
        ("verfy = 1", "unknown key `verfy`"),
        ("type = \"{{ event.type }}\"", "unknown name `event`"),
        ("split = \"alerts[]\"", "`alerts[]` is no path to a list"),
        (
            "path = { env = \"TOKEN\" }\nverify = { path = { env = \"TOKEN\" } }",
            "`path` and `verify.path` both say where the secret stands",
        ),
    ] {
        assert_eq!(read(text).1, [wanted], "{text}");
    }
    let (config, problems) = read("optional = true\nverify = { bearer = { env = \"UNSET\" } }");
    assert!(config.is_none() && problems.is_empty(), "left out in peace: {problems:?}");
}

fn events_of(config: &Config, headers: &HeaderMap, body: &[u8]) -> Vec<Event> {
    events_proven(config, headers, body, &Proof::Sender)
}

fn events_proven(config: &Config, headers: &HeaderMap, body: &[u8], proof: &Proof) -> Vec<Event> {
    let (source, kind) = (Name::from("in"), Name::from("webhook"));
    let arrived = Arrived { source: &source, kind: &kind, at: jiff::Timestamp::UNIX_EPOCH };
    reading::events_of(config, headers, body, proof, arrived, &mut |_| ()).unwrap_or_default()
}

proptest! {
    #[test]
    fn nothing_posted_breaks_the_reading(
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
        (at, byte) in (0..CLOUD.len(), any::<u8>()),
        said in "(application/)?(json|x-www-form-urlencoded|cloudevents\\+json|cloudevents-batch\\+json|[ -~]{0,20})",
        value in "[ -~]{0,30}",
    ) {
        let split = config("split = \"data\"\ntype = \"{{ body.a }}{{ headers.a }}{{ data.type | upper }}\"\nid = \"{{ data.id }}\"");
        let plain = config("subject = \"{{ data }}\"\ntime = \"{{ data.time }}\"");
        let mut spoilt = CLOUD.as_bytes().to_vec();
        spoilt[at] = byte;
        let mut list = spoilt.clone();
        list.insert(0, b'[');
        list.push(b']');
        let mut sent = headers(&[("ce-id", "a"), ("ce-source", "a"), ("ce-specversion", "1.0"), ("ce-type", "a"), ("a", "b")]);
        for (key, said) in [(CONTENT_TYPE, said.as_str()), (HeaderName::from_static("ce-subject"), &value)] {
            sent.insert(key, HeaderValue::try_from(said).expect("a value"));
        }
        for body in [&bytes, &spoilt, &list] {
            for config in [&split, &plain] {
                for sent in [&sent, &HeaderMap::new()] {
                    for event in events_of(config, sent, body) {
                        prop_assert!(!event.r#type.is_empty() && event.r#type.chars().count() <= 256);
                        prop_assert!(serde_json::from_str::<serde_json::Value>(event.data.text()).is_ok());
                    }
                }
            }
        }
    }
}
