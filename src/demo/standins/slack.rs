//! Slack's incoming webhook.

use std::io;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::http::{Reply, Request};
use super::log::Log;
use super::random::random_text;
use super::stand_in::{StandIn, Vendor};

pub type Slack = StandIn<Webhook>;

/// A message that Slack took.
#[derive(Debug, Clone, PartialEq)]
pub struct SlackPost {
    pub at: Instant,
    /// Empty if there are only blocks or attachments.
    pub text: String,
    pub body: Value,
}

/// As with Slack, the address is the secret.
pub struct Webhook {
    path: String,
    posts: Log<SlackPost>,
}

impl Slack {
    pub fn start() -> io::Result<Self> {
        Self::open(Webhook::default(), None)
    }
}

impl Default for Webhook {
    fn default() -> Self {
        Self { path: format!("/services/T0DEMO/B0DEMO/{}", random_text(24)), posts: Log::new("posts to Slack") }
    }
}

impl Vendor for Webhook {
    type Post = SlackPost;

    fn endpoint(&self) -> String {
        self.path.clone()
    }

    fn log(&self) -> &Log<SlackPost> {
        &self.posts
    }

    fn answer(&self, request: &Request) -> Reply {
        if request.path != self.path {
            return Reply::text(404, "no_service").offended(format!("no webhook has the path {:?}", request.path));
        }
        if request.method != "POST" {
            return Reply::text(405, "method_not_allowed").offended(format!("{} instead of POST", request.method));
        }
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
            return Reply::text(400, "invalid_payload").offended("the body is not JSON");
        };
        let text = body.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.posts.push(SlackPost { at: request.at, text, body });
        Reply::text(200, "ok")
    }

    fn throttled(&self, _request: &Request, retry_after: Option<u32>) -> Reply {
        let seconds = retry_after.unwrap_or(1);
        Reply::json(429, &json!({ "retry_after": seconds, "ok": false, "error": "rate_limited" })).after(retry_after)
    }

    fn broken(&self, status: u16) -> Reply {
        Reply::text(status, if status == 500 { "rollup_error" } else { "service_unavailable" })
    }
}
