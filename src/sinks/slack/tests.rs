//! The webhook and the payload; `bot` and `threads` have the rest.

mod bot;
mod threads;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::harness::{message, read, send, sink, verdict as verdict_line};
use super::super::sink::Audience;
use super::payload::{LONGEST_TEXT, color};
use super::*;
use crate::config_reader::Rate;
use crate::message::{Field as Given, Markup, Severity, Signal, Unit};
use crate::sinks::Sink;
use crate::test_support::scripted_server::{ScriptedServer, Step, reply};

const TOML: &str = "webhook = \"@/services/T0/B0/s3cr3t-hook\"";

async fn sent(message: &Message) -> Value {
    let (seen, result) = send("slack", TOML, message, reply(200, "", "ok")).await;
    assert_eq!(verdict_line(&result), "delivered");
    assert_eq!(seen.target(), "/services/T0/B0/s3cr3t-hook");
    seen.json()
}

async fn verdict(status: u16, headers: &str, body: &str) -> String {
    let (_, result) = send("slack", TOML, &message("x"), reply(status, headers, body)).await;
    verdict_line(&result)
}

#[tokio::test]
async fn a_plain_message_is_exactly_a_text() {
    let text = "Your container was created on Tutum!\nCheck /api/v1/container/df3eb045/ to see more details.";
    let (seen, _) = send("slack", TOML, &message(text), reply(200, "", "ok")).await;
    assert_eq!(
        seen.body,
        r#"{"text":"Your container was created on Tutum!\nCheck /api/v1/container/df3eb045/ to see more details."}"#
    );
}

#[tokio::test]
async fn rendered_text_is_not_escaped_again() {
    let text = "&lt;!channel&gt; &amp; <https://x.example|a link> \u{1}\u{fffd}";
    assert_eq!(sent(&message(text)).await, json!({ "text": text }));
}

#[tokio::test]
async fn any_other_message_is_one_attachment() {
    let mut full = message("It was *stopped*.");
    full.title = Some("Stack web".to_owned());
    full.link = Some("https://x.example/?a=1&amp;b=2".to_owned());
    full.severity = Severity::Error;
    full.fields = vec![Given { name: "State".to_owned(), value: "Stopped".to_owned(), short: true }];
    let body = serde_json::to_string_pretty(&sent(&full).await).expect("JSON");
    insta::assert_snapshot!(body, @r##"
    {
      "attachments": [
        {
          "color": "danger",
          "fallback": "Stack web: It was *stopped*.",
          "fields": [
            {
              "short": true,
              "title": "State",
              "value": "Stopped"
            }
          ],
          "mrkdwn_in": [
            "text",
            "fields"
          ],
          "text": "It was *stopped*.",
          "title": "Stack web",
          "title_link": "https://x.example/?a=1&b=2"
        }
      ]
    }
    "##);
}

#[tokio::test]
async fn a_link_without_a_title_is_below_the_text() {
    let mut linked = message("look");
    linked.link = Some("https://x.example/a|b>c".to_owned());
    assert_eq!(sent(&linked).await["attachments"][0]["text"], "look\n<https://x.example/a%7Cb%3Ec>");
}

#[test]
fn the_colour_is_the_messages_own_then_by_signal_then_by_severity() {
    let mut colored = message("x");
    colored.severity = Severity::Critical;
    assert_eq!(color(&colored), "#8b0000");
    colored.signal = Some(Signal::Resolve);
    assert_eq!(color(&colored), "good");
    colored.color = Some("#123456".to_owned());
    assert_eq!(color(&colored), "#123456");
}

#[tokio::test]
async fn an_empty_text_is_replaced() {
    assert_eq!(sent(&message("")).await, json!({ "text": "You received a message from Tutum Stream!" }));
    for empty in ["", " \n\t"] {
        let mut other = message(empty);
        Arc::make_mut(&mut other.origin.event).kind = "websocket".into();
        assert_eq!(sent(&other).await, json!({ "text": "container.create /api/v1/container/&lt;7a&gt;/" }));
    }
    let mut nothing = message("");
    Arc::make_mut(&mut nothing.origin.event).subject = "".into();
    Arc::make_mut(&mut nothing.origin.event).r#type = "".into();
    assert_eq!(sent(&nothing).await, json!({ "text": "You received a message from Tutum Stream!" }));
}

#[tokio::test]
async fn a_raw_payload_is_sent_as_it_is() {
    let mut raw = message("ignored");
    raw.raw = Some(json!({ "blocks": [{ "type": "divider" }] }));
    assert_eq!(sent(&raw).await, json!({ "blocks": [{ "type": "divider" }] }));
}

#[tokio::test]
async fn long_texts_are_cut_between_characters() {
    for (text, end) in [("👩\u{200d}💻é", '…'), ("e\u{301}", '…'), ("&amp;", '…'), ("x", '…')] {
        let text: String = text.chars().cycle().take(10_000).collect();
        let body = sent(&message(&text)).await;
        let short = body["text"].as_str().expect("a text");
        assert!(Unit::Utf16.count(short) <= LONGEST_TEXT && Unit::Utf16.count(short) > LONGEST_TEXT - 10);
        assert!(short.ends_with(end) && text.starts_with(short.trim_end_matches('…')));
    }
}

#[tokio::test]
async fn an_attachment_is_cut_part_by_part() {
    let mut full = message(&"🎉".repeat(10_000));
    full.title = Some("é".repeat(10_000));
    full.fields = vec![Given { name: "n".repeat(1000), value: "v".repeat(10_000), short: false }; 30];
    let body = sent(&full).await;
    let attachment = &body["attachments"][0];
    let length = |value: &Value| Unit::Utf16.count(value.as_str().expect("a text"));
    assert!(length(&attachment["text"]) <= 4000 && length(&attachment["fallback"]) <= 4000);
    assert_eq!(length(&attachment["title"]), 300);
    let fields = attachment["fields"].as_array().expect("fields");
    assert_eq!((fields.len(), length(&fields[0]["title"]), length(&fields[0]["value"])), (21, 300, 2000));
    assert_eq!(fields[20]["value"], "and 10 more");
}

#[tokio::test]
async fn slacks_replies_have_their_verdicts() {
    for (status, body, expected) in [
        (200, "ok", "delivered"),
        (200, "ok\n", "delivered"),
        (200, r#"{"ok":true}"#, "delivered"),
        (400, "invalid_payload", "never, message: status_400"),
        (400, "no_text", "never, message: status_400"),
        (400, "user_not_found", "never, message: status_400"),
        (400, "too_many_attachments", "never, message: status_400"),
        (400, "invalid_blocks", "never, message: status_400"),
        (400, "invalid_blocks_format", "never, message: status_400"),
        (400, "invalid_attachments", "never, message: status_400"),
        (403, "action_prohibited", "never, destination: status_403"),
        (403, "invalid_token", "never, destination: status_403"),
        (403, "posting_to_general_channel_denied", "never, destination: status_403"),
        (404, "channel_not_found", "never, destination: status_404"),
        (404, "no_service", "never, destination: status_404"),
        (404, "no_service_id", "never, destination: status_404"),
        (404, "no_active_hooks", "never, destination: status_404"),
        (404, "no_team", "never, destination: status_404"),
        (404, "team_disabled", "never, destination: status_404"),
        (410, "channel_is_archived", "never, destination: status_410"),
        (500, "rollup_error", "later: status_500"),
        (500, "what?", "later: status_500"),
        (503, "", "later, all: status_503"),
        // The error code counts more than the status.
        (400, "no_service", "never, destination: status_400"),
        (403, "too_many_attachments", "never, message: status_403"),
        (200, "invalid_blocks", "never, message: failed_with_2xx"),
        (200, "no_service", "never, destination: failed_with_2xx"),
        (200, r#"{"ok":false,"error":"ratelimited"}"#, "later, all: failed_with_2xx"),
        (200, r#"{"ok":false,"error":"unheard_of"}"#, "later: failed_with_2xx"),
        (200, "", "later: failed_with_2xx"),
        (200, "<html>Please log in</html>", "later: failed_with_2xx"),
        (302, "", "never, destination: redirect"),
    ] {
        assert_eq!(verdict(status, "", body).await, expected, "{status} {body}");
    }
}

#[tokio::test]
async fn the_wait_is_in_the_header_or_the_body() {
    let body = r#"{"retry_after":1,"ok":false,"error":"rate_limited"}"#;
    assert_eq!(verdict(429, "Retry-After: 30\r\n", body).await, "later in 30s, all: rate_limited");
    assert_eq!(verdict(429, "", body).await, "later in 1s, all: rate_limited");
    assert_eq!(verdict(429, "", "").await, "later, all: rate_limited");
    assert_eq!(verdict(429, "", &body.replace('1', "0")).await, "later, all: rate_limited");
}

#[tokio::test]
async fn a_reply_that_repeats_the_webhook_is_redacted() {
    let (_, result) = send("slack", TOML, &message("x"), reply(404, "", "no hook s3cr3t-hook here")).await;
    let cause = result.expect_err("refused").cause().to_string();
    assert_eq!(cause, "status 404: no hook … here");
}

#[tokio::test]
async fn a_broken_connection_is_later() {
    let (_, result) = send("slack", TOML, &message("x"), Step::Reset).await;
    assert_eq!(verdict_line(&result), "later: reset");
}

#[tokio::test]
async fn its_traits_are_slacks() {
    let server = ScriptedServer::start([]).await;
    let traits = sink("slack", TOML, &server).traits();
    assert_eq!((traits.markup, traits.burst, traits.audience), (Markup::Slack, 3, Audience::Chat));
    assert_eq!(traits.rate, Some(Rate { times: 1, per: Duration::from_secs(1) }));
    assert!(!traits.destination.contains("s3cr3t"));
    assert!(!traits.remembers, "a webhook has no receipts");
}

#[test]
fn a_valid_webhook_is_required() {
    assert_eq!(read("slack", "").1, ["`webhook` is missing here"]);
    assert_eq!(read("slack", "webhook = \"no\"").1, ["`webhook`: not a URL (relative URL without a base)"]);
    assert_eq!(
        read("slack", "webhok = \"https://x.example/\"").1,
        ["`webhook` is missing here", "unknown key `webhok`"]
    );
}
