//! Slack's incoming webhook.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::http::{Reply, Request};
use super::log::{Log, WaitTimeout};
use super::random::random_text;
use super::slack_rules::check_webhook_post;
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

#[derive(Debug)]
pub struct Webhook {
    path: String,
    posts: Log<SlackPost>,
}

impl Slack {
    pub async fn start() -> io::Result<Self> {
        let path = format!("/services/T0DEMO/B0DEMO/{}", random_text(24));
        Self::open(0, Webhook { path, posts: Log::new("posts to Slack") }).await
    }

    /// The webhook; as with Slack, the address is the secret.
    pub fn url(&self) -> String {
        format!("{}{}", self.base(), self.vendor().path)
    }

    pub fn log(&self) -> &Log<SlackPost> {
        &self.vendor().posts
    }

    /// The messages that were taken, in order.
    pub fn posts(&self) -> Vec<SlackPost> {
        self.log().all()
    }

    pub async fn wait_for(&self, posts: usize, limit: Duration) -> Result<Vec<SlackPost>, WaitTimeout> {
        self.log().wait_for(posts, limit).await
    }

    pub async fn next(&self, limit: Duration) -> Result<SlackPost, WaitTimeout> {
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
        match check_webhook_post(request) {
            Err(broken) => Reply::text(400, broken.code).offended(format!("{}: {}", broken.code, broken.reason)),
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
        // An app's webhook is bound to its channel and name: Slack takes the message and ignores these.
        let ignored = ["channel", "username", "icon_emoji", "icon_url"].into_iter().find(|key| body.get(key).is_some());
        let text = body.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.posts.push(SlackPost { at: request.at, text, body });
        let reply = Reply::text(200, "ok");
        match ignored {
            Some(key) => reply.offended(format!("an app's webhook cannot set {key}")),
            None => reply,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    use super::super::faults::InjectedFault;
    use super::super::http::tests::{post, raw};
    use super::super::stand_in::AttemptOutcome;
    use super::*;

    #[tokio::test]
    async fn a_plain_text_is_taken_and_an_invalid_post_is_refused_with_slacks_error() {
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
    async fn faults_are_injected_in_order_and_a_lost_answer_means_a_taken_message() {
        let slack = Slack::start().await.unwrap();
        slack.fail_with([
            InjectedFault::Throttled { retry_after: Some(2) },
            InjectedFault::ResetBefore,
            InjectedFault::ResetAfter,
            InjectedFault::Status(503),
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
        assert_eq!(first, AttemptOutcome::Answered { status: 429, retry_after: Some("2".to_owned()) });
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
    async fn a_post_that_is_not_called_json_is_refused() {
        let slack = Slack::start().await.unwrap();
        let (status, body) = raw(&slack.url(), "text/plain", r#"{"text":"x"}"#).await.unwrap();
        assert_eq!((status, body.as_str()), (400, "invalid_payload"));
    }

    #[tokio::test]
    async fn an_endless_answer_flows_as_long_as_it_is_read_and_a_stalled_one_never_begins() {
        let slack = Slack::start().await.unwrap();
        slack.fail_with([InjectedFault::Endless, InjectedFault::Stall]);
        let address = slack.base().replace("http://", "");
        let mut client = TcpStream::connect(&address).await.unwrap();
        client.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        let mut much = vec![0; 4 * 1024 * 1024];
        client.read_exact(&mut much).await.unwrap();
        assert!(much.starts_with(b"HTTP/1.1 500 "));

        let mut client = TcpStream::connect(&address).await.unwrap();
        client.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        let attempts = slack.attempts().wait_for(2, Duration::from_secs(10)).await.unwrap();
        assert_eq!(attempts.last().map(|attempt| &attempt.outcome), Some(&AttemptOutcome::Stalled));
        assert!(timeout(Duration::ZERO, client.read_u8()).await.is_err());
        assert!(slack.posts().is_empty());
    }
}
