//! What every sink must do, whatever its vendor calls it. One row for each kind and its variants; a kind of the
//! registry without a row fails, and so does a row without a kind.

mod hostile;
mod limits;
mod rows;
mod secrets;
mod verdicts;

use serde_json::Value;

use super::harness::opened;
use super::{AnySink, KINDS, Sink};
use crate::message::Message;
use crate::outbound::Outbound;
use crate::test_support::scripted_server::{ScriptedServer, Step, reply};
use rows::ROWS;

/// How one kind of sink is met, and in what it differs from the others.
struct Row {
    kind: &'static str,
    /// `@` is the stage. Whatever is secret in it holds the word `s3cr3t`.
    toml: &'static str,
    /// What the vendor says to a message that it takes. None: nobody is asked (the console).
    accepts: Option<(u16, &'static str)>,
    /// The verdict on a success whose body is none of the vendor's.
    when_garbled: &'static str,
    /// Statuses by which this vendor means something else than everyone.
    unlike: &'static [(u16, &'static str)],
    /// Why the vendor would refuse this payload, if it would.
    refuses: fn(&Value) -> Option<&'static str>,
    /// What would be obeyed there, if it came through as it stands in an event.
    obeyed: &'static [&'static str],
    /// Where the payload carries the event itself or a bare URL, which nobody reads as prose.
    data: &'static [&'static str],
}

impl Row {
    /// The rows of those sinks that somebody answers.
    fn answered() -> impl Iterator<Item = (&'static Self, (u16, &'static str))> {
        ROWS.iter().filter_map(|row| Some((row, row.accepts?)))
    }

    fn open(&self, url: &str) -> AnySink {
        opened(self.kind, self.toml, url, &Outbound::new())
    }

    /// What reaches the vendor of each message: JSON as a tree, anything else as text.
    async fn posted(&self, messages: &[Message]) -> Vec<Value> {
        let (status, body) = self.accepts.unwrap_or_default();
        let server = ScriptedServer::start(messages.iter().map(|_| reply(status, "", body))).await;
        let sink = self.open(&server.url);
        if let AnySink::Console(console) = &sink {
            return messages.iter().map(|message| tree(&console.lines(message))).collect();
        }
        for message in messages {
            sink.send(message).await.unwrap_or_else(|error| panic!("{}: {error:?}", self.kind));
        }
        server.requests().iter().map(|seen| tree(&seen.body)).collect()
    }

    /// Everything that a person or a parser of markup gets to see.
    fn prose(&self, payload: &Value) -> Vec<String> {
        let mut payload = payload.clone();
        for place in self.data {
            if let Some(data) = payload.pointer_mut(place) {
                *data = Value::Null;
            }
        }
        let mut texts = Vec::new();
        collect(&payload, &mut texts);
        texts
    }
}

/// Of several lines of JSON the last is the message; those before it say what to do with it.
fn tree(body: &str) -> Value {
    let read = |text: &str| serde_json::from_str(text).ok();
    let last = || body.ends_with('\n').then(|| body.lines().last().and_then(read)).flatten();
    read(body).or_else(last).unwrap_or_else(|| body.into())
}

fn collect(payload: &Value, texts: &mut Vec<String>) {
    match payload {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(members) => {
            texts.extend(members.keys().cloned());
            members.values().for_each(|item| collect(item, texts));
        }
        _ => {}
    }
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
async fn a_raw_payload_goes_instead_of_all_wording() {
    let mut message = super::harness::message("not this");
    message.title = Some("nor this".to_owned());
    message.raw = Some(serde_json::json!({ "mine": ["&<>*@everyone", true, 1.5] }));
    for row in ROWS {
        let [payload] = row.posted(std::slice::from_ref(&message)).await.try_into().expect("one");
        if row.kind == "console" && payload.is_string() {
            // People at a screen read words, whatever the programs elsewhere are sent.
            continue;
        }
        assert_eq!(payload["mine"], serde_json::json!(["&<>*@everyone", true, 1.5]), "{}", row.kind);
        assert!(!payload.to_string().contains("this"), "{}: {payload}", row.kind);
    }
}

#[tokio::test]
async fn sinks_of_one_address_are_one_destination() {
    let server = ScriptedServer::start([]).await;
    for (row, _) in Row::answered() {
        let (one, other) = (row.open(&server.url).traits(), row.open(&server.url).traits());
        assert_eq!(one, other, "{}", row.kind);
        let elsewhere = row.open("https://elsewhere.example").traits();
        assert_ne!(one.destination, elsewhere.destination, "{}", row.kind);
        assert!(one.burst > 0, "{}: a burst of none never sends anything", row.kind);
    }
}

/// A connection that breaks, one at a time: later ones would find it gone.
fn broken_roads() -> [(&'static str, Step); 4] {
    [
        ("before it was read", Step::ResetBeforeRead),
        ("after it was read", Step::Reset),
        ("closed without an answer", Step::ReplyAndClose(String::new())),
        ("within the answer", Step::ReplyAndClose("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok".to_owned())),
    ]
}
