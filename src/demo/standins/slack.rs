//! Slack's incoming webhook.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::log::{Late, Log};
use super::peer::{Peer, Vendor};
use super::slack_rules::judge;
use super::unguessable;
use super::wire::{Reply, Request};

pub type Slack = Peer<Webhook>;

/// A message as Slack took it.
#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    pub at: Instant,
    /// Empty where there are only blocks or attachments.
    pub text: String,
    pub body: Value,
}

#[derive(Debug)]
pub struct Webhook {
    path: String,
    posts: Log<Post>,
}

impl Slack {
    pub async fn start() -> io::Result<Self> {
        Self::start_at(0).await
    }

    pub async fn start_at(port: u16) -> io::Result<Self> {
        let path = format!("/services/T0DEMO/B0DEMO/{}", unguessable(24));
        Self::open(port, Webhook { path, posts: Log::new("posts to Slack") }).await
    }

    /// The webhook; as with Slack, the address is the secret.
    pub fn url(&self) -> String {
        format!("{}{}", self.base(), self.vendor().path)
    }

    pub fn log(&self) -> &Log<Post> {
        &self.vendor().posts
    }

    /// What was taken, in order.
    pub fn posts(&self) -> Vec<Post> {
        self.log().all()
    }

    pub async fn wait_for(&self, posts: usize, limit: Duration) -> Result<Vec<Post>, Late> {
        self.log().wait_for(posts, limit).await
    }

    pub async fn next(&self, limit: Duration) -> Result<Post, Late> {
        self.log().next(limit).await
    }
}

impl Vendor for Webhook {
    fn answer(&self, request: &Request) -> Reply {
        if request.path != self.path {
            return Reply::text(404, "no_service").offended(format!("no webhook has the path {:?}", request.path));
        }
        if request.method != "POST" {
            return Reply::text(405, "method_not_allowed").offended(format!("{} instead of POST", request.method));
        }
        match judge(request) {
            Err(refused) => {
                Reply::text(refused.status, refused.word).offended(format!("{}: {}", refused.word, refused.why))
            }
            Ok(body) => self.take(request, body),
        }
    }

    fn throttled(&self, _request: &Request, retry_after: Option<u32>) -> Reply {
        let seconds = retry_after.unwrap_or(1);
        Reply::json(429, &json!({ "retry_after": seconds, "ok": false, "error": "rate_limited" })).after(retry_after)
    }

    fn broken(&self, _request: &Request, status: u16) -> Reply {
        Reply::text(status, if status == 500 { "rollup_error" } else { "service_unavailable" })
    }
}

impl Webhook {
    fn take(&self, request: &Request, body: Value) -> Reply {
        // An app's webhook is bound to its channel and name: Slack takes the message and ignores the wish.
        let wish = ["channel", "username", "icon_emoji", "icon_url"].into_iter().find(|key| body.get(key).is_some());
        let text = body.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.posts.push(Post { at: request.at, text, body });
        let reply = Reply::text(200, "ok");
        match wish {
            Some(key) => reply.offended(format!("an app's webhook cannot set {key}")),
            None => reply,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::faults::Trouble;
    use super::super::peer::Outcome;
    use super::super::wire::tests::{post, raw};
    use super::*;

    #[tokio::test]
    async fn a_plain_text_is_taken_and_what_is_wrong_is_refused_in_slacks_words() {
        let slack = Slack::start().await.unwrap();
        let url = slack.url();
        assert_eq!(post(&url, r#"{"text":"Your container was created"}"#).await, (200, "ok".to_owned()));
        assert_eq!(slack.next(Duration::from_secs(5)).await.unwrap().text, "Your container was created");
        assert!(slack.offences().is_empty());

        for (body, answer) in [
            (r"{}", "no_text"),
            (r#"{"text":""}"#, "no_text"),
            (r#"{"text":7}"#, "invalid_payload"),
            (r#""text""#, "invalid_payload"),
            (r#"{"text":"#, "invalid_payload"),
            (r#"{"blocks":[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]}"#, "invalid_blocks"),
            (r#"{"attachments":[{"color":"reddish","text":"x"}]}"#, "invalid_attachments"),
        ] {
            assert_eq!(post(&url, body).await, (400, answer.to_owned()), "{body}");
        }
        assert_eq!(post(&format!("{url}x"), r#"{"text":"x"}"#).await.1, "no_service");
        assert_eq!(slack.offences().len(), 8);
        assert_eq!(slack.posts().len(), 1);
    }

    #[tokio::test]
    async fn troubles_come_in_their_order_and_a_lost_answer_means_a_taken_message() {
        let slack = Slack::start().await.unwrap();
        slack.fail_with([
            Trouble::Throttled { retry_after: Some(2) },
            Trouble::ResetBefore,
            Trouble::ResetAfter,
            Trouble::Status(503),
        ]);
        let url = slack.url();
        let (status, body) = post(&url, r#"{"text":"1"}"#).await;
        assert_eq!((status, body.contains("rate_limited")), (429, true));
        assert!(raw(&url, "application/json", r#"{"text":"2"}"#).await.is_err());
        assert!(raw(&url, "application/json", r#"{"text":"3"}"#).await.is_err());
        assert_eq!(post(&url, r#"{"text":"4"}"#).await.0, 503);
        assert_eq!(post(&url, r#"{"text":"5"}"#).await.0, 200);
        let texts: Vec<_> = slack.posts().into_iter().map(|post| post.text).collect();
        assert_eq!(texts, ["3", "5"]);
        let first = slack.attempts().all().remove(0).outcome;
        assert_eq!(first, Outcome::Answered { status: 429, retry_after: Some("2".to_owned()) });
    }

    #[tokio::test]
    async fn a_port_that_went_down_refuses_and_comes_back_at_its_address() {
        let slack = Slack::start().await.unwrap();
        let url = slack.url();
        slack.go_down().await;
        assert!(raw(&url, "application/json", r#"{"text":"x"}"#).await.is_err());
        slack.come_back().await.unwrap();
        assert_eq!(post(&url, r#"{"text":"x"}"#).await.0, 200);
    }

    #[tokio::test]
    async fn only_json_is_called_json() {
        let slack = Slack::start().await.unwrap();
        let (status, body) = raw(&slack.url(), "text/plain", r#"{"text":"x"}"#).await.unwrap();
        assert_eq!((status, body.as_str()), (400, "invalid_payload"));
    }
}
