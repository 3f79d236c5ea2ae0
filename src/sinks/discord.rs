//! Discord, by webhook.

use serde_json::{Value, json};

use super::chat_webhook::ChatWebhook;
use super::message_parts::{self as parts, FieldLimits};
use super::payload::to_body;
use super::sink::{SinkKind, SinkTraits};
use crate::config_reader::TableReader;
use crate::message::{Markup, Message, Receipt, SendError};
use crate::outbound::Outbound;

/// <https://discord.com/developers/docs/resources/webhook#execute-webhook>
const LONGEST_CONTENT: usize = 2000;
const LONGEST_TITLE: usize = 256;
/// Discord takes 4,096, but no more than 6,000 in the whole embed.
const LONGEST_TEXT: usize = 3500;
const FIELDS: FieldLimits = FieldLimits { count: 25, name: 256, value: 1024, total: 2000 };

#[derive(Debug)]
pub struct Discord(ChatWebhook);

impl Discord {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let ChatWebhook(url) = ChatWebhook::read(table)?;
        // Without it Discord replies before it has saved the message, and never reports that it could not.
        Some(Self(ChatWebhook(url.with_query("wait", "true"))))
    }
}

impl SinkKind for Discord {
    async fn send(&self, net: &Outbound, message: &Message) -> Result<Receipt, SendError> {
        let payload = message.raw.clone().unwrap_or_else(|| payload(message));
        let reply = self.0.post(net, to_body(&without_mentions(payload))?, |_| None).await?;
        let posted: Value = reply.json().unwrap_or_default();
        Ok(Receipt(posted["id"].as_str().map(str::to_owned)))
    }

    fn traits(&self) -> SinkTraits {
        // Discord documents no number and refers to its replies; five in two seconds is what people observe.
        self.0.traits(Markup::Discord, 3)
    }
}

/// A plain message is a text; any other is one embed, the only form with a coloured bar.
fn payload(message: &Message) -> Value {
    if message.is_plain() {
        return json!({ "content": parts::text(message, Markup::Discord, LONGEST_CONTENT) });
    }
    let title = parts::title(message, LONGEST_TITLE);
    let text = parts::text_with_link(message, Markup::Discord, LONGEST_TEXT, title.is_some());
    let mut embed = json!({ "description": text, "color": color(message) });
    if let Some(title) = title {
        embed["title"] = title.into();
        embed["url"] = parts::web_address(message).into();
    }
    let fields = parts::fields(message, &FIELDS).into_iter();
    let fields = fields.map(|field| json!({ "name": field.name, "value": field.value, "inline": field.short }));
    embed["fields"] = fields.collect();
    json!({ "embeds": [embed] })
}

/// Discord's colours are numbers.
fn color(message: &Message) -> u32 {
    let digits = parts::hex_color(message).trim_start_matches('#');
    u32::from_str_radix(digits, 16).unwrap_or_default()
}

/// Nothing in an event mentions people, nor does a raw payload unless it permits it.
fn without_mentions(mut payload: Value) -> Value {
    if let Value::Object(members) = &mut payload {
        members.entry("allowed_mentions").or_insert_with(|| json!({ "parse": [] }));
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::super::harness::{message, read, send, verdict};
    use super::*;
    use crate::message::{Field, Severity};
    use crate::test_support::scripted_server::reply;

    const TOML: &str = "webhook = \"@/api/webhooks/1/s3cr3t-t0ken?thread_id=7\"";

    async fn sent(message: &Message) -> Value {
        let (seen, result) = send("discord", TOML, message, reply(200, "", r#"{"id":"99"}"#)).await;
        assert_eq!(verdict(&result), "delivered as 99");
        assert_eq!(seen.target(), "/api/webhooks/1/s3cr3t-t0ken?thread_id=7&wait=true");
        seen.json()
    }

    #[tokio::test]
    async fn a_plain_message_is_a_text_without_mentions() {
        assert_eq!(
            sent(&message("It is **up**.")).await,
            json!({
                "content": "It is **up**.",
                "allowed_mentions": { "parse": [] },
            })
        );
    }

    #[tokio::test]
    async fn any_other_message_is_one_embed() {
        let mut full = message("It was stopped.");
        full.title = Some("Stack web".to_owned());
        full.link = Some("https://x.example/?a=1".to_owned());
        full.severity = Severity::Error;
        full.fields = vec![Field { name: "State".to_owned(), value: "Stopped".to_owned(), short: true }];
        assert_eq!(
            sent(&full).await["embeds"],
            json!([{
                "title": "Stack web",
                "url": "https://x.example/?a=1",
                "description": "It was stopped.",
                "color": 0x00a3_0200,
                "fields": [{ "name": "State", "value": "Stopped", "inline": true }],
            }])
        );
        full.title = None;
        assert_eq!(sent(&full).await["embeds"][0]["description"], "It was stopped.\n<https://x.example/?a=1>");
    }

    #[tokio::test]
    async fn a_raw_payload_may_permit_mentions() {
        let mut raw = message("x");
        raw.raw = Some(json!({ "content": "@here", "allowed_mentions": { "parse": ["everyone"] } }));
        assert_eq!(Some(sent(&raw).await), raw.raw);
    }

    #[tokio::test]
    async fn the_wait_is_in_the_header_or_the_body() {
        let body = r#"{"message":"You are being rate limited.","retry_after":64.5,"global":false}"#;
        for (headers, body, expected) in [
            ("Retry-After: 65\r\n", body, "later in 65s, all: rate_limited"),
            ("", body, "later in 64.5s, all: rate_limited"),
            ("", r#"{"retry_after":-1.0}"#, "later, all: rate_limited"),
            ("", r#"{"retry_after":1e300}"#, "later in 3600s, all: rate_limited"),
        ] {
            let (_, result) = send("discord", TOML, &message("x"), reply(429, headers, body)).await;
            assert_eq!(verdict(&result), expected);
        }
    }

    #[test]
    fn a_webhook_is_required() {
        assert_eq!(read("discord", "").1, ["`webhook` is missing here"]);
    }
}
