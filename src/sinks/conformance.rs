//! What every sink must do. One row for each kind and its variants; a kind of the registry without a row fails, and so
//! does a row without a kind.

mod hostile;
mod limits;
mod row;
mod rows;
mod secrets;
mod verdicts;

use super::{KINDS, Sink};
use crate::test_support::scripted_server::{ScriptedServer, Step};
use row::Row;
use rows::ROWS;

/// The rows of sinks with a server, and the reply that accepts a message.
fn with_server() -> impl Iterator<Item = (&'static Row, (u16, &'static str))> {
    ROWS.iter().filter_map(|row| Some((row, row.accepts?)))
}

#[test]
fn every_kind_has_a_row_and_every_row_a_kind() {
    let missing: Vec<_> = KINDS.iter().filter(|kind| ROWS.iter().all(|row| row.kind != **kind)).collect();
    assert!(missing.is_empty(), "no row in the conformance suite: {missing:?}");
    let unknown: Vec<_> = ROWS.iter().map(|row| row.kind).filter(|kind| !KINDS.contains(kind)).collect();
    assert!(unknown.is_empty(), "no kind in the registry: {unknown:?}");
    for row in ROWS.iter().filter(|row| row.accepts.is_some()) {
        assert!(row.toml.contains('@') && row.toml.contains("s3cr3t"), "{}: {}", row.kind, row.toml);
    }
}

#[tokio::test]
async fn the_same_message_is_the_same_payload_every_time() {
    let message = super::harness::message("up");
    for row in ROWS {
        let [one, other] = row.posted(&[message.clone(), message.clone()]).await.try_into().expect("two");
        assert_eq!(one, other, "{}", row.kind);
    }
}

#[tokio::test]
async fn a_raw_payload_replaces_the_rendered_message() {
    let mut message = super::harness::message("not this");
    message.title = Some("nor this".to_owned());
    message.raw = Some(serde_json::json!({ "mine": ["&<>*@everyone", true, 1.5] }));
    for row in ROWS {
        let [payload] = row.posted(std::slice::from_ref(&message)).await.try_into().expect("one");
        if row.kind == "console" && payload.is_string() {
            // The text for a terminal ignores raw payloads.
            continue;
        }
        assert_eq!(payload["mine"], serde_json::json!(["&<>*@everyone", true, 1.5]), "{}", row.kind);
        assert!(!payload.to_string().contains("this"), "{}: {payload}", row.kind);
    }
}

#[tokio::test]
async fn sinks_of_one_url_are_one_destination() {
    let server = ScriptedServer::start([]).await;
    for (row, _) in with_server() {
        let (one, other) = (row.open(&server.url).traits(), row.open(&server.url).traits());
        assert_eq!(one, other, "{}", row.kind);
        let elsewhere = row.open("https://elsewhere.example").traits();
        assert_ne!(one.destination, elsewhere.destination, "{}", row.kind);
        assert!(one.burst > 0, "{}: a burst of none never sends anything", row.kind);
    }
}

/// Connections that break at different points. One for each server, since it does not accept another.
fn broken_connections() -> [(&'static str, Step); 4] {
    [
        ("before it was read", Step::ResetBeforeRead),
        ("after it was read", Step::Reset),
        ("closed without a reply", Step::ReplyAndClose(String::new())),
        ("within the reply", Step::ReplyAndClose("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok".to_owned())),
    ]
}
