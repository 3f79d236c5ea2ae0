//! Mattermost, by incoming webhook. The URL is the credential and the channel.

use std::time::Duration;

use serde_json::{Value, json};

use super::parts::{self, Room};
use super::{Audience, Sink, SinkTraits, to_body};
use crate::config_reader::{Rate, TableReader};
use crate::message::{Markup, Message, Receipt, SendError, Unit, cut};
use crate::outbound::{FailureClass, Outbound, Reply, Request, SecretUrl};

/// <https://developers.mattermost.com/integrate/webhooks/incoming/>: 16,383; what is longer is split into several posts.
const LONGEST_TEXT: usize = 16_000;
const LONGEST_TITLE: usize = 300;
/// Older servers keep no more than 8,000 characters of everything that is not the text.
const LONGEST_ATTACHMENT: usize = 3000;
const LONGEST_FALLBACK: usize = 300;
const FIELDS: Room = Room { most: 20, name: 200, value: 1000, together: 1500 };

#[derive(Debug)]
pub struct Config {
    webhook: SecretUrl,
    channel: Option<String>,
}

impl Config {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let channel = table.text("channel").map(|said| said.value);
        let webhook = SecretUrl::read_secret(table, "webhook", "Please provide the URL of an incoming webhook")?.value;
        Some(Self { webhook, channel })
    }
}

#[derive(Debug)]
pub struct Mattermost {
    config: Config,
    net: Outbound,
}

impl Mattermost {
    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        Self { config, net: net.clone() }
    }

    fn payload(&self, message: &Message) -> Value {
        let mut payload = message.raw.clone().unwrap_or_else(|| worded(message));
        if let (Value::Object(members), Some(channel)) = (&mut payload, &self.config.channel) {
            members.entry("channel").or_insert_with(|| channel.as_str().into());
        }
        payload
    }
}

impl Sink for Mattermost {
    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let body = to_body(&self.payload(message))?;
        let reply = self.net.deliver(Request::post(&self.config.webhook, body)).await?;
        reply.verdict(exceptions).map(|()| Receipt::default())
    }

    fn traits(&self) -> SinkTraits {
        SinkTraits {
            markup: Markup::Mattermost,
            // The server takes ten a second from anyone, where it limits at all; people do not read that fast.
            rate: Some(Rate { times: 1, per: Duration::from_secs(1) }),
            burst: 5,
            audience: Audience::Chat,
            ..SinkTraits::plain(self.config.webhook.destination())
        }
    }
}

/// Success is the word `ok`. Any other page with a 200 is a proxy's or a login's, so nothing was posted.
fn exceptions(reply: &Reply) -> Option<FailureClass> {
    let said_ok = reply.body.trim_ascii() == b"ok";
    (reply.is_success() && !said_ok).then_some(FailureClass::Later { lane: false })
}

/// A text alone is nothing but a text; anything more is one attachment, the only form with a bar of colour.
fn worded(message: &Message) -> Value {
    if message.is_plain() {
        return json!({ "text": parts::text(message, Markup::Mattermost, LONGEST_TEXT) });
    }
    let title = parts::title(message, LONGEST_TITLE);
    let link = parts::web_address(message);
    let mut text = parts::text(message, Markup::Mattermost, LONGEST_ATTACHMENT);
    if let (None, Some(link)) = (&title, &link) {
        text = cut(&text, LONGEST_ATTACHMENT - link.len() - "\n<>".len(), Unit::Utf16);
        text = format!("{text}\n<{link}>");
    }
    let fallback = title.as_deref().unwrap_or(&text);
    let mut attachment = json!({
        "fallback": cut(fallback, LONGEST_FALLBACK, Unit::Utf16),
        "color": parts::hex_color(message),
        "text": text,
    });
    if let Some(title) = title {
        attachment["title"] = title.into();
        if let Some(link) = link {
            attachment["title_link"] = link.into();
        }
    }
    let fields = parts::fields(message, &FIELDS).into_iter();
    let fields: Vec<_> =
        fields.map(|field| json!({ "title": field.name, "value": field.value, "short": field.short })).collect();
    if !fields.is_empty() {
        attachment["fields"] = fields.into();
    }
    json!({ "attachments": [attachment] })
}

#[cfg(test)]
mod tests {
    use super::super::harness::{message, read, send, told};
    use super::*;
    use crate::message::{Field, Signal};
    use crate::test_support::scripted_server::reply;

    const TOML: &str = "webhook = \"@/hooks/s3cr3t-k3y\"";

    async fn sent(toml: &str, message: &Message) -> Value {
        let (seen, result) = send("mattermost", toml, message, reply(200, "", "ok")).await;
        assert_eq!(told(&result), "delivered");
        assert_eq!(seen.target(), "/hooks/s3cr3t-k3y");
        seen.json()
    }

    #[tokio::test]
    async fn a_text_alone_is_exactly_a_text() {
        assert_eq!(sent(TOML, &message("It is **up**.")).await, json!({ "text": "It is **up**." }));
    }

    #[tokio::test]
    async fn more_than_a_text_is_one_attachment() {
        let mut full = message("It runs.");
        full.title = Some("Stack web".to_owned());
        full.link = Some("https://x.example/".to_owned());
        full.signal = Some(Signal::Resolve);
        full.fields = vec![Field { name: "State".to_owned(), value: "Running".to_owned(), short: true }];
        assert_eq!(
            sent(TOML, &full).await["attachments"],
            json!([{
                "fallback": "Stack web",
                "color": "#2eb886",
                "title": "Stack web",
                "title_link": "https://x.example/",
                "text": "It runs.",
                "fields": [{ "title": "State", "value": "Running", "short": true }],
            }])
        );
        full.title = None;
        assert_eq!(sent(TOML, &full).await["attachments"][0]["text"], "It runs.\n<https://x.example/>");
    }

    #[tokio::test]
    async fn another_channel_may_be_named() {
        let toml = format!("{TOML}\nchannel = \"town-square\"");
        assert_eq!(sent(&toml, &message("x")).await, json!({ "text": "x", "channel": "town-square" }));
        let mut raw = message("x");
        raw.raw = Some(json!({ "text": "y", "channel": "elsewhere" }));
        assert_eq!(Some(sent(&toml, &raw).await), raw.raw);
    }

    #[tokio::test]
    async fn its_errors_are_judged_by_their_status() {
        let body = r#"{"id":"web.incoming_webhook.invalid.app_error","message":"Invalid webhook","status_code":400}"#;
        for (status, expected) in [(400, "never, message: status_400"), (404, "never, destination: status_404")] {
            let (_, result) = send("mattermost", TOML, &message("x"), reply(status, "", body)).await;
            assert_eq!(told(&result), expected);
        }
    }

    #[test]
    fn a_webhook_must_be_there() {
        assert_eq!(read("mattermost", "").1, ["`webhook` is missing here"]);
    }
}
