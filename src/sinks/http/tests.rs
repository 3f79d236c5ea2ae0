use std::sync::Arc;

use serde_json::json;

use super::super::harness::{message, read, send, sink, verdict};
use super::*;
use crate::event::EventId;
use crate::message::Field;
use crate::sinks::Sink;
use crate::test_support::scripted_server::{ReceivedRequest, ScriptedServer, reply};

const TOML: &str = "url = \"@/in/s3cr3t-path\"";
const SIGNED: &str =
    "url = \"@/in/s3cr3t-path\"\nsign = { standard_webhooks = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\" }";

async fn sent(toml: &str, message: &Message) -> ReceivedRequest {
    let (seen, result) = send("http", toml, message, reply(204, "", "")).await;
    assert!(verdict(&result).starts_with("delivered"), "{result:?}");
    seen
}

fn header(seen: &ReceivedRequest, name: &str) -> Option<String> {
    let line = seen.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))?;
    Some(line.to_owned())
}

#[tokio::test]
async fn an_event_is_sent_as_a_cloud_event() {
    let seen = sent(TOML, &message("not said")).await;
    assert!(seen.head.starts_with("POST /in/s3cr3t-path "));
    assert_eq!(header(&seen, "content-type").as_deref(), Some("application/cloudevents+json; charset=utf-8"));
    assert_eq!(
        seen.json(),
        json!({
            "specversion": "1.0",
            "id": "t-1",
            "source": "prod",
            "kind": "tutum",
            "type": "container.create",
            "time": "1970-01-01T00:00:00Z",
            "subject": "/api/v1/container/<7a>/",
            "datacontenttype": "application/json",
            "data": { "action": "create" },
        })
    );
}

#[tokio::test]
async fn attributes_are_valid_in_cloud_events() {
    let mut odd = message("");
    let event = Arc::make_mut(&mut odd.origin.event);
    (event.subject, event.r#type, event.source) = ("".into(), "".into(), "zwölf Häuser".into());
    let body = sent(TOML, &odd).await.json();
    assert_eq!((body.get("subject"), &body["type"]), (None, &json!("message")));
    assert_eq!(body["source"], "zw%C3%B6lf%20H%C3%A4user");
    Arc::make_mut(&mut odd.origin.event).subject = "a\u{0}b\n".into();
    Arc::make_mut(&mut odd.origin.event).id = EventId::Given("".into());
    let body = sent(TOML, &odd).await.json();
    assert_eq!(body["subject"], "a\u{fffd}b ");
    assert!(body["id"].as_str().is_some_and(|id| id.starts_with("msg_")), "{body}");
}

#[tokio::test]
async fn the_rendered_message_is_sent_as_text() {
    let toml = format!("{TOML}\ncontent = \"text\"\nmethod = \"PUT\"");
    let mut full = message("It was stopped.\n");
    full.title = Some("Stack web".to_owned());
    full.link = Some("https://x.example/".to_owned());
    full.fields = vec![Field { name: "State".to_owned(), value: "Stopped".to_owned(), short: true }];
    let seen = sent(&toml, &full).await;
    assert!(seen.head.starts_with("PUT "));
    assert_eq!(header(&seen, "content-type").as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!(seen.body, "Stack web\nIt was stopped.\nState: Stopped\nhttps://x.example/");
    assert_eq!(sent(&toml, &message(" ")).await.body, "container.create /api/v1/container/<7a>/");
}

#[tokio::test]
async fn headers_are_sent_and_override_ours() {
    let toml = format!(
        "{TOML}\nheaders = {{ X-Team = \"ops\", Authorization = \"Bearer s3cr3t-t0ken\", Content-Type = \"application/json\" }}"
    );
    let seen = sent(&toml, &message("x")).await;
    assert_eq!(header(&seen, "x-team").as_deref(), Some("ops"));
    assert_eq!(header(&seen, "authorization").as_deref(), Some("Bearer s3cr3t-t0ken"));
    assert_eq!(header(&seen, "content-type").as_deref(), Some("application/json"));
    let (_, result) = send("http", &toml, &message("x"), reply(401, "", "not s3cr3t-t0ken, ops")).await;
    assert_eq!(result.expect_err("refused").cause().to_string(), "status 401: not …, ops");
}

#[tokio::test]
async fn a_raw_payload_is_json_whatever_the_content() {
    let mut raw = message("x");
    raw.raw = Some(json!({ "mine": 1 }));
    let seen = sent(&format!("{TOML}\ncontent = \"text\""), &raw).await;
    assert_eq!(header(&seen, "content-type").as_deref(), Some("application/json; charset=utf-8"));
    assert_eq!(seen.body, r#"{"mine":1}"#);
}

#[tokio::test]
async fn a_repetition_has_the_same_id_and_another_message_another() {
    let one = message("x");
    let mut others = [one.clone(), one.clone(), one.clone()];
    Arc::make_mut(&mut others[0].origin.event).id = EventId::Given("t-2".into());
    Arc::make_mut(&mut others[1].origin.event).source = "test".into();
    others[2].origin.relay = "services".into();
    let server = ScriptedServer::start((0..5).map(|_| reply(200, "", ""))).await;
    let mut ids = Vec::new();
    for message in [&one, &one].into_iter().chain(&others) {
        let Receipt(receipt) = sink("http", SIGNED, &server).send(message).await.expect("sent");
        let seen = server.requests().pop().expect("a request");
        let id = header(&seen, "webhook-id").expect("an id");
        assert_eq!(receipt.as_ref(), Some(&id));
        assert!(id.starts_with("msg_") && !id.contains('.'), "{id}");
        assert!(header(&seen, "webhook-signature").is_some_and(|signature| signature.starts_with("v1,")));
        ids.push(id);
    }
    assert_eq!(ids[0], ids[1], "also by a sink that was opened again");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    assert!(header(&sent(TOML, &one).await, "webhook-id").is_none());
}

#[test]
fn invalid_settings_are_problems() {
    for (toml, expected) in [
        ("", "`url` is missing here"),
        ("url = 7", "`url` must be"),
        ("url = \"x\"", "`url`: not a URL"),
        ("url = \"https://x.example\"\nmethod = \"GET\"", "`GET` is not one of POST, PUT, PATCH"),
        ("url = \"https://x.example\"\ncontent = \"xml\"", "`xml` is not one of cloudevents, text"),
        ("url = \"https://x.example\"\nheaders = { \"a b\" = \"c\" }", "`a b` is no name of an HTTP header"),
        ("url = \"https://x.example\"\nheaders = { Host = \"c\" }", "`Host` is set by tidings itself"),
        ("url = \"https://x.example\"\nheaders = { a = \"b\\nc\" }", "this value holds a character"),
        ("url = \"https://x.example\"\nsign = {}", "`standard_webhooks` is missing here"),
        ("url = \"https://x.example\"\nsign = { standard_webhooks = \"s\" }", "`standard_webhooks` must be `whsec_`"),
        ("url = \"https://x.example\"\nsign = { old = 1 }", "`old` must be a secret"),
    ] {
        let (_, problems) = read("http", toml);
        assert!(problems.iter().any(|problem| problem.starts_with(expected)), "{toml}: {problems:?}");
    }
    assert!(read("http", "url = \"https://x.example\"\nsign = { standard_webhooks = \"s\" }").0.is_none());
}
