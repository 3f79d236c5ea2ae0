//! Threads, their heads, and what is done where one is gone.

use serde_json::{Value, json};

use super::super::super::harness::{message, told};
use super::super::payload::standing;
use super::bot::{DONE, POSTED, TOML, UPDATING, later, no, said, sent};
use crate::message::{Severity, Signal};

#[tokio::test]
async fn the_first_message_of_a_key_begins_its_thread() {
    let (seen, result) = sent(TOML, &message("web is down"), &[POSTED]).await;
    assert_eq!(seen[0].target(), "/api/chat.postMessage");
    assert_eq!(seen[0].body, r#"{"channel":"C1","text":"web is down"}"#);
    assert!(seen[0].head.contains("authorization: Bearer xoxb-s3cr3t-t0ken"));
    assert!(seen[0].head.contains("content-type: application/json; charset=utf-8"));
    assert_eq!(told(&result), "delivered as C1/20.000001");
}

#[tokio::test]
async fn a_later_message_goes_into_the_thread_of_its_key() {
    let (calls, verdict) = said(TOML, &later("web is up"), &[POSTED]).await;
    let body = json!({ "channel": "C1", "text": "web is up", "thread_ts": "10.000001" });
    assert_eq!(calls, [("chat.postMessage".to_owned(), body)]);
    assert_eq!(verdict, "delivered as C1/10.000001", "the root again, not the answer");
}

#[tokio::test]
async fn without_a_key_or_with_a_damaged_receipt_a_message_stands_alone() {
    let mut keyless = later("x");
    keyless.key = String::new();
    let mut damaged = later("x");
    damaged.earlier = Some("C1/10".to_owned());
    let mut elsewhere = later("x");
    elsewhere.earlier = Some("C2/10.000001".to_owned());
    for alone in [keyless, damaged, elsewhere] {
        let (calls, verdict) = said(UPDATING, &alone, &[POSTED]).await;
        assert_eq!(calls[0].1, json!({ "channel": "C1", "text": "x" }));
        assert_eq!(verdict, "delivered as C1/20.000001");
    }
}

#[tokio::test]
async fn a_channel_that_is_called_by_its_name_is_edited_by_its_id() {
    let toml = UPDATING.replace("C1", "#ops");
    let (_, verdict) = said(&toml, &message("x"), &[POSTED]).await;
    assert_eq!(verdict, "delivered as C1/20.000001/#ops");
    let mut again = message("x");
    again.earlier = Some("C1/20.000001/#ops".to_owned());
    let (calls, verdict) = said(&toml, &again, &[DONE, POSTED]).await;
    assert_eq!((&calls[0].1["channel"], &calls[1].1["channel"]), (&json!("C1"), &json!("C1")));
    assert_eq!(verdict, "delivered as C1/20.000001/#ops");
}

#[tokio::test]
async fn the_head_of_a_thread_shows_how_things_stand_and_the_thread_how_they_came_so() {
    let mut resolved = later("It answers again.");
    resolved.title = Some("web".to_owned());
    resolved.severity = Severity::Error;
    resolved.signal = Some(Signal::Resolve);
    let (calls, verdict) = said(UPDATING, &resolved, &[DONE, POSTED]).await;
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

    let (calls, _) = said(UPDATING, &later("still down"), &[DONE, POSTED]).await;
    let head = json!({ "channel": "C1", "ts": "10.000001", "text": "still down", "attachments": [], "blocks": [] });
    assert_eq!(calls[0].1, head, "nothing of what it showed before is left");
}

#[tokio::test]
async fn a_signal_has_a_colour_where_the_head_is_kept_up_to_date() {
    let mut trigger = message("down");
    trigger.signal = Some(Signal::Trigger);
    let (calls, _) = said(UPDATING, &trigger, &[POSTED]).await;
    assert_eq!(calls[0].1["attachments"][0]["color"], "#439fe0");
    let (calls, _) = said(TOML, &trigger, &[POSTED]).await;
    assert_eq!(calls[0].1, json!({ "channel": "C1", "text": "down" }));
}

#[test]
fn a_word_that_the_title_says_already_is_not_said_twice() {
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
        assert_eq!(standing(&signalled).title.as_deref(), shown);
    }
}

#[tokio::test]
async fn a_head_that_cannot_be_edited_is_followed_by_a_new_one() {
    for word in [
        "cant_update_message",
        "message_not_found",
        "edit_window_closed",
        "is_inactive",
        "update_failed",
        "block_mismatch",
        "streaming_state_conflict",
    ] {
        let (calls, verdict) = said(UPDATING, &later("x"), &[&no(word), POSTED]).await;
        assert_eq!(calls[1], ("chat.postMessage".to_owned(), json!({ "channel": "C1", "text": "x" })), "{word}");
        assert_eq!(verdict, "delivered as C1/20.000001");
    }
}

#[tokio::test]
async fn a_thread_that_is_gone_is_followed_by_a_new_one() {
    for word in ["thread_not_found", "message_not_found", "cannot_reply_to_message", "restricted_action_thread_locked"]
    {
        let (calls, verdict) = said(TOML, &later("x"), &[&no(word), POSTED]).await;
        assert_eq!(calls[1].1, json!({ "channel": "C1", "text": "x" }), "{word}");
        assert_eq!(verdict, "delivered as C1/20.000001");
        let (_, verdict) = said(UPDATING, &later("x"), &[DONE, &no(word), POSTED]).await;
        assert_eq!(verdict, "delivered as C1/20.000001");
    }
    // Where nothing was to be answered the same word is no way out.
    let (_, verdict) = said(TOML, &message("x"), &[&no("cannot_reply_to_message")]).await;
    assert_eq!(verdict, "never, destination: failed_with_2xx");
}

#[tokio::test]
async fn a_raw_payload_goes_where_relays_toml_says() {
    let mut raw = later("ignored");
    raw.raw = Some(json!({
        "blocks": [{ "type": "divider" }], "text": "é".repeat(5000), "channel": "C9", "thread_ts": "9.9", "ts": "9.9",
    }));
    let (calls, _) = said(UPDATING, &raw, &[DONE, POSTED]).await;
    let [(_, head), (_, reply)] = calls.as_slice() else { panic!("two calls, not {calls:?}") };
    assert_eq!((&head["channel"], &head["ts"], head.get("thread_ts")), (&json!("C1"), &json!("10.000001"), None));
    assert_eq!((&reply["channel"], &reply["thread_ts"], reply.get("ts")), (&json!("C1"), &json!("10.000001"), None));
    let length = |body: &Value| body["text"].as_str().expect("a text").chars().count();
    assert_eq!((length(head), length(reply)), (4000, 5000), "an edit takes no more");
    assert_eq!((&head["blocks"], &head["attachments"]), (&json!([{ "type": "divider" }]), &json!([])));

    raw.raw = Some(json!({ "markdown_text": "# x" }));
    let (calls, _) = said(UPDATING, &raw, &[DONE, POSTED]).await;
    let head = json!({ "channel": "C1", "ts": "10.000001", "markdown_text": "# x", "attachments": [] });
    assert_eq!(calls[0].1, head, "which Slack takes with no text beside it");
    raw.raw = Some(json!(["no", "table"]));
    assert_eq!(said(TOML, &raw, &[]).await.1, "never, message: unwritable");
}
