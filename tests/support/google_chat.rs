//! Google Chat's incoming webhook with its threads, and with what Google refuses.

use serde_json::Value;
use tidings::demo::standins::{
    ChatSpace, GoogleChat, GoogleChatPost, Reply, Request, Vendor, google_chat_refusal, new_thread,
};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Thread {
    pub(crate) name: String,
    pub(crate) key: Option<String>,
    pub(crate) texts: Vec<String>,
}

/// A stand-in that checks every rule.
pub(crate) fn start() -> GoogleChat {
    GoogleChat::open(ChatSpace::default(), Some(answer)).expect("loopback")
}

/// In the order of their first messages.
pub(crate) fn threads(chat: &GoogleChat) -> Vec<Thread> {
    let mut threads: Vec<Thread> = Vec::new();
    for GoogleChatPost { text, thread: name, key, .. } in chat.posts() {
        match threads.iter_mut().find(|thread| thread.name == name) {
            Some(thread) => thread.texts.push(text),
            None => threads.push(Thread { name, key, texts: vec![text] }),
        }
    }
    threads
}

fn answer(space: &ChatSpace, request: &Request) -> Option<Reply> {
    // The stand-in itself refuses what is not for this webhook.
    let body = space.read(request).ok()?;
    let wanted = body.pointer("/thread/threadKey").is_some();
    let reply = match check(space, request, &body) {
        Ok((thread, key)) => space.take(request, body, thread, key),
        Err((code, why)) => return Some(google_chat_refusal(code, why)),
    };
    // Google takes the message and opens a new thread, without an error.
    let ignored = wanted && request.query_values("messageReplyOption").next().is_none();
    Some(if ignored { reply.offended("a threadKey without messageReplyOption is ignored") } else { reply })
}

type Refused = (u16, String);

/// Name and key of the message's thread.
fn check(space: &ChatSpace, request: &Request, body: &Value) -> Result<(String, Option<String>), Refused> {
    if !request.is_json() {
        return Err((400, "the Content-Type is not application/json".to_owned()));
    }
    check_message(body, request.body.len()).map_err(|why| (400, why))?;
    thread(space, request, body)
}

/// Without a `messageReplyOption`, `threadKey` is ignored.
fn thread(space: &ChatSpace, request: &Request, body: &Value) -> Result<(String, Option<String>), Refused> {
    let must_exist = match request.query_values("messageReplyOption").next() {
        None => return Ok((new_thread(), None)),
        Some("REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD") => false,
        Some("REPLY_MESSAGE_OR_FAIL") => true,
        Some(other) => return Err((400, format!("there is no messageReplyOption {other:?}"))),
    };
    let wanted = body.get("thread");
    let key = wanted.and_then(|thread| thread.get("threadKey")).and_then(Value::as_str);
    let name = wanted.and_then(|thread| thread.get("name")).and_then(Value::as_str);
    if key.is_some_and(|key| key.chars().count() > 4000) {
        return Err((400, "a threadKey of more than 4000 characters".to_owned()));
    }
    let is_wanted = |post: &&GoogleChatPost| match (name, key) {
        (Some(name), _) => post.thread == name,
        (None, key) => key.is_some() && post.key.as_deref() == key,
    };
    let known = space.log().entries().iter().find(is_wanted).cloned();
    match known {
        Some(post) => Ok((post.thread, post.key)),
        None if must_exist => Err((404, "there is no such thread to reply to".to_owned())),
        None => Ok((new_thread(), key.map(str::to_owned))),
    }
}

fn check_message(body: &Value, bytes: usize) -> Result<(), String> {
    const KNOWN: [&str; 6] = ["text", "fallbackText", "thread", "cardsV2", "accessoryWidgets", "annotations"];
    let fields = body.as_object().ok_or("the message is no object")?;
    if let Some(name) = fields.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("Invalid JSON payload received. Unknown name {name:?}: Cannot find field."));
    }
    if bytes > 32_000 {
        return Err(format!("a message of {bytes} bytes, more than 32000"));
    }
    let text = match fields.get("text") {
        None => "",
        Some(text) => text.as_str().ok_or("text is no string")?,
    };
    if text.chars().count() > 4096 {
        return Err("Message is longer than 4096 characters".to_owned());
    }
    let none = Vec::new();
    let cards = match fields.get("cardsV2") {
        None => &none,
        Some(cards) => cards.as_array().ok_or("cardsV2 is no list")?,
    };
    if text.is_empty() && cards.is_empty() {
        return Err("Message cannot be empty.".to_owned());
    }
    cards.iter().try_for_each(check_card)
}

fn check_card(card: &Value) -> Result<(), String> {
    let card = card.get("card").ok_or("a cardsV2 item without card")?;
    if let Some(header) = card.get("header")
        && header.get("title").and_then(Value::as_str).is_none_or(str::is_empty)
    {
        return Err("a card's header without title".to_owned());
    }
    let sections = card.get("sections").and_then(Value::as_array).ok_or("a card without sections")?;
    let mut widgets = 0;
    for section in sections {
        let here = section.get("widgets").and_then(Value::as_array).map_or(0, Vec::len);
        if here == 0 {
            return Err("a section without widgets".to_owned());
        }
        widgets += here;
    }
    if widgets > 100 {
        return Err(format!("{widgets} widgets: Google drops those beyond 100 without an error"));
    }
    if card.to_string().contains("\"onClick\":{\"action\"") {
        return Err("a webhook's button cannot have an action".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::daemon::post;

    #[tokio::test]
    async fn a_thread_key_is_ignored_without_a_reply_option() {
        let chat = start();
        let replying = format!("{}&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD", chat.url());
        let body = r#"{"text":"hello","thread":{"threadKey":"web"}}"#;
        for url in [&chat.url(), &replying, &replying] {
            let (status, answer) = post(url, body).await;
            assert_eq!((status, answer.contains("spaces/AAA/threads/")), (200, true));
        }
        let threads: Vec<_> = threads(&chat).into_iter().map(|thread| (thread.key, thread.texts.len())).collect();
        assert_eq!(threads, [(None, 1), (Some("web".to_owned()), 2)]);
        assert_eq!(chat.offences(), ["a threadKey without messageReplyOption is ignored"]);
    }

    #[tokio::test]
    async fn an_invalid_message_is_refused_with_googles_status() {
        let chat = start();
        let url = chat.url();
        let long = json!({ "text": "x".repeat(4097) }).to_string();
        let (hello, unknown) = (r#"{"text":"x"}"#, r#"{"text":"x","color":"red"}"#);
        let failing = format!("{url}&messageReplyOption=REPLY_MESSAGE_OR_FAIL");
        for (url, body, code, status) in [
            (&url, long.as_str(), 400, "INVALID_ARGUMENT"),
            (&url, unknown, 400, "INVALID_ARGUMENT"),
            (&url, "{}", 400, "INVALID_ARGUMENT"),
            (&url.replace("%3D", "="), hello, 401, "UNAUTHENTICATED"),
            (&url.replace("%3D", "%253D"), hello, 401, "UNAUTHENTICATED"),
            (&url.replace("key=", "key=x"), hello, 403, "PERMISSION_DENIED"),
            (&url.replace("AAA", "BBB"), hello, 404, "NOT_FOUND"),
            (&failing, hello, 404, "NOT_FOUND"),
        ] {
            let (answered, answer) = post(url, body).await;
            assert_eq!(answered, code, "{answer}");
            assert!(answer.contains(status), "{answer}");
        }
        assert_eq!((chat.offences().len(), chat.posts().len()), (8, 0));
    }
}
