//! Google Chat, by incoming webhook. The URL's query is the credential; its path is the space.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Audience, Sink, SinkTraits, fitting_key, to_body};
use crate::config_reader::{Rate, TableReader};
use crate::message::{Markup, Message, Receipt, SendError, Severity, Unit, cut};
use crate::outbound::{Outbound, Request, SecretUrl};

/// Google writes of bytes by now (see [`LONGEST_BODY`]), but has refused texts above 4,096 characters.
const LONGEST_TEXT: usize = 4000;
/// The whole message, as it is sent.
const LONGEST_BODY: usize = 32_000;
const LONGEST_KEY: usize = 4000;
const LONGEST_TITLE: usize = 300;
const LONGEST_LINK: usize = 1000;
/// Room for all fields together; the text has what is left.
const LONGEST_FIELDS: usize = 1500;

#[derive(Debug)]
pub struct Config {
    webhook: SecretUrl,
    thread: bool,
}

impl Config {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let thread = table.flag("thread").unwrap_or(true);
        let webhook = SecretUrl::read_secret(table, "webhook", "Please provide the URL of an incoming webhook")?.value;
        Some(Self { webhook, thread })
    }
}

#[derive(Debug)]
pub struct GoogleChat {
    webhook: SecretUrl,
    thread: bool,
    net: Outbound,
}

impl GoogleChat {
    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        // https://developers.google.com/workspace/chat/quickstart/webhooks: without it `threadKey` is ignored.
        let threaded = |to: SecretUrl| to.with_query("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
        let webhook = if config.thread { threaded(config.webhook) } else { config.webhook };
        Self { webhook, thread: config.thread, net: net.clone() }
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
            // Only characters that JSON writes with six letters get here twice.
            if body.len() <= LONGEST_BODY || limit < LONGEST_FIELDS {
                return Ok(body);
            }
            limit /= 2;
        }
    }
}

impl Sink for GoogleChat {
    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let reply = self.net.deliver(Request::post(&self.webhook, self.body(message)?)).await?;
        // Errors are `google.rpc.Status`, whose codes are the HTTP statuses; a 429 comes without Retry-After.
        reply.verdict(|_| None)?;
        let answer: Answer = serde_json::from_slice(&reply.body).unwrap_or_default();
        Ok(Receipt(answer.thread.and_then(|thread| thread.name)))
    }

    fn traits(&self) -> SinkTraits {
        SinkTraits {
            markup: Markup::GoogleChat,
            // https://developers.google.com/workspace/chat/limits: shared by all webhooks of the space.
            rate: Some(Rate { times: 1, per: Duration::from_secs(1) }),
            burst: 1,
            audience: Audience::Chat,
            ..SinkTraits::plain(self.webhook.destination())
        }
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

/// What was posted. An answer that is no such thing was a success all the same: its status said so.
#[derive(Deserialize, Default)]
struct Answer {
    thread: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

/// A raw payload is its author's, but what it is about belongs into its thread all the same, unless it names another.
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
            "" => cut(&in_place_of_text(message), limit, Unit::Utf16),
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
    let mut room = limit;
    for (at, field) in message.fields.iter().enumerate() {
        let line = cut(&format!("{}: {}", field.name, field.value), limit / 3, Unit::Utf16);
        let size = Unit::Utf16.count(&line) + 1;
        if size > room {
            lines.push(format!("and {} more", message.fields.len() - at));
            break;
        }
        room -= size;
        lines.push(line);
    }
    // Half a link leads nowhere, so one that is too long is left out.
    let link = message.link.as_deref().unwrap_or_default().trim();
    if !link.is_empty() && link.len() <= LONGEST_LINK {
        // Nothing has escaped a link, and a text obeys `<users/all>` within a link, too.
        lines.push(link.replace('<', "%3C").replace('>', "%3E"));
    }
    lines.join("\n")
}

fn in_place_of_text(message: &Message) -> Cow<'static, str> {
    let origin = &message.origin;
    // These come out of an event, and no wording has escaped them. Google refuses an empty text.
    let said = Markup::GoogleChat.escaped(format!("{} {}", origin.r#type, origin.subject).trim());
    if said.is_empty() { "(no text)".into() } else { said.into() }
}
