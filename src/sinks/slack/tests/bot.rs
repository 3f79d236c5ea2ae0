//! The bot's settings, and its verdicts on Slack's error codes.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::super::chat_webhook::ONE_PER_SECOND;
use super::super::super::harness::{message, read, sink, verdict};
use super::super::super::{Audience, Sink, SinkConfig, SinkTraits};
use crate::config_reader::Rate;
use crate::fault::Fault;
use crate::message::{Markup, Message, Receipt, SendError};
use crate::test_support::scripted_server::{ReceivedRequest, ScriptedServer, Step, reply};

pub(super) const TOML: &str = "token = \"xoxb-s3cr3t-t0ken\"\nchannel = \"C1\"\napi = \"@/api\"";
pub(super) const UPDATING: &str = "token = \"xoxb-s3cr3t-t0ken\"\nchannel = \"C1\"\napi = \"@/api/\"\nupdate = true";
pub(super) const POSTED: &str = r#"{"ok":true,"channel":"C1","ts":"20.000001","message":{}}"#;
pub(super) const DONE: &str = r#"{"ok":true}"#;

pub(super) fn no(code: &str) -> String {
    json!({ "ok": false, "error": code }).to_string()
}

/// Another message of a key that has a thread.
pub(super) fn later(text: &str) -> Message {
    let mut later = message(text);
    later.earlier = Some("C1/10.000001".to_owned());
    later
}

async fn attempt(
    toml: &str,
    message: &Message,
    steps: Vec<Step>,
) -> (Vec<ReceivedRequest>, Result<Receipt, SendError>) {
    let requests = steps.len();
    let server = ScriptedServer::start(steps).await;
    let sink = sink("slack", toml, &server);
    let result = sink.send(message).await;
    let shown = format!("{sink:?} {result:?}");
    assert!(!shown.contains("s3cr3t"), "{shown}");
    assert_eq!(server.requests().len(), requests, "as many requests as replies");
    (server.requests(), result)
}

/// The requests and the result; each of `answers` is the body of one reply.
pub(super) async fn sent(
    toml: &str,
    message: &Message,
    answers: &[&str],
) -> (Vec<ReceivedRequest>, Result<Receipt, SendError>) {
    attempt(toml, message, answers.iter().map(|body| reply(200, "", body)).collect()).await
}

/// Method and body of each request.
pub(super) async fn exchange(toml: &str, message: &Message, answers: &[&str]) -> (Vec<(String, Value)>, String) {
    let (seen, result) = sent(toml, message, answers).await;
    let method = |seen: &ReceivedRequest| seen.target().rsplit('/').next().expect("a method").to_owned();
    (seen.iter().map(|seen| (method(seen), seen.json())).collect(), verdict(&result))
}

#[tokio::test]
async fn slacks_error_codes_have_their_verdicts() {
    for (codes, expected) in [
        ("ratelimited rate_limited service_unavailable team_added_to_org", "later, all: failed_with_2xx"),
        ("message_limit_exceeded", "later in 300s, all: failed_with_2xx"),
        ("internal_error fatal_error request_timeout unheard_of", "later: failed_with_2xx"),
        (
            "channel_not_found not_in_channel is_archived restricted_action restricted_action_read_only_channel \
            messages_tab_disabled not_authed invalid_auth account_inactive token_revoked token_expired missing_scope \
            not_allowed_token_type ekm_access_denied access_denied org_login_required team_access_not_granted unknown_method",
            "never, destination: failed_with_2xx",
        ),
        (
            "no_text invalid_blocks invalid_blocks_format invalid_attachments msg_too_long msg_blocks_too_long \
            too_many_attachments attachment_payload_limit_exceeded metadata_too_large markdown_text_conflict",
            "never, message: failed_with_2xx",
        ),
    ] {
        for code in codes.split_whitespace() {
            assert_eq!(exchange(TOML, &message("x"), &[&no(code)]).await.1, expected, "{code}");
            assert_eq!(exchange(UPDATING, &later("x"), &[&no(code)]).await.1, expected, "{code} to an edit");
            assert_eq!(exchange(UPDATING, &later("x"), &[DONE, &no(code)]).await.1, expected, "{code} to a reply");
        }
    }
}

async fn cause(answer: &str) -> Fault {
    sent(TOML, &message("x"), &[answer]).await.1.expect_err("refused").cause().clone()
}

#[tokio::test]
async fn the_remedy_is_part_of_the_fault() {
    let scope = r#"{"ok":false,"error":"missing_scope","needed":"chat:write","provided":"commands"}"#;
    let plain = "the token lacks the scope chat:write: add it to the app and install the app again";
    assert_eq!(cause(scope).await.to_string(), format!("{plain}: status 200: {scope}"));
    let odd = cause(r#"{"ok":false,"error":"missing_scope","needed":"xoxb-s3cr3t-t0ken"}"#).await.to_string();
    assert!(odd.starts_with("the token lacks a scope: "), "{odd}");
    assert!(cause(&no("not_in_channel")).await.to_string().starts_with("the bot is not in the channel: invite it"));
}

#[tokio::test]
async fn slacks_details_on_a_wrong_payload_are_kept() {
    let message = "[ERROR] must be more than 0 characters [json-pointer:/blocks/0/text/text]";
    let metadata = json!({ "messages": [message] });
    let answer = json!({ "ok": false, "error": "invalid_blocks", "response_metadata": metadata });
    let kept = cause(&answer.to_string()).await;
    assert!(kept.reply().is_some_and(|reply| reply.contains(message)), "{kept:?}");
}

#[tokio::test]
async fn a_post_may_have_been_delivered_and_an_edit_may_be_repeated() {
    let maybe = async |toml: &str, message: &Message, steps: Vec<Step>| match attempt(toml, message, steps).await.1 {
        Err(SendError::Later { maybe, .. }) => maybe,
        other => panic!("{other:?}"),
    };
    let ok = |body: &str| reply(200, "", body);
    for step in [Step::Reset, ok(&no("internal_error")), ok(&no("fatal_error"))] {
        assert!(maybe(TOML, &message("x"), vec![step.clone()]).await);
        assert!(maybe(UPDATING, &later("x"), vec![ok(DONE), step.clone()]).await);
        assert!(!maybe(UPDATING, &later("x"), vec![step]).await, "an edit may be made again");
    }
    assert!(!maybe(TOML, &message("x"), vec![ok(&no("request_timeout"))]).await);
}

#[tokio::test]
async fn a_limit_holds_the_lane_for_the_wait_that_slack_names() {
    let limited = |headers: &str| reply(429, headers, &no("ratelimited"));
    for (message, steps) in [
        (message("x"), vec![limited("Retry-After: 30\r\n")]),
        (later("x"), vec![limited("Retry-After: 30\r\n")]),
        (later("x"), vec![reply(200, "", DONE), limited("Retry-After: 30\r\n")]),
    ] {
        assert_eq!(verdict(&attempt(UPDATING, &message, steps).await.1), "later in 30s, all: rate_limited");
    }
    assert_eq!(verdict(&attempt(TOML, &message("x"), vec![limited("")]).await.1), "later, all: rate_limited");
}

#[tokio::test]
async fn a_message_without_an_id_was_delivered() {
    for body in [DONE, r#"{"ok":true,"channel":"C1"}"#, r#"{"ok":true,"channel":"C1","ts":"nonsense"}"#] {
        assert_eq!(exchange(TOML, &message("x"), &[body]).await.1, "delivered");
    }
    // Too long to be read to its end.
    let long = format!(r#"{{"ok":true,"channel":"C1","ts":"20.000001","message":"{}"}}"#, "x".repeat(100_000));
    assert_eq!(exchange(TOML, &message("x"), &[&long]).await.1, "delivered as C1/20.000001");
}

#[tokio::test]
async fn its_traits_are_those_of_a_bot() {
    let server = ScriptedServer::start([]).await;
    let of = |toml: &str| -> SinkTraits { sink("slack", toml, &server).traits() };
    let (bot, updating) = (of(TOML), of(UPDATING));
    assert!(bot.remembers && bot.audience == Audience::Chat && !bot.knows_repeats);
    assert_eq!((bot.markup, bot.burst, bot.rate), (Markup::Slack, 3, Some(ONE_PER_SECOND)));
    assert_eq!(updating.rate, Some(Rate { times: 50, per: Duration::from_secs(60) }), "as many as may be edited");
    assert_eq!(bot.destination, updating.destination);
    assert_eq!(bot.destination, of(&TOML.replace("s3cr3t", "0ther")).destination);
    assert_ne!(bot.destination, of(&TOML.replace("C1", "C2")).destination);
    assert!(!bot.destination.contains("C1"));
}

#[test]
fn keys_of_webhook_and_bot_exclude_each_other() {
    const HOOK: &str = "webhook = \"https://hooks.slack.com/services/T0/B0/s3cr3t\"";
    const BOT: &str = "token = \"x\"\nchannel = \"C1\"";
    let read = |toml: &str| {
        let (config, problems) = read("slack", toml);
        assert!(config.is_none() || problems.is_empty() || toml.contains("update = 1"), "{toml}");
        problems
    };
    assert_eq!(read(&format!("{HOOK}\n{BOT}")), ["`token` and `webhook` exclude each other"]);
    assert_eq!(read(&format!("{HOOK}\nchannel = \"C1\"")), ["only a bot has `channel`, and this is a webhook"]);
    let both = format!("{HOOK}\nupdate = true\nchannel = \"C1\"");
    assert_eq!(read(&both), ["only a bot has `channel` and `update`, and this is a webhook"]);
    assert_eq!(read("token = \"x\""), ["`channel` is missing here"]);
    assert_eq!(read("token = \"x\"\nchannel = \" \""), ["`channel` is empty"]);
    assert_eq!(read("channel = \"C1\""), ["`token` is missing here"]);
    assert_eq!(read("update = true"), ["`token` is missing here"]);
    let newline = "`token` holds a character that no token does (a newline, perhaps)";
    assert_eq!(read("token = \"x\\ny\"\nchannel = \"C1\""), [newline]);
    assert_eq!(read(&format!("{BOT}\napi = \"slack.com\"")), ["`api`: not a URL (relative URL without a base)"]);
    assert_eq!(read(&format!("{BOT}\nupdate = 1")).len(), 1);
}

#[test]
fn a_channel_is_an_id_or_a_name() {
    for channel in ["C024BE91L", "U024BE7LH", "#ops"] {
        let (config, found) = read("slack", &format!("token = \"x\"\nchannel = \"{channel}\""));
        assert!(found.is_empty(), "{found:?}");
        let Some(SinkConfig::Slack(slack)) = config else { panic!("no Slack") };
        assert!(format!("{slack:?}").contains("https://slack.com/…"), "{slack:?}");
    }
}
