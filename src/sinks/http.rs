//! Any HTTP server: the event itself as a `CloudEvent`, the rendered message as text, or the relay's raw payload.

mod config;
mod signature;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;

use super::message_parts as parts;
use super::payload::to_body;
use super::sink::{SinkKind, SinkTraits};
use crate::event::digest;
use crate::fault::Fault;
use crate::message::{Markup, Message, Receipt, SendError};
use crate::outbound::{Outbound, Request};
use config::Content;

pub(super) use config::Http;

const CLOUD_EVENT: HeaderValue = HeaderValue::from_static("application/cloudevents+json; charset=utf-8");
/// Lets a receiver recognize a repetition: <https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

impl Http {
    fn body(&self, message: &Message) -> Result<(Option<HeaderValue>, Vec<u8>), SendError> {
        match (&message.raw, self.content) {
            (Some(raw), _) => Ok((None, to_body(raw)?)),
            (None, Content::CloudEvents) => Ok((Some(CLOUD_EVENT), to_body(&self.cloud_event(message))?)),
            (None, Content::Text) => Ok((Some(TEXT), text(message).into_bytes())),
        }
    }

    /// The same for every attempt to send a message, after a restart, too, and different for every other message.
    fn id(&self, message: &Message) -> String {
        let origin = &message.origin;
        let parts = [&*origin.source, &origin.id.to_string(), &*origin.relay, self.url.url().as_str()];
        format!("msg_{}", digest(&parts))
    }

    /// <https://github.com/cloudevents/spec/blob/main/cloudevents/spec.md>: attributes are never empty and hold no
    /// control characters; `source` is a URI-reference.
    fn cloud_event(&self, message: &Message) -> Value {
        let mut payload = message.origin.to_json();
        let Value::Object(members) = &mut payload else { return payload };
        members.retain(|name, value| name == "data" || value.as_str() != Some(""));
        for (name, value) in members.iter_mut() {
            if let (false, Value::String(text)) = (name == "data", value) {
                *text = Markup::Plain.escaped(text).replace(['\n', '\t'], " ");
            }
        }
        members.insert("source".to_owned(), utf8_percent_encode(&message.origin.source, &ENCODED).to_string().into());
        members.insert("datacontenttype".to_owned(), "application/json".into());
        members.entry("id").or_insert_with(|| self.id(message).into());
        members.entry("type").or_insert_with(|| "message".into());
        payload
    }
}

impl SinkKind for Http {
    async fn send(&self, net: &Outbound, message: &Message) -> Result<Receipt, SendError> {
        let (content_type, body) = self.body(message)?;
        let mut headers = self.headers.clone();
        if let Some(content_type) = content_type.filter(|_| !headers.contains_key(CONTENT_TYPE)) {
            headers.insert(CONTENT_TYPE, content_type);
        }
        let id = self.id(message);
        let unsigned = || SendError::NeverMessage(Fault::new("unsigned", "the signature does not fit into a header"));
        headers.insert(IDEMPOTENCY_KEY, HeaderValue::try_from(&*id).map_err(|_| unsigned())?);
        if let Some(keys) = &self.keys {
            headers.extend(keys.sign(&id, Timestamp::now(), &body).ok_or_else(unsigned)?);
        }
        let reply = net.deliver(Request::post(&self.url, body).method(self.method.clone()).headers(headers)).await?;
        // The pages of CloudEvents and Standard Webhooks ask for the usual: 410 is final, 429 waits.
        reply.verdict(|_| None).map(|()| Receipt(Some(id)))
    }

    fn traits(&self) -> SinkTraits {
        SinkTraits { knows_repeats: true, ..SinkTraits::plain(self.url.destination()) }
    }
}

/// Encodes what is not valid in a URI reference.
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Every part of the message, each on a line of its own.
fn text(message: &Message) -> String {
    let fields = message.fields.iter().map(|field| format!("{}: {}", field.name, field.value));
    let parts = message.title.iter().chain([&message.text]).cloned().chain(fields).chain(message.link.clone());
    let lines: Vec<String> = parts.map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
    if lines.is_empty() { parts::text(message, Markup::Plain, usize::MAX) } else { lines.join("\n") }
}
