//! Mattermost, by incoming webhook.

use serde_json::{Value, json};

use super::chat_webhook::ChatWebhook;
use super::message_parts::{self as parts, FieldLimits};
use super::payload::to_body;
use super::sink::{SinkKind, SinkTraits};
use crate::config_reader::TableReader;
use crate::message::{Markup, Message, Receipt, SendError, Unit, cut};
use crate::outbound::{FailureClass, Outbound, Reply};

/// <https://developers.mattermost.com/integrate/webhooks/incoming/>: 16,383. A longer one is split into several posts.
const LONGEST_TEXT: usize = 16_000;
const LONGEST_TITLE: usize = 300;
/// Older servers store no more than 8,000 characters besides the text.
const LONGEST_ATTACHMENT: usize = 3000;
const LONGEST_FALLBACK: usize = 300;
const FIELDS: FieldLimits = FieldLimits { count: 20, name: 200, value: 1000, total: 1500 };

#[derive(Debug)]
pub struct Mattermost {
    webhook: ChatWebhook,
    channel: Option<String>,
}

impl Mattermost {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let channel = table.text("channel").map(|channel| channel.value);
        Some(Self { webhook: ChatWebhook::read(table)?, channel })
    }

    fn payload(&self, message: &Message) -> Value {
        let mut payload = message.raw.clone().unwrap_or_else(|| payload(message));
        if let (Value::Object(members), Some(channel)) = (&mut payload, &self.channel) {
            members.entry("channel").or_insert_with(|| channel.as_str().into());
        }
        payload
    }
}

impl SinkKind for Mattermost {
    async fn send(&self, net: &Outbound, message: &Message) -> Result<Receipt, SendError> {
        let body = to_body(&self.payload(message))?;
        self.webhook.post(net, body, exceptions).await.map(|_| Receipt::default())
    }

    fn traits(&self) -> SinkTraits {
        // A server with a limit accepts ten a second from one client, more than people can read.
        self.webhook.traits(Markup::Mattermost, 5)
    }
}

/// A success has the body `ok`. Any other page with a 200 comes from a proxy or a login, and nothing was posted.
fn exceptions(reply: &Reply) -> Option<FailureClass> {
    let is_ok = reply.body.trim_ascii() == b"ok";
    (reply.is_success() && !is_ok).then_some(FailureClass::Later { lane: false })
}

/// A plain message is a text; any other is one attachment, the only form with a coloured bar.
fn payload(message: &Message) -> Value {
    if message.is_plain() {
        return json!({ "text": parts::text(message, Markup::Mattermost, LONGEST_TEXT) });
    }
    let title = parts::title(message, LONGEST_TITLE);
    let text = parts::text_with_link(message, Markup::Mattermost, LONGEST_ATTACHMENT, title.is_some());
    let fallback = title.as_deref().unwrap_or(&text);
    let mut attachment = json!({
        "fallback": cut(fallback, LONGEST_FALLBACK, Unit::Utf16),
        "color": parts::hex_color(message),
        "text": text,
    });
    if let Some(title) = title {
        attachment["title"] = title.into();
        if let Some(link) = parts::web_address(message) {
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
    use super::super::harness::{message, read, send, verdict};
    use super::*;
    use crate::message::{Field, Signal};
    use crate::test_support::scripted_server::reply;

    const TOML: &str = "webhook = \"@/hooks/s3cr3t-k3y\"";

    async fn sent(toml: &str, message: &Message) -> Value {
        let (seen, result) = send("mattermost", toml, message, reply(200, "", "ok")).await;
        assert_eq!(verdict(&result), "delivered");
        assert_eq!(seen.target(), "/hooks/s3cr3t-k3y");
        seen.json()
    }

    #[tokio::test]
    async fn a_plain_message_is_exactly_a_text() {
        assert_eq!(sent(TOML, &message("It is **up**.")).await, json!({ "text": "It is **up**." }));
    }

    #[tokio::test]
    async fn any_other_message_is_one_attachment() {
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
    async fn the_channel_may_be_set() {
        let toml = format!("{TOML}\nchannel = \"town-square\"");
        assert_eq!(sent(&toml, &message("x")).await, json!({ "text": "x", "channel": "town-square" }));
        let mut raw = message("x");
        raw.raw = Some(json!({ "text": "y", "channel": "elsewhere" }));
        assert_eq!(Some(sent(&toml, &raw).await), raw.raw);
    }

    #[tokio::test]
    async fn errors_have_the_verdict_of_their_status() {
        let body = r#"{"id":"web.incoming_webhook.invalid.app_error","message":"Invalid webhook","status_code":400}"#;
        for (status, expected) in [(400, "never, message: status_400"), (404, "never, destination: status_404")] {
            let (_, result) = send("mattermost", TOML, &message("x"), reply(status, "", body)).await;
            assert_eq!(verdict(&result), expected);
        }
    }

    #[test]
    fn a_webhook_is_required() {
        assert_eq!(read("mattermost", "").1, ["`webhook` is missing here"]);
    }
}
