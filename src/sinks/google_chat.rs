//! Google Chat, by incoming webhook. The path of its URL names the space, the query is the credential.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::borrow::Cow;

use super::chat_webhook::{self, ChatWebhook};
use super::message_parts as parts;
use super::payload::{fitting_key, to_body};
use super::sink::{Sink, SinkTraits};
use crate::config_reader::TableReader;
use crate::message::{Markup, Message, Receipt, SendError, Severity, Unit, cut};
use crate::outbound::{Outbound, SecretUrl};

/// Google documents a limit in bytes ([`LONGEST_BODY`]), but has refused texts above 4,096 characters.
const LONGEST_TEXT: usize = 4000;
/// The whole message, as it is sent.
const LONGEST_BODY: usize = 32_000;
const LONGEST_KEY: usize = 4000;
const LONGEST_TITLE: usize = 300;
const LONGEST_LINK: usize = 1000;
/// For all fields together; the rest is for the text.
const LONGEST_FIELDS: usize = 1500;

#[derive(Debug)]
pub struct Config {
    webhook: SecretUrl,
    thread: bool,
}

impl Config {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let thread = table.flag("thread").unwrap_or(true);
        let webhook = chat_webhook::read_url(table)?.value;
        Some(Self { webhook, thread })
    }
}

#[derive(Debug)]
pub struct GoogleChat {
    webhook: ChatWebhook,
    thread: bool,
}

impl GoogleChat {
    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        // https://developers.google.com/workspace/chat/quickstart/webhooks: without it `threadKey` is ignored.
        let threaded = |url: SecretUrl| url.with_query("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
        let url = if config.thread { threaded(config.webhook) } else { config.webhook };
        Self { webhook: ChatWebhook::new(url, net), thread: config.thread }
    }

    fn body(&self, message: &Message) -> Result<Vec<u8>, SendError> {
        let key = fitting_key(&message.key, LONGEST_KEY);
        let thread = (self.thread && !key.is_empty()).then_some(Thread { thread_key: &key });
        if let Some(raw) = &message.raw {
            return to_body(&completed(raw, thread));
        }
        let mut limit = LONGEST_TEXT;
        loop {
            let body = to_body(&Payload { text: compose(message, limit), thread })?;
            // Too long only with characters that JSON writes as `\u0001`.
            if body.len() <= LONGEST_BODY || limit < LONGEST_FIELDS {
                return Ok(body);
            }
            limit /= 2;
        }
    }
}

impl Sink for GoogleChat {
    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        // Errors are `google.rpc.Status`, whose codes are the HTTP statuses; a 429 has no Retry-After.
        let reply = self.webhook.post(self.body(message)?, |_| None).await?;
        let posted: Posted = reply.json().unwrap_or_default();
        Ok(Receipt(posted.thread.and_then(|thread| thread.name)))
    }

    fn traits(&self) -> SinkTraits {
        // https://developers.google.com/workspace/chat/limits: one a second for all webhooks of a space.
        self.webhook.traits(Markup::GoogleChat, 1)
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<Thread<'a>>,
}

#[derive(Serialize, Clone, Copy)]
struct Thread<'a> {
    #[serde(rename = "threadKey")]
    thread_key: &'a str,
}

/// The posted message. The status alone decides about success, so an unreadable body is no failure.
#[derive(Deserialize, Default)]
struct Posted {
    thread: Option<PostedThread>,
}

#[derive(Deserialize)]
struct PostedThread {
    name: Option<String>,
}

/// A raw payload goes into the thread of its key, unless it names another.
fn completed<'r>(raw: &'r Value, thread: Option<Thread>) -> Cow<'r, Value> {
    match (raw, thread) {
        (Value::Object(members), Some(Thread { thread_key })) if !members.contains_key("thread") => {
            let mut members = members.clone();
            members.insert("thread".to_owned(), json!({ "threadKey": thread_key }));
            Cow::Owned(Value::Object(members))
        }
        _ => Cow::Borrowed(raw),
    }
}

/// Everything as one text of at most `limit`: the heading in bold, the text, one line for each field, the link.
fn compose(message: &Message, limit: usize) -> String {
    let text = message.text.trim_end();
    let head = heading(message);
    let foot = footing(message, limit.min(LONGEST_FIELDS));
    if head.is_empty() && foot.is_empty() {
        return match text.trim() {
            "" => parts::text(message, Markup::GoogleChat, limit),
            _ => cut(&message.text, limit, Unit::Utf16),
        };
    }
    let parts = Unit::Utf16.count(&head) + Unit::Utf16.count(&foot) + 2;
    let text = cut(text, limit.saturating_sub(parts), Unit::Utf16);
    let lines: Vec<&str> = [head.as_str(), &text, &foot].into_iter().filter(|part| !part.trim().is_empty()).collect();
    lines.join("\n")
}

fn heading(message: &Message) -> String {
    let title = message.title.as_deref().unwrap_or_default().trim();
    let title = cut(title, LONGEST_TITLE, Unit::Utf16);
    match (message.severity, title.is_empty()) {
        (Severity::Info, true) => String::new(),
        (Severity::Info, false) => format!("*{title}*"),
        (severity, true) => format!("*{}*", severity.word().to_uppercase()),
        (severity, false) => format!("*{}: {title}*", severity.word().to_uppercase()),
    }
}

fn footing(message: &Message, limit: usize) -> String {
    let mut lines = Vec::new();
    let mut left = limit;
    for (at, field) in message.fields.iter().enumerate() {
        let line = cut(&format!("{}: {}", field.name, field.value), limit / 3, Unit::Utf16);
        let size = Unit::Utf16.count(&line) + 1;
        if size > left {
            lines.push(format!("and {} more", message.fields.len() - at));
            break;
        }
        left -= size;
        lines.push(line);
    }
    // Half a link is useless, so a longer one is left out.
    let link = message.link.as_deref().unwrap_or_default().trim();
    if !link.is_empty() && link.len() <= LONGEST_LINK {
        // The renderer does not escape links, and `<users/all>` within a link would mention people.
        lines.push(link.replace('<', "%3C").replace('>', "%3E"));
    }
    lines.join("\n")
}
