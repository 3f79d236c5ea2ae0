//! Google Chat's incoming webhook.

use std::io;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::http::{Reply, Request};
use super::log::Log;
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

/// As with Google Chat, the address is the secret.
pub struct ChatSpace {
    key: String,
    /// As it is written in the URL, with its `%3D`.
    token: String,
    posts: Log<GoogleChatPost>,
}

const PATH: &str = "/v1/spaces/AAA/messages";

impl GoogleChat {
    pub fn start() -> io::Result<Self> {
        Self::open(ChatSpace::default(), None)
    }
}

impl Default for ChatSpace {
    fn default() -> Self {
        let (key, token) = (format!("AIza{}", random_text(35)), format!("{}%3D", random_text(43)));
        Self { key, token, posts: Log::new("messages to Google Chat") }
    }
}

impl Vendor for ChatSpace {
    type Post = GoogleChatPost;

    fn endpoint(&self) -> String {
        format!("{PATH}?key={}&token={}", self.key, self.token)
    }

    fn log(&self) -> &Log<GoogleChatPost> {
        &self.posts
    }

    fn answer(&self, request: &Request) -> Reply {
        self.read(request).map_or_else(|refusal| refusal, |body| self.take(request, body, new_thread(), None))
    }

    /// Google documents no Retry-After; it is sent only where the script names one.
    fn throttled(&self, _request: &Request, retry_after: Option<u32>) -> Reply {
        error(429, "Resource has been exhausted (e.g. check quota).").after(retry_after)
    }

    fn broken(&self, status: u16) -> Reply {
        error(status, "Internal error encountered.")
    }
}

impl ChatSpace {
    /// The body of a request to this webhook, or the refusal.
    pub fn read(&self, request: &Request) -> Result<Value, Reply> {
        if request.path != PATH {
            return Err(refusal(404, format!("no space has the path {:?}", request.path)));
        }
        if request.method != "POST" {
            return Err(refusal(404, format!("{} instead of POST", request.method)));
        }
        if !request.query_values("key").eq([self.key.as_str()]) {
            return Err(refusal(403, "the key is not the webhook's"));
        }
        if !request.query_values("token").eq([self.token.as_str()]) {
            return Err(refusal(401, "the token is not the webhook's, or was encoded again"));
        }
        serde_json::from_slice(&request.body).map_err(|error| refusal(400, format!("Invalid JSON payload: {error}")))
    }

    pub fn take(&self, request: &Request, body: Value, thread: String, key: Option<String>) -> Reply {
        let mut answer = body.clone();
        let message = thread.rsplit('/').next().unwrap_or_default();
        answer["name"] = json!(format!("spaces/AAA/messages/{message}.{}", random_text(11)));
        answer["thread"] = json!({ "name": thread });
        let text = body.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.posts.push(GoogleChatPost { at: request.at, text, thread, key, body });
        Reply::json(200, &answer)
    }
}

/// The name of a thread with no messages.
pub fn new_thread() -> String {
    format!("spaces/AAA/threads/{}", random_text(11))
}

/// Google's answer to a request that breaks a rule.
pub fn refusal(code: u16, why: impl Into<String>) -> Reply {
    let why = why.into();
    error(code, &why).offended(why)
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
