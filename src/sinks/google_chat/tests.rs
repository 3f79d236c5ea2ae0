use super::super::harness::{message, read, send, sink, verdict};
use super::*;
use crate::message::Field;
use crate::sinks::Sink;
use crate::test_support::scripted_server::{ScriptedServer, Step, reply};

const TOML: &str = "webhook = \"@/v1/spaces/AAAA/messages?key=s3cr3t-key&token=s3cr3t-t0ken%3D\"";
const POSTED: &str = r#"{"name":"spaces/AAAA/messages/B.C","thread":{"name":"spaces/AAAA/threads/B"},"text":"x"}"#;

async fn sent(message: &Message) -> Value {
    let (seen, result) = send("google-chat", TOML, message, reply(200, "", POSTED)).await;
    assert_eq!(verdict(&result), "delivered as spaces/AAAA/threads/B");
    assert!(seen.body.len() <= LONGEST_BODY);
    seen.json()
}

#[tokio::test]
async fn a_text_goes_into_the_thread_of_its_key() {
    let (seen, _) = send("google-chat", TOML, &message("It is *up*."), reply(200, "", POSTED)).await;
    assert_eq!(
        seen.target(),
        "/v1/spaces/AAAA/messages?key=s3cr3t-key&token=s3cr3t-t0ken%3D&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD"
    );
    assert_eq!(seen.body, r#"{"text":"It is *up*.","thread":{"threadKey":"prod/web"}}"#);
    assert!(seen.head.contains("content-type: application/json; charset=utf-8"));
}

#[tokio::test]
async fn threads_can_be_disabled() {
    let toml = format!("{TOML}\nthread = false");
    let (seen, _) = send("google-chat", &toml, &message("x"), reply(200, "", "{}")).await;
    assert!(seen.target().ends_with("token=s3cr3t-t0ken%3D"));
    assert_eq!(seen.body, r#"{"text":"x"}"#);
}

#[tokio::test]
async fn every_part_of_a_message_becomes_one_text() {
    let mut full = message("It was stopped.\n");
    full.title = Some("Stack web".to_owned());
    full.severity = Severity::Error;
    full.link = Some("https://x.example/?a=1&b=2".to_owned());
    full.fields = ["State", "Was"].map(|name| Field { name: name.into(), value: "Stopped".into(), short: true }).into();
    let body = sent(&full).await;
    insta::assert_snapshot!(body["text"].as_str().expect("a text"), @"
    *ERROR: Stack web*
    It was stopped.
    State: Stopped
    Was: Stopped
    https://x.example/?a=1&b=2
    ");
    let mut severe = message("disk full");
    severe.severity = Severity::Critical;
    assert_eq!(sent(&severe).await["text"], "*CRITICAL*\ndisk full");
}

#[tokio::test]
async fn rendered_text_is_not_escaped_again() {
    let text = "<\u{200b}users/all> <https://x.example|a link> &amp;";
    assert_eq!(sent(&message(text)).await["text"], text);
}

#[tokio::test]
async fn an_empty_text_is_replaced_by_the_event_line() {
    assert_eq!(sent(&message(" \n")).await["text"], "container.create /api/v1/container/<\u{200b}7a>/");
}

#[tokio::test]
async fn long_texts_are_cut_between_characters_and_leave_space_for_the_rest() {
    for sample in ["👩\u{200d}💻é", "e\u{301}", "x", "\u{1}"] {
        let mut long = message(&sample.chars().cycle().take(10_000).collect::<String>());
        long.key = "k€y".repeat(5000);
        let body = sent(&long).await;
        let text = body["text"].as_str().expect("a text");
        assert!(Unit::Utf16.count(text) <= LONGEST_TEXT && text.ends_with('…'));
        assert!(long.text.starts_with(text.trim_end_matches('…')));
        assert!(Unit::Utf16.count(body["thread"]["threadKey"].as_str().expect("a key")) <= LONGEST_KEY);

        long.title = Some("t".repeat(10_000));
        long.link = Some("https://x.example/end".to_owned());
        long.fields = vec![Field { name: "n".repeat(50), value: "v".repeat(900), short: false }; 30];
        let body = sent(&long).await;
        let text = body["text"].as_str().expect("a text");
        assert!(Unit::Utf16.count(text) <= LONGEST_TEXT, "{}", Unit::Utf16.count(text));
        assert!(text.ends_with(" more\nhttps://x.example/end"), "{text}");
    }
}

#[tokio::test]
async fn a_raw_payload_is_sent_as_it_is_into_its_thread() {
    let mut raw = message("ignored");
    raw.raw = Some(json!({ "cardsV2": [] }));
    assert_eq!(sent(&raw).await, json!({ "cardsV2": [], "thread": { "threadKey": "prod/web" } }));
    raw.raw = Some(json!({ "text": "x", "thread": { "name": "spaces/AAAA/threads/Z" } }));
    assert_eq!(sent(&raw).await, json!({ "text": "x", "thread": { "name": "spaces/AAAA/threads/Z" } }));
    raw.raw = Some(json!({ "text": "x" }));
    let (seen, _) = send("google-chat", &format!("{TOML}\nthread = false"), &raw, reply(200, "", POSTED)).await;
    assert_eq!(seen.body, r#"{"text":"x"}"#);
    raw.key = String::new();
    assert_eq!(sent(&raw).await, json!({ "text": "x" }));
}

#[tokio::test]
async fn googles_replies_have_their_verdicts() {
    for (status, code, expected) in [
        (400, "INVALID_ARGUMENT", "never, message: status_400"),
        (401, "UNAUTHENTICATED", "never, destination: status_401"),
        (403, "PERMISSION_DENIED", "never, destination: status_403"),
        (404, "NOT_FOUND", "never, destination: status_404"),
        (429, "RESOURCE_EXHAUSTED", "later, all: rate_limited"),
        (500, "INTERNAL", "later: status_500"),
        (503, "UNAVAILABLE", "later, all: status_503"),
    ] {
        let body = json!({ "error": { "code": status, "message": "no s3cr3t-t0ken= here", "status": code } });
        let (_, result) = send("google-chat", TOML, &message("x"), reply(status, "", &body.to_string())).await;
        assert_eq!(verdict(&result), expected);
    }
}

#[tokio::test]
async fn a_success_without_a_thread_is_a_success() {
    for body in ["", "{}", "[]", r#"{"thread":{}}"#] {
        let (_, result) = send("google-chat", TOML, &message("x"), reply(200, "", body)).await;
        assert_eq!(verdict(&result), "delivered");
    }
    let (_, result) = send("google-chat", TOML, &message("x"), Step::Reset).await;
    assert_eq!(verdict(&result), "later: reset");
}

#[tokio::test]
async fn webhooks_of_one_space_share_its_limit() {
    let server = ScriptedServer::start([]).await;
    let of = |toml: &str| sink("google-chat", toml, &server).traits().destination;
    assert_eq!(of(TOML), of("webhook = \"@/v1/spaces/AAAA/messages?key=other&token=other\""));
    assert_ne!(of(TOML), of("webhook = \"@/v1/spaces/BBBB/messages?key=other&token=other\""));
    assert!(read("google-chat", "webhook = 1").0.is_none());
}
