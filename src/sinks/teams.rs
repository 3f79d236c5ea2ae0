//! Microsoft Teams, by a workflow's webhook ("post to a channel when a webhook request is received").

use serde_json::{Value, json};

use super::chat_webhook::ChatWebhook;
use super::message_parts::{self as parts, FieldLimits};
use super::payload::to_body;
use super::sink::{SinkKind, SinkTraits};
use crate::config_reader::{Problem, TableReader};
use crate::message::{Markup, Message, Receipt, SendError, Severity, Signal};
use crate::outbound::Outbound;

/// Teams documents 28 KB, counted in its own way; the real limit was observed at 24 KB.
const LONGEST_BODY: usize = 20_000;
const LONGEST_TEXT: usize = 8000;
const LONGEST_TITLE: usize = 300;
/// Below this the text is not what makes a card too large.
const SHORTEST_TEXT: usize = 200;
const FACTS: FieldLimits = FieldLimits { count: 20, name: 100, value: 500, total: 2000 };

#[derive(Debug)]
pub struct Teams(ChatWebhook);

impl Teams {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let webhook = ChatWebhook::read(table)?;
        let is_connector = webhook.0.url().host_str().is_some_and(|host| host.ends_with("webhook.office.com"));
        if let (true, Some(place)) = (is_connector, table.item("webhook")) {
            let wrong = "this is an Office 365 connector, and Microsoft has retired those";
            let hint = "make a workflow in Teams: \"Post to a channel when a webhook request is received\"";
            table.reader.problem(Problem::warning(place.span.clone(), wrong).hint(hint));
        }
        Some(Self(webhook))
    }
}

impl SinkKind for Teams {
    async fn send(&self, net: &Outbound, message: &Message) -> Result<Receipt, SendError> {
        // 202 means that the workflow was started. Only its owner can see what happened to the card.
        self.0.post(net, body(message)?, |_| None).await.map(|_| Receipt::default())
    }

    fn traits(&self) -> SinkTraits {
        // https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors: four a second at most.
        self.0.traits(Markup::Teams, 3)
    }
}

fn body(message: &Message) -> Result<Vec<u8>, SendError> {
    if let Some(raw) = &message.raw {
        return to_body(raw);
    }
    let mut limit = LONGEST_TEXT;
    loop {
        let body = to_body(&payload(message, limit))?;
        if body.len() <= LONGEST_BODY || limit < SHORTEST_TEXT {
            return Ok(body);
        }
        limit /= 2;
    }
}

/// A workflow requires an Adaptive Card, for a plain message, too. Some refuse versions above 1.4.
fn payload(message: &Message, limit: usize) -> Value {
    let mut body = Vec::new();
    if let Some(title) = parts::title(message, LONGEST_TITLE) {
        body.push(json!({
            "type": "TextBlock", "text": title, "weight": "Bolder", "size": "Medium", "wrap": true, "style": "heading",
            "color": color(message),
        }));
    }
    let text = in_paragraphs(&parts::text(message, Markup::Teams, limit));
    let mut block = json!({ "type": "TextBlock", "text": text, "wrap": true });
    if body.is_empty() && color(message) != "Default" {
        block["color"] = color(message).into();
    }
    body.push(block);
    let facts = parts::fields(message, &FACTS).into_iter();
    let facts: Vec<_> = facts.map(|fact| json!({ "title": fact.name, "value": in_paragraphs(&fact.value) })).collect();
    if !facts.is_empty() {
        body.push(json!({ "type": "FactSet", "facts": facts }));
    }
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "msteams": { "width": "full" },
        "body": body,
    });
    if let Some(link) = parts::web_address(message) {
        card["actions"] = json!([{ "type": "Action.OpenUrl", "title": "Open", "url": link }]);
    }
    let content_type = "application/vnd.microsoft.card.adaptive";
    json!({
        "type": "message",
        "attachments": [{ "contentType": content_type, "contentUrl": null, "content": card }],
    })
}

/// A card joins lines unless there is an empty one between them.
fn in_paragraphs(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines.join("\n\n")
}

fn color(message: &Message) -> &'static str {
    match (message.signal, message.severity) {
        (Some(Signal::Resolve), _) => "Good",
        (_, Severity::Info) => "Default",
        (_, Severity::Warning) => "Warning",
        (_, Severity::Error | Severity::Critical) => "Attention",
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::{message, read, send, verdict};
    use super::*;
    use crate::config_reader::ConfigReader;
    use crate::message::Field;
    use crate::test_support::scripted_server::reply;

    const PATH: &str = "/workflows/7a/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun\
        &sv=1.0&sig=s3cr3t-S_ig%2B";

    async fn card(message: &Message) -> Value {
        let toml = format!("webhook = \"@{PATH}\"");
        let (seen, result) = send("teams", &toml, message, reply(202, "", "")).await;
        assert_eq!(verdict(&result), "delivered");
        assert_eq!(seen.target(), PATH, "encoded again, the signature would be invalid");
        let body = seen.json();
        assert_eq!(body["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
        body["attachments"][0]["content"].clone()
    }

    #[tokio::test]
    async fn a_plain_message_is_a_card_of_one_block() {
        assert_eq!(
            card(&message("It is **up**.\nAt last.\n")).await,
            json!({
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.2",
                "msteams": { "width": "full" },
                "body": [{ "type": "TextBlock", "text": "It is **up**.\n\nAt last.", "wrap": true }],
            })
        );
    }

    #[tokio::test]
    async fn every_part_has_its_place_on_a_card() {
        let mut full = message("It was stopped.");
        full.title = Some("Stack web".to_owned());
        full.link = Some("https://x.example/".to_owned());
        full.severity = Severity::Error;
        full.fields = vec![Field { name: "State".to_owned(), value: "Stopped".to_owned(), short: true }];
        let card = card(&full).await;
        assert_eq!(
            card["body"],
            json!([
                {
                    "type": "TextBlock", "text": "Stack web", "weight": "Bolder", "size": "Medium", "wrap": true,
                    "style": "heading", "color": "Attention",
                },
                { "type": "TextBlock", "text": "It was stopped.", "wrap": true },
                { "type": "FactSet", "facts": [{ "title": "State", "value": "Stopped" }] },
            ])
        );
        assert_eq!(
            card["actions"],
            json!([{ "type": "Action.OpenUrl", "title": "Open", "url": "https://x.example/" }])
        );
        full.title = None;
        assert_eq!(self::card(&full).await["body"][0]["color"], "Attention");
    }

    #[test]
    fn a_retired_connector_is_a_warning() {
        let problems = |url: &str| {
            let toml = format!("webhook = \"{url}\"");
            let reading = ConfigReader::new(&toml, &|_| None);
            let tree = reading.tree();
            assert!(Teams::read(&TableReader::new(&reading, "sink.teams", &tree)).is_some());
            let problems = reading.into_findings().problems;
            problems
                .into_iter()
                .filter(|problem| problem.message.contains("retired"))
                .map(|problem| problem.is_error)
                .collect::<Vec<_>>()
        };
        let none: Vec<bool> = Vec::new();
        assert_eq!(problems("https://acme.webhook.office.com/webhookb2/s3cr3t"), [false]);
        assert_eq!(problems("https://prod-1.westeurope.logic.azure.com:443/workflows/s3cr3t"), none);
        assert_eq!(read("teams", "").1, ["`webhook` is missing here"]);
    }
}
