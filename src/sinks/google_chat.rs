//! Google Chat, by incoming webhook. The path of its URL names the space, the query is the credential.

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::chat_webhook::ChatWebhook;
use super::message_parts as parts;
use super::payload::{fitting_key, to_body};
use super::sink::{SinkKind, SinkTraits};
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
pub struct GoogleChat {
    webhook: ChatWebhook,
    thread: bool,
}

impl GoogleChat {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let thread = table.flag("thread").unwrap_or(true);
        let ChatWebhook(url) = ChatWebhook::read(table)?;
        // https://developers.google.com/workspace/chat/quickstart/webhooks: without it `threadKey` is ignored.
        let threaded = |url: SecretUrl| url.with_query("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
        Some(Self { webhook: ChatWebhook(if thread { threaded(url) } else { url }), thread })
    }

    fn body(&self, message: &Message) -> Result<Vec<u8>, SendError> {
        if let Some(raw) = &message.raw {
            return to_body(&self.in_thread(raw.clone(), message));
        }
        let mut limit = LONGEST_TEXT;
        loop {
            let body = to_body(&self.in_thread(json!({ "text": compose(message, limit) }), message))?;
            // Too long only with characters that JSON writes as `\u0001`.
            if body.len() <= LONGEST_BODY || limit < LONGEST_FIELDS {
                return Ok(body);
            }
            limit /= 2;
        }
    }

    /// A payload goes into the thread of its message's key, unless it names another.
    fn in_thread(&self, mut payload: Value, message: &Message) -> Value {
        let key = fitting_key(&message.key, LONGEST_KEY);
        if let Value::Object(members) = &mut payload
            && self.thread
            && !key.is_empty()
        {
            members.entry("thread").or_insert_with(|| json!({ "threadKey": key }));
        }
        payload
    }
}

impl SinkKind for GoogleChat {
    async fn send(&self, net: &Outbound, message: &Message) -> Result<Receipt, SendError> {
        // Errors are `google.rpc.Status`, whose codes are the HTTP statuses; a 429 has no Retry-After.
        let reply = self.webhook.post(net, self.body(message)?, |_| None).await?;
        // The status alone decides about success, so an unreadable body is no failure.
        let posted: Value = reply.json().unwrap_or_default();
        Ok(Receipt(posted["thread"]["name"].as_str().map(str::to_owned)))
    }

    fn traits(&self) -> SinkTraits {
        // https://developers.google.com/workspace/chat/limits: one a second for all webhooks of a space.
        self.webhook.traits(Markup::GoogleChat, 1)
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
