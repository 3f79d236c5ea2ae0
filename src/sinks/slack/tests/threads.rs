//! Threads, their heads, and a new thread where one is gone.

use serde_json::{Value, json};

use super::super::super::harness::{message, verdict};
use super::super::payload::status_head;
use super::bot::{DONE, POSTED, TOML, UPDATING, exchange, later, no, sent};
use crate::message::{Severity, Signal};

#[tokio::test]
async fn the_first_message_of_a_key_begins_its_thread() {
    let (seen, result) = sent(TOML, &message("web is down"), &[POSTED]).await;
    assert_eq!(seen[0].target(), "/api/chat.postMessage");
    assert_eq!(seen[0].body, r#"{"channel":"C1","text":"web is down"}"#);
    assert!(seen[0].head.contains("authorization: Bearer xoxb-s3cr3t-t0ken"));
    assert!(seen[0].head.contains("content-type: application/json; charset=utf-8"));
    assert_eq!(verdict(&result), "delivered as C1/20.000001");
}

#[tokio::test]
async fn a_later_message_goes_into_the_thread_of_its_key() {
    let (calls, verdict) = exchange(TOML, &later("web is up"), &[POSTED]).await;
    let body = json!({ "channel": "C1", "text": "web is up", "thread_ts": "10.000001" });
    assert_eq!(calls, [("chat.postMessage".to_owned(), body)]);
    assert_eq!(verdict, "delivered as C1/10.000001", "the root again, not the reply");
}

#[tokio::test]
async fn without_a_key_or_with_a_damaged_receipt_a_message_is_not_in_a_thread() {
    let mut keyless = later("x");
    keyless.key = String::new();
    let mut damaged = later("x");
    damaged.earlier = Some("C1/10".to_owned());
    let mut elsewhere = later("x");
    elsewhere.earlier = Some("C2/10.000001".to_owned());
    for alone in [keyless, damaged, elsewhere] {
        let (calls, verdict) = exchange(UPDATING, &alone, &[POSTED]).await;
        assert_eq!(calls[0].1, json!({ "channel": "C1", "text": "x" }));
        assert_eq!(verdict, "delivered as C1/20.000001");
    }
}

#[tokio::test]
async fn with_a_channel_name_the_head_is_edited_by_the_channels_id() {
    let toml = UPDATING.replace("C1", "#ops");
    let (_, verdict) = exchange(&toml, &message("x"), &[POSTED]).await;
    assert_eq!(verdict, "delivered as C1/20.000001/#ops");
    let mut again = message("x");
    again.earlier = Some("C1/20.000001/#ops".to_owned());
    let (calls, verdict) = exchange(&toml, &again, &[DONE, POSTED]).await;
    assert_eq!((&calls[0].1["channel"], &calls[1].1["channel"]), (&json!("C1"), &json!("C1")));
    assert_eq!(verdict, "delivered as C1/20.000001/#ops");
}

#[tokio::test]
async fn the_head_of_a_thread_shows_the_status_and_the_thread_its_history() {
    let mut resolved = later("It answers again.");
    resolved.title = Some("web".to_owned());
    resolved.severity = Severity::Error;
    resolved.signal = Some(Signal::Resolve);
    let (calls, verdict) = exchange(UPDATING, &resolved, &[DONE, POSTED]).await;
    assert_eq!(verdict, "delivered as C1/10.000001");
    let [(update, head), (post, reply)] = calls.as_slice() else { panic!("two calls, not {calls:?}") };
    assert_eq!((update.as_str(), post.as_str()), ("chat.update", "chat.postMessage"));
    insta::assert_snapshot!(serde_json::to_string_pretty(head).expect("JSON"), @r#"
    {
      "attachments": [
        {
          "color": "good",
          "fallback": "Resolved: web: It answers again.",
          "mrkdwn_in": [
            "text",
            "fields"
          ],
          "text": "It answers again.",
          "title": "Resolved: web"
        }
      ],
      "blocks": [],
      "channel": "C1",
      "text": "",
      "ts": "10.000001"
    }
    "#);
    assert_eq!((&reply["thread_ts"], &reply["attachments"][0]["title"]), (&json!("10.000001"), &json!("web")));
    assert!(reply.get("ts").is_none() && reply.get("blocks").is_none());

    let (calls, _) = exchange(UPDATING, &later("still down"), &[DONE, POSTED]).await;
    let head = json!({ "channel": "C1", "ts": "10.000001", "text": "still down", "attachments": [], "blocks": [] });
    assert_eq!(calls[0].1, head, "it replaces all of the old content");
}

#[tokio::test]
async fn a_signal_has_a_colour_where_the_head_is_updated() {
    let mut trigger = message("down");
    trigger.signal = Some(Signal::Trigger);
    let (calls, _) = exchange(UPDATING, &trigger, &[POSTED]).await;
    assert_eq!(calls[0].1["attachments"][0]["color"], "#439fe0");
    let (calls, _) = exchange(TOML, &trigger, &[POSTED]).await;
    assert_eq!(calls[0].1, json!({ "channel": "C1", "text": "down" }));
}

#[test]
fn a_status_that_the_title_has_is_not_repeated() {
    for (title, signal, shown) in [
        (Some("web"), Signal::Acknowledge, Some("Acknowledged: web")),
        (None, Signal::Resolve, Some("Resolved")),
        (Some(" "), Signal::Resolve, Some("Resolved")),
        (Some("web: RESOLVED"), Signal::Resolve, Some("web: RESOLVED")),
        (Some("web"), Signal::Trigger, Some("web")),
        (None, Signal::Trigger, None),
    ] {
        let mut signalled = message("x");
        (signalled.title, signalled.signal) = (title.map(str::to_owned), Some(signal));
        assert_eq!(status_head(&signalled).title.as_deref(), shown);
    }
}

#[tokio::test]
async fn a_head_that_cannot_be_edited_is_followed_by_a_new_one() {
    for code in [
        "cant_update_message",
        "message_not_found",
        "edit_window_closed",
        "is_inactive",
        "update_failed",
        "block_mismatch",
        "streaming_state_conflict",
    ] {
        let (calls, verdict) = exchange(UPDATING, &later("x"), &[&no(code), POSTED]).await;
        assert_eq!(calls[1], ("chat.postMessage".to_owned(), json!({ "channel": "C1", "text": "x" })), "{code}");
        assert_eq!(verdict, "delivered as C1/20.000001");
    }
}

#[tokio::test]
async fn a_thread_that_is_gone_is_followed_by_a_new_one() {
    for code in ["thread_not_found", "message_not_found", "cannot_reply_to_message", "restricted_action_thread_locked"]
    {
        let (calls, verdict) = exchange(TOML, &later("x"), &[&no(code), POSTED]).await;
        assert_eq!(calls[1].1, json!({ "channel": "C1", "text": "x" }), "{code}");
        assert_eq!(verdict, "delivered as C1/20.000001");
        let (_, verdict) = exchange(UPDATING, &later("x"), &[DONE, &no(code), POSTED]).await;
        assert_eq!(verdict, "delivered as C1/20.000001");
    }
    // Outside a thread the same code is an error of the destination.
    let (_, verdict) = exchange(TOML, &message("x"), &[&no("cannot_reply_to_message")]).await;
    assert_eq!(verdict, "never, destination: failed_with_2xx");
}

#[tokio::test]
async fn a_raw_payload_goes_to_the_channel_of_relays_toml() {
    let mut raw = later("ignored");
    raw.raw = Some(json!({
        "blocks": [{ "type": "divider" }], "text": "é".repeat(5000), "channel": "C9", "thread_ts": "9.9", "ts": "9.9",
    }));
    let (calls, _) = exchange(UPDATING, &raw, &[DONE, POSTED]).await;
    let [(_, head), (_, reply)] = calls.as_slice() else { panic!("two calls, not {calls:?}") };
    assert_eq!((&head["channel"], &head["ts"], head.get("thread_ts")), (&json!("C1"), &json!("10.000001"), None));
    assert_eq!((&reply["channel"], &reply["thread_ts"], reply.get("ts")), (&json!("C1"), &json!("10.000001"), None));
    let length = |body: &Value| body["text"].as_str().expect("a text").chars().count();
    assert_eq!((length(head), length(reply)), (4000, 5000), "an edit takes no more");
    assert_eq!((&head["blocks"], &head["attachments"]), (&json!([{ "type": "divider" }]), &json!([])));

    raw.raw = Some(json!({ "markdown_text": "# x" }));
    let (calls, _) = exchange(UPDATING, &raw, &[DONE, POSTED]).await;
    let head = json!({ "channel": "C1", "ts": "10.000001", "markdown_text": "# x", "attachments": [] });
    assert_eq!(calls[0].1, head, "which Slack accepts only without a text");
    raw.raw = Some(json!(["no", "table"]));
    assert_eq!(exchange(TOML, &raw, &[]).await.1, "never, message: unwritable");
}
