//! Discord, by webhook. The URL's end is the credential.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::parts::{self, Room};
use super::{Audience, Sink, SinkTraits, to_body};
use crate::config_reader::{Rate, TableReader};
use crate::message::{Markup, Message, Receipt, SendError, Unit, cut};
use crate::outbound::{Outbound, Reply, Request, SecretUrl};

/// <https://discord.com/developers/docs/resources/webhook#execute-webhook>
const LONGEST_CONTENT: usize = 2000;
const LONGEST_TITLE: usize = 256;
/// 4,096 are taken, but no more than 6,000 in the whole embed.
const LONGEST_TEXT: usize = 3500;
const FIELDS: Room = Room { most: 25, name: 256, value: 1024, together: 2000 };

#[derive(Debug)]
pub struct Config {
    webhook: SecretUrl,
}

impl Config {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        Some(Self {
            webhook: SecretUrl::read_secret(table, "webhook", "Please provide the URL of an incoming webhook")?.value,
        })
    }
}

#[derive(Debug)]
pub struct Discord {
    webhook: SecretUrl,
    net: Outbound,
}

impl Discord {
    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        // Without it Discord answers before it has saved the message, and never says that it could not.
        Self { webhook: config.webhook.with_query("wait", "true"), net: net.clone() }
    }
}

impl Sink for Discord {
    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let payload = message.raw.clone().unwrap_or_else(|| payload(message));
        let body = to_body(&without_mentions(payload))?;
        let reply = self.net.deliver(Request::post(&self.webhook, body)).await?;
        reply.verdict(|_| None).map_err(|error| with_wish_of_body(error, &reply))?;
        Ok(Receipt(answer(&reply).id))
    }

    fn traits(&self) -> SinkTraits {
        SinkTraits {
            markup: Markup::Discord,
            // Discord says to read the limit from its answers; five in two seconds is what people meet.
            rate: Some(Rate { times: 1, per: Duration::from_secs(1) }),
            burst: 3,
            audience: Audience::Chat,
            ..SinkTraits::plain(self.webhook.destination())
        }
    }
}

/// What was posted, or why not.
#[derive(Deserialize, Default)]
struct Answer {
    id: Option<String>,
    retry_after: Option<f64>,
}

fn answer(reply: &Reply) -> Answer {
    serde_json::from_slice(&reply.body).unwrap_or_default()
}

/// The body's `retry_after` is there also where a proxy stripped the header.
fn with_wish_of_body(error: SendError, reply: &Reply) -> SendError {
    match error {
        SendError::Later { wait: None, lane, maybe, cause } => {
            let seconds = answer(reply).retry_after.filter(|seconds| *seconds > 0.0);
            let wait = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.min(3600.0)).ok());
            SendError::Later { wait, lane, maybe, cause }
        }
        other => other,
    }
}

/// A text alone is nothing but a text; anything more is one embed, the only form with a bar of colour.
fn payload(message: &Message) -> Value {
    if message.is_plain() {
        return json!({ "content": parts::text(message, Markup::Discord, LONGEST_CONTENT) });
    }
    let title = parts::title(message, LONGEST_TITLE);
    let link = parts::web_address(message);
    let mut text = parts::text(message, Markup::Discord, LONGEST_TEXT);
    if let (None, Some(link)) = (&title, &link) {
        // An embed's address hangs on its title.
        text = cut(&text, LONGEST_TEXT - link.len() - "\n<>".len(), Unit::Utf16);
        text = format!("{text}\n<{link}>");
    }
    let mut embed = json!({ "description": text, "color": color(message) });
    if let Some(title) = title {
        embed["title"] = title.into();
        embed["url"] = link.into();
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

/// Nobody is called by what an event says, nor by a raw payload that does not say otherwise.
fn without_mentions(mut payload: Value) -> Value {
    if let Value::Object(members) = &mut payload {
        members.entry("allowed_mentions").or_insert_with(|| json!({ "parse": [] }));
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::super::harness::{message, read, send, told};
    use super::*;
    use crate::message::{Field, Severity};
    use crate::test_support::scripted_server::reply;

    const TOML: &str = "webhook = \"@/api/webhooks/1/s3cr3t-t0ken?thread_id=7\"";

    async fn sent(message: &Message) -> Value {
        let (seen, result) = send("discord", TOML, message, reply(200, "", r#"{"id":"99"}"#)).await;
        assert_eq!(told(&result), "delivered as 99");
        assert_eq!(seen.target(), "/api/webhooks/1/s3cr3t-t0ken?thread_id=7&wait=true");
        seen.json()
    }

    #[tokio::test]
    async fn a_text_alone_is_a_text_and_calls_nobody() {
        assert_eq!(
            sent(&message("It is **up**.")).await,
            json!({
                "content": "It is **up**.",
                "allowed_mentions": { "parse": [] },
            })
        );
    }

    #[tokio::test]
    async fn more_than_a_text_is_one_embed() {
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
    async fn a_raw_payload_may_call_if_it_says_so() {
        let mut raw = message("x");
        raw.raw = Some(json!({ "content": "@here", "allowed_mentions": { "parse": ["everyone"] } }));
        assert_eq!(Some(sent(&raw).await), raw.raw);
    }

    #[tokio::test]
    async fn a_limit_is_obeyed_from_the_header_or_the_body() {
        let body = r#"{"message":"You are being rate limited.","retry_after":64.5,"global":false}"#;
        for (headers, body, expected) in [
            ("Retry-After: 65\r\n", body, "later in 65s, all: rate_limited"),
            ("", body, "later in 64.5s, all: rate_limited"),
            ("", r#"{"retry_after":-1.0}"#, "later, all: rate_limited"),
            ("", r#"{"retry_after":1e300}"#, "later in 3600s, all: rate_limited"),
        ] {
            let (_, result) = send("discord", TOML, &message("x"), reply(429, headers, body)).await;
            assert_eq!(told(&result), expected);
        }
    }

    #[test]
    fn a_webhook_must_be_there() {
        assert_eq!(read("discord", "").1, ["`webhook` is missing here"]);
    }
}
