//! Elasticsearch and `OpenSearch`, for every event and later analysis: documents by the bulk API, many to a request.

mod config;
#[cfg(test)]
mod tests;

use futures::future::{BoxFuture, FutureExt};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Sink, SinkTraits, to_body};
use crate::event::digest;
use crate::message::{Message, Receipt, SendError};
use crate::outbound::{FailureClass, Outbound, Reply, Request, SecretUrl};

pub(super) use config::Config;

const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
/// Documents to a request: their answers, which say why each of them failed, must fit into one answer.
const BATCH: usize = 100;
/// <https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk>: a few MiB go fastest; the server takes 100.
const REQUEST: usize = 5 << 20;

#[derive(Debug)]
pub struct Elasticsearch {
    bulk: SecretUrl,
    index: String,
    headers: HeaderMap,
    net: Outbound,
}

type Verdict = Result<Receipt, SendError>;

impl Elasticsearch {
    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        let Config { url, index, headers } = config;
        // Only what is read of it: an answer is as long as its documents are many.
        let bulk = url
            .with_segment("_bulk")
            .with_query("filter_path", "errors,items.*.status,items.*.error.type,items.*.error.reason");
        Self { bulk, index, headers, net: net.clone() }
    }

    /// What to do, and the document, one line each. `create` and an id of our own: what comes twice is there once.
    fn lines(&self, message: &Message) -> Result<Vec<u8>, SendError> {
        let origin = &message.origin;
        let id = digest(&[&origin.source, &origin.id.to_string(), &origin.relay]);
        let mut lines = to_body(&Action { create: Create { index: &self.index, id: &id } })?;
        lines.push(b'\n');
        lines.extend(match &message.raw {
            Some(raw) => to_body(raw)?,
            None => to_body(&Document::of(message))?,
        });
        lines.push(b'\n');
        Ok(lines)
    }

    /// One request for all of these; where the server finds it too long, or says more than is read, one for each half.
    fn bulk<'a>(&'a self, documents: &'a [Vec<u8>]) -> BoxFuture<'a, Vec<Verdict>> {
        async move {
            if documents.is_empty() {
                return Vec::new();
            }
            let mut headers = self.headers.clone();
            headers.insert(CONTENT_TYPE, LINES);
            let reply = match self.net.deliver(Request::post(&self.bulk, documents.concat()).headers(headers)).await {
                Ok(reply) => reply,
                Err(error) => return documents.iter().map(|_| Err(error.clone())).collect(),
            };
            let answer: Option<Answer> = serde_json::from_slice(&reply.body).ok();
            let told = answer.filter(|answer| answer.items.len() == documents.len());
            let halves = documents.split_at(documents.len() / 2);
            match told {
                _ if reply.status == 413 && documents.len() > 1 => self.both(halves).await,
                Some(answer) if reply.is_success() => answer.items.iter().map(|item| item.verdict(&reply)).collect(),
                _ if reply.is_success() && documents.len() > 1 => self.both(halves).await,
                _ => {
                    // A success that does not say what became of the documents is none.
                    let garbled = |reply: &Reply| reply.is_success().then_some(FailureClass::Later { lane: false });
                    let verdict = reply.verdict(garbled).map(|()| Receipt::default());
                    documents.iter().map(|_| verdict.clone()).collect()
                }
            }
        }
        .boxed()
    }

    async fn both(&self, (first, second): (&[Vec<u8>], &[Vec<u8>])) -> Vec<Verdict> {
        let mut verdicts = self.bulk(first).await;
        verdicts.extend(self.bulk(second).await);
        verdicts
    }
}

impl Sink for Elasticsearch {
    async fn send(&self, message: &Message) -> Verdict {
        let documents = [self.lines(message)?];
        self.bulk(&documents).await.pop().unwrap_or_else(|| Ok(Receipt::default()))
    }

    async fn send_all(&self, messages: &[&Message]) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(messages.len());
        let (mut parcel, mut size) = (Vec::new(), 0);
        for message in messages {
            let lines = self.lines(message);
            let added = lines.as_ref().map_or(0, Vec::len);
            // What cannot be written down has its verdict in its place, behind those of what is before it.
            if lines.is_err() || size + added > REQUEST {
                verdicts.extend(self.bulk(&std::mem::take(&mut parcel)).await);
                size = 0;
            }
            size += added;
            match lines {
                Ok(lines) => parcel.push(lines),
                Err(error) => verdicts.push(Err(error)),
            }
        }
        verdicts.extend(self.bulk(&parcel).await);
        verdicts
    }

    fn traits(&self) -> SinkTraits {
        let destination = self.bulk.destination_of(&self.index);
        SinkTraits { knows_repeats: true, batch: BATCH, ..SinkTraits::plain(destination) }
    }
}

#[derive(Serialize)]
struct Action<'a> {
    create: Create<'a>,
}

#[derive(Serialize)]
struct Create<'a> {
    #[serde(rename = "_index")]
    index: &'a str,
    #[serde(rename = "_id")]
    id: &'a str,
}

/// The event, and what the relay says of it. `data` is as it came.
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
            // A body is JSON, or there would be no event; without it the document is still worth having.
            data: RawValue::from_string(origin.data.text().to_owned()).ok(),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    #[serde(default)]
    error: Value,
}

impl Item {
    /// 409: it is there, for an earlier attempt arrived. 429: the server's queue is full, for everyone.
    fn verdict(&self, whole: &Reply) -> Verdict {
        let Outcome { status, error } = &self.create;
        if *status == 409 {
            return Ok(Receipt::default());
        }
        let said = if error.is_null() { String::new() } else { error.to_string() };
        whole.part(*status, &said).verdict(|_| None).map(|()| Receipt::default())
    }
}
