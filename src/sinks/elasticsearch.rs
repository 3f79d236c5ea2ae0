//! Elasticsearch and `OpenSearch`: an archive of events, many documents to a request of the bulk API.

mod config;
#[cfg(test)]
mod tests;

use futures::future::{BoxFuture, FutureExt};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::payload::to_body;
use super::sink::{SinkKind, SinkTraits};
use crate::event::digest;
use crate::message::{Message, Receipt, SendError};
use crate::outbound::{FailureClass, Outbound, Reply, Request};

pub(super) use config::Elasticsearch;

const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");
/// Documents in one request. The reply names an error for each and must fit into what is read of it.
const BATCH: usize = 100;
/// <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk>: a few MiB are the fastest; the limit is 100.
const LONGEST_REQUEST: usize = 5 << 20;

type Verdict = Result<Receipt, SendError>;

impl Elasticsearch {
    /// The action and the document, one line each. `create` with an id of our own stores a repetition once.
    fn lines(&self, message: &Message) -> Result<Vec<u8>, SendError> {
        let origin = &message.origin;
        let id = digest(&[&origin.source, &origin.id.to_string(), &origin.relay]);
        let mut lines = to_body(&json!({ "create": { "_index": self.index, "_id": id } }))?;
        lines.push(b'\n');
        lines.extend(match &message.raw {
            Some(raw) => to_body(raw)?,
            None => to_body(&Document::of(message))?,
        });
        lines.push(b'\n');
        Ok(lines)
    }

    /// One request for all documents; one for each half where the request or the reply is too long.
    fn bulk<'a>(&'a self, net: &'a Outbound, documents: &'a [Vec<u8>]) -> BoxFuture<'a, Vec<Verdict>> {
        async move {
            if documents.is_empty() {
                return Vec::new();
            }
            let mut headers = self.headers.clone();
            headers.insert(CONTENT_TYPE, NDJSON);
            let reply = match net.deliver(Request::post(&self.bulk, documents.concat()).headers(headers)).await {
                Ok(reply) => reply,
                Err(error) => return documents.iter().map(|_| Err(error.clone())).collect(),
            };
            let results: Option<BulkReply> = reply.json().ok();
            let results = results.filter(|results| results.items.len() == documents.len());
            let halves = documents.split_at(documents.len() / 2);
            match results {
                _ if reply.status == 413 && documents.len() > 1 => self.both(net, halves).await,
                Some(results) if reply.is_success() => results.items.iter().map(|item| item.verdict(&reply)).collect(),
                _ if reply.is_success() && documents.len() > 1 => self.both(net, halves).await,
                _ => {
                    // A success without a result for each document is none.
                    let garbled = |reply: &Reply| reply.is_success().then_some(FailureClass::Later { lane: false });
                    let verdict = reply.verdict(garbled).map(|()| Receipt::default());
                    documents.iter().map(|_| verdict.clone()).collect()
                }
            }
        }
        .boxed()
    }

    async fn both(&self, net: &Outbound, (first, second): (&[Vec<u8>], &[Vec<u8>])) -> Vec<Verdict> {
        let mut verdicts = self.bulk(net, first).await;
        verdicts.extend(self.bulk(net, second).await);
        verdicts
    }
}

impl SinkKind for Elasticsearch {
    async fn send(&self, net: &Outbound, message: &Message) -> Verdict {
        let documents = [self.lines(message)?];
        self.bulk(net, &documents).await.pop().unwrap_or_else(|| Ok(Receipt::default()))
    }

    async fn send_all(&self, net: &Outbound, messages: &[&Message]) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(messages.len());
        let (mut batch, mut size) = (Vec::new(), 0);
        for message in messages {
            let lines = self.lines(message);
            let added = lines.as_ref().map_or(0, Vec::len);
            // Verdicts keep the order of the messages, so those before an unwritable one are sent first.
            if lines.is_err() || size + added > LONGEST_REQUEST {
                verdicts.extend(self.bulk(net, &std::mem::take(&mut batch)).await);
                size = 0;
            }
            size += added;
            match lines {
                Ok(lines) => batch.push(lines),
                Err(error) => verdicts.push(Err(error)),
            }
        }
        verdicts.extend(self.bulk(net, &batch).await);
        verdicts
    }

    fn traits(&self) -> SinkTraits {
        let destination = self.bulk.destination_of(&self.index);
        SinkTraits { knows_repeats: true, batch: BATCH, ..SinkTraits::plain(destination) }
    }
}

/// The event with its original `data`, and the rendered message.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    id: String,
    source: &'a str,
    kind: &'a str,
    r#type: &'a str,
    subject: &'a str,
    relay: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    message: &'a str,
    severity: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<&'static str>,
    data: Option<Box<RawValue>>,
}

impl<'a> Document<'a> {
    fn of(message: &'a Message) -> Self {
        let origin = &message.origin;
        Self {
            timestamp: origin.time.to_string(),
            id: origin.id.to_string(),
            source: &origin.source,
            kind: &origin.kind,
            r#type: &origin.r#type,
            subject: &origin.subject,
            relay: &origin.relay,
            title: message.title.as_deref(),
            message: &message.text,
            severity: message.severity.word(),
            key: &message.key,
            signal: message.signal.map(crate::message::Signal::word),
            // The body of an event is always JSON.
            data: RawValue::from_string(origin.data.text().to_owned()).ok(),
        }
    }
}

#[derive(Deserialize)]
struct BulkReply {
    items: Vec<BulkItem>,
}

#[derive(Deserialize)]
struct BulkItem {
    create: ItemResult,
}

#[derive(Deserialize)]
struct ItemResult {
    status: u16,
    #[serde(default)]
    error: Value,
}

impl BulkItem {
    /// 409: an earlier attempt stored it. 429: the server's queue is full, for every document.
    fn verdict(&self, whole: &Reply) -> Verdict {
        let ItemResult { status, error } = &self.create;
        if *status == 409 {
            return Ok(Receipt::default());
        }
        let text = if error.is_null() { String::new() } else { error.to_string() };
        whole.part(*status, &text).verdict(|_| None).map(|()| Receipt::default())
    }
}
