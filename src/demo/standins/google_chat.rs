//! Google Chat's incoming webhook: a space, its threads, and its google.rpc errors.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::http::{Reply, Request};
use super::log::{Log, WaitTimeout};
use super::random::random_text;
use super::stand_in::{StandIn, Vendor};

pub type GoogleChat = StandIn<ChatSpace>;

/// A message that Google Chat took.
#[derive(Debug, Clone, PartialEq)]
pub struct GoogleChatPost {
    pub at: Instant,
    /// Empty if there are only cards.
    pub text: String,
    /// `spaces/AAA/threads/…`
    pub thread: String,
    /// The `threadKey`, unless it was ignored.
    pub key: Option<String>,
    pub body: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Thread {
    pub name: String,
    pub key: Option<String>,
    pub texts: Vec<String>,
}

#[derive(Debug)]
pub struct ChatSpace {
    key: String,
    /// As it is written in the URL, with its `%3D`.
    token: String,
    posts: Log<GoogleChatPost>,
}

const PATH: &str = "/v1/spaces/AAA/messages";

impl GoogleChat {
    pub async fn start() -> io::Result<Self> {
        let (key, token) = (format!("AIza{}", random_text(35)), format!("{}%3D", random_text(43)));
        Self::open(0, ChatSpace { key, token, posts: Log::new("messages to Google Chat") }).await
    }

    /// The webhook; as with Google Chat, the address is the secret.
    pub fn url(&self) -> String {
        let ChatSpace { key, token, .. } = self.vendor();
        format!("{}{PATH}?key={key}&token={token}", self.base())
    }

    pub fn log(&self) -> &Log<GoogleChatPost> {
        &self.vendor().posts
    }

    /// The messages that were taken, in order.
    pub fn posts(&self) -> Vec<GoogleChatPost> {
        self.log().all()
    }

    pub async fn wait_for(&self, posts: usize, limit: Duration) -> Result<Vec<GoogleChatPost>, WaitTimeout> {
        self.log().wait_for(posts, limit).await
    }

    pub async fn next(&self, limit: Duration) -> Result<GoogleChatPost, WaitTimeout> {
        self.log().next(limit).await
    }

    /// In the order of their first messages.
    pub fn threads(&self) -> Vec<Thread> {
        let mut threads: Vec<Thread> = Vec::new();
        for GoogleChatPost { text, thread: name, key, .. } in self.posts() {
            match threads.iter_mut().find(|thread| thread.name == name) {
                Some(thread) => thread.texts.push(text),
                None => threads.push(Thread { name, key, texts: vec![text] }),
            }
        }
        threads
    }
}

impl Vendor for ChatSpace {
    fn answer(&self, request: &Request) -> Reply {
        match self.check(request) {
            Ok((body, thread, key)) => {
                let wanted = body.pointer("/thread/threadKey").is_some();
                let reply = self.take(request, body, thread, key);
                // Google takes the message and opens a new thread, without an error.
                let ignored = wanted && request.query_values("messageReplyOption").next().is_none();
                if ignored { reply.offended("a threadKey without messageReplyOption is ignored") } else { reply }
            }
            Err((code, why)) => error(code, &why).offended(why),
        }
    }

    /// Google documents no Retry-After; it is sent only where the script names one.
    fn throttled(&self, _request: &Request, retry_after: Option<u32>) -> Reply {
        error(429, "Resource has been exhausted (e.g. check quota).").after(retry_after)
    }

    fn broken(&self, _request: &Request, status: u16) -> Reply {
        error(status, "Internal error encountered.")
    }
}

type Refused = (u16, String);

impl ChatSpace {
    fn check(&self, request: &Request) -> Result<(Value, String, Option<String>), Refused> {
        if request.path != PATH {
            return Err((404, format!("no space has the path {:?}", request.path)));
        }
        if request.method != "POST" {
            return Err((404, format!("{} instead of POST", request.method)));
        }
        if !request.query_values("key").eq([self.key.as_str()]) {
            return Err((403, "the key is not the webhook's".to_owned()));
        }
        if !request.query_values("token").eq([self.token.as_str()]) {
            return Err((401, "the token is not the webhook's, or was encoded again".to_owned()));
        }
        if !request.is_json() {
            return Err((400, "the Content-Type is not application/json".to_owned()));
        }
        let body: Value =
            serde_json::from_slice(&request.body).map_err(|error| (400, format!("Invalid JSON payload: {error}")))?;
        check_message(&body, request.body.len()).map_err(|why| (400, why))?;
        let (thread, key) = self.thread(request, &body)?;
        Ok((body, thread, key))
    }

    /// Name and key of the message's thread. Without a `messageReplyOption`, `threadKey` is ignored.
    fn thread(&self, request: &Request, body: &Value) -> Result<(String, Option<String>), Refused> {
        let new = || format!("spaces/AAA/threads/{}", random_text(11));
        let must_exist = match request.query_values("messageReplyOption").next() {
            None => return Ok((new(), None)),
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
        let known = self.posts.first(|post| match (name, key) {
            (Some(name), _) => post.thread == name,
            (None, key) => key.is_some() && post.key.as_deref() == key,
        });
        match known {
            Some(post) => Ok((post.thread, post.key)),
            None if must_exist => Err((404, "there is no such thread to reply to".to_owned())),
            None => Ok((new(), key.map(str::to_owned))),
        }
    }

    fn take(&self, request: &Request, body: Value, thread: String, key: Option<String>) -> Reply {
        let mut answer = body.clone();
        let message = thread.rsplit('/').next().unwrap_or_default();
        answer["name"] = json!(format!("spaces/AAA/messages/{message}.{}", random_text(11)));
        answer["thread"] = json!({ "name": thread });
        let text = body.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.posts.push(GoogleChatPost { at: request.at, text, thread, key, body });
        Reply::json(200, &answer)
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

fn error(code: u16, message: &str) -> Reply {
    let status = match code {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    };
    Reply::json(code, &json!({ "error": { "code": code, "message": message, "status": status } }))
}

#[cfg(test)]
mod tests {
    use super::super::http::tests::post;
    use super::*;

    #[tokio::test]
    async fn a_thread_key_is_ignored_without_a_reply_option() {
        let chat = GoogleChat::start().await.unwrap();
        let replying = format!("{}&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD", chat.url());
        let body = r#"{"text":"hello","thread":{"threadKey":"web"}}"#;
        for url in [&chat.url(), &replying, &replying] {
            let (status, answer) = post(url, body).await;
            assert_eq!((status, answer.contains("spaces/AAA/threads/")), (200, true));
        }
        let threads: Vec<_> = chat.threads().into_iter().map(|thread| (thread.key, thread.texts.len())).collect();
        assert_eq!(threads, [(None, 1), (Some("web".to_owned()), 2)]);
        assert_eq!(chat.offences(), ["a threadKey without messageReplyOption is ignored"]);
    }

    #[tokio::test]
    async fn an_invalid_message_is_refused_with_googles_status() {
        let chat = GoogleChat::start().await.unwrap();
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
