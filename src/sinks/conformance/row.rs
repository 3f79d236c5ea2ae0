//! One row of the table.

use serde_json::Value;

use super::super::harness::opened;
use super::super::{AnySink, Sink, SinkConfig};
use crate::message::Message;
use crate::outbound::Outbound;
use crate::test_support::scripted_server::{ScriptedServer, reply};

/// How to test one kind of sink, and in what it differs from the others.
pub(super) struct Row {
    pub(super) kind: &'static str,
    /// `@` is the URL of the server. Every secret in it contains `s3cr3t`.
    pub(super) toml: &'static str,
    /// The reply of the vendor to an accepted message. None: there is no server (the console).
    pub(super) accepts: Option<(u16, &'static str)>,
    /// The verdict on a success with a body that is not the vendor's.
    pub(super) when_garbled: &'static str,
    /// Statuses with an unusual meaning.
    pub(super) unlike: &'static [(u16, &'static str)],
    /// Why the vendor would refuse this payload, if it would.
    pub(super) refuses: fn(&Value) -> Option<&'static str>,
    /// Markup that must not get from an event into the payload.
    pub(super) forbidden: &'static [&'static str],
    /// Pointers to the parts of the payload that are not text: the event itself or a bare URL.
    pub(super) data: &'static [&'static str],
}

impl Row {
    pub(super) fn open(&self, url: &str) -> AnySink {
        opened(self.kind, self.toml, url, &Outbound::new())
    }

    /// The payload of each message as the vendor receives it: JSON as a tree, anything else as text.
    pub(super) async fn posted(&self, messages: &[Message]) -> Vec<Value> {
        let (status, body) = self.accepts.unwrap_or_default();
        let server = ScriptedServer::start(messages.iter().map(|_| reply(status, "", body))).await;
        let sink = self.open(&server.url);
        if let SinkConfig::Console(console) = &sink.config {
            return messages.iter().map(|message| tree(&console.lines(message))).collect();
        }
        for message in messages {
            sink.send(message).await.unwrap_or_else(|error| panic!("{}: {error:?}", self.kind));
        }
        server.requests().iter().map(|seen| tree(&seen.body)).collect()
    }

    /// Every text that a person or a markup parser reads.
    pub(super) fn prose(&self, payload: &Value) -> Vec<String> {
        let mut payload = payload.clone();
        for pointer in self.data {
            if let Some(data) = payload.pointer_mut(pointer) {
                *data = Value::Null;
            }
        }
        let mut texts = Vec::new();
        collect(&payload, &mut texts);
        texts
    }
}

/// Of several lines of JSON the last is the message.
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
