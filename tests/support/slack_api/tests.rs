use super::*;
use crate::daemon::client;

const OPS: &str = SlackApi::CHANNEL;

async fn call(slack: &SlackApi, method: &str, body: &Value) -> Value {
    answer(slack, method, slack.token(), "application/json; charset=utf-8", &body.to_string()).await
}

async fn answer(slack: &SlackApi, method: &str, token: &str, kind: &str, body: &str) -> Value {
    let request = client().post(format!("{}/{method}", slack.url())).bearer_auth(token).header("content-type", kind);
    request.body(body.to_owned()).send().await.unwrap().json().await.unwrap()
}

async fn post(slack: &SlackApi, text: &str) -> String {
    let posted = call(slack, "chat.postMessage", &json!({ "channel": OPS, "text": text })).await;
    assert_eq!((&posted["ok"], &posted["channel"]), (&json!(true), &json!(OPS)), "{posted}");
    posted["ts"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_channel_has_its_messages_with_edits_and_threads() {
    let slack = SlackApi::start();
    let (web, db) = (post(&slack, "web is down").await, post(&slack, "db is down").await);
    assert_ne!(web, db);
    let reply = json!({ "channel": OPS, "text": "web is up", "thread_ts": web });
    assert_eq!(call(&slack, "chat.postMessage", &reply).await["ok"], true);
    let attachments = json!([{ "color": "good", "title": "Resolved", "text": "web is up" }]);
    let edit = json!({ "channel": OPS, "ts": web, "text": "", "attachments": attachments });
    assert_eq!(call(&slack, "chat.update", &edit).await["ok"], true);

    let heads = slack.heads(OPS);
    let [first, second] = heads.as_slice() else { panic!("two, not {heads:?}") };
    assert_eq!((first.content.visible_text().as_str(), first.content.color()), ("Resolved\nweb is up", Some("good")));
    assert_eq!((first.edits, first.replies.len(), first.replies[0].visible_text().as_str()), (1, 1, "web is up"));
    assert_eq!((second.content.visible_text().as_str(), second.edits, second.replies.len()), ("db is down", 0, 0));

    // Fields that an edit does not contain stay.
    call(&slack, "chat.update", &json!({ "channel": OPS, "ts": web, "text": "and so on" })).await;
    assert_eq!(slack.heads(OPS)[0].content.visible_text(), "and so on\nResolved\nweb is up");
    slack.delete(&web);
    assert_eq!(slack.heads(OPS).len(), 1);
    assert_eq!((slack.offences(), slack.calls().entries().len()), (vec![], 5));
}

#[tokio::test]
async fn an_invalid_call_is_refused_with_slacks_error_and_recorded() {
    let slack = SlackApi::start();
    let ts = post(&slack, "x").await;
    let answered = call(&slack, "chat.postMessage", &json!({ "channel": OPS, "text": "y", "thread_ts": ts })).await;
    let wrong = [
        ("chat.postMessage", json!({ "text": "x" }), "invalid_arguments"),
        ("chat.postMessage", json!({ "channel": "C0ELSE", "text": "x" }), "channel_not_found"),
        ("chat.postMessage", json!({ "channel": OPS }), "no_text"),
        ("chat.postMessage", json!({ "channel": OPS, "text": 7 }), "invalid_arguments"),
        ("chat.postMessage", json!({ "channel": OPS, "text": "x", "ts": ts }), "invalid_arguments"),
        ("chat.postMessage", json!({ "channel": OPS, "text": "x".repeat(40_001) }), "msg_too_long"),
        ("chat.postMessage", json!({ "channel": OPS, "text": "x", "thread_ts": 1.5 }), "invalid_arguments"),
        ("chat.postMessage", json!({ "channel": OPS, "text": "x", "thread_ts": "1.5" }), "thread_not_found"),
        ("chat.postMessage", json!({ "channel": OPS, "text": "x", "thread_ts": answered["ts"] }), "thread_not_found"),
        ("chat.postMessage", json!({ "channel": OPS, "blocks": [{ "type": "header" }] }), "invalid_blocks"),
        ("chat.postMessage", json!({ "channel": OPS, "attachments": [{}] }), "invalid_attachments"),
        ("chat.postMessage", json!([]), "json_not_object"),
        ("chat.update", json!({ "channel": OPS, "text": "x" }), "invalid_arguments"),
        ("chat.update", json!({ "channel": OPS, "ts": "1.5", "text": "x" }), "message_not_found"),
        ("chat.update", json!({ "channel": OPS, "ts": ts, "text": "x".repeat(4001) }), "msg_too_long"),
        ("chat.delete", json!({ "channel": OPS, "ts": ts }), "unknown_method"),
    ];
    for (method, body, code) in &wrong {
        assert_eq!(call(&slack, method, body).await, json!({ "ok": false, "error": code }), "{method} {body}");
    }
    assert_eq!((slack.offences().len(), slack.calls().entries().len()), (wrong.len(), 2));

    let body = json!({ "channel": OPS, "text": "x" }).to_string();
    let json = "application/json";
    assert_eq!(answer(&slack, "chat.postMessage", "xoxb-other", json, &body).await["error"], "invalid_auth");
    assert_eq!(
        answer(&slack, "chat.postMessage", slack.token(), "text/plain", &body).await["error"],
        "invalid_post_type"
    );
    let with_token = json!({ "channel": OPS, "text": slack.token() }).to_string();
    assert_eq!(answer(&slack, "chat.postMessage", slack.token(), json, &with_token).await["error"], "invalid_auth");
    assert_eq!(slack.offences().len(), wrong.len() + 3);
}

#[tokio::test]
async fn an_error_that_no_client_can_prevent_is_no_offence() {
    let slack = SlackApi::start();
    let ts = post(&slack, "x").await;
    let (message, reply) =
        (json!({ "channel": OPS, "text": "x" }), json!({ "channel": OPS, "text": "x", "thread_ts": ts }));
    let edit = json!({ "channel": OPS, "text": "y", "ts": ts });
    slack.refuse_edits("edit_window_closed");
    assert_eq!(call(&slack, "chat.update", &edit).await["error"], "edit_window_closed");
    slack.refuse_edits(None);
    assert_eq!(call(&slack, "chat.update", &edit).await["ok"], true);
    slack.delete(&ts);
    assert_eq!(call(&slack, "chat.update", &edit).await["error"], "message_not_found");
    assert_eq!(call(&slack, "chat.postMessage", &reply).await["error"], "thread_not_found");
    slack.close_channel(OPS, "not_in_channel");
    assert_eq!(call(&slack, "chat.postMessage", &message).await["error"], "not_in_channel");
    slack.close_channel(OPS, None);
    slack.refuse("missing_scope");
    assert_eq!(call(&slack, "chat.postMessage", &message).await["needed"], "chat:write");
    slack.refuse(None);
    slack.limit_channels(VendorLimit { per_second: 0.001, burst: 1.0 });
    assert_eq!(call(&slack, "chat.postMessage", &message).await["ok"], true);
    assert_eq!(call(&slack, "chat.postMessage", &message).await["error"], "ratelimited");
    slack.open_channel("C0OTHER");
    assert_eq!(call(&slack, "chat.postMessage", &json!({ "channel": "C0OTHER", "text": "x" })).await["ok"], true);
    assert_eq!(slack.offences(), [""; 0]);
}
