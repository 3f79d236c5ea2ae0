//! Clients that post webhooks, each in its own way, and record every answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::json;
use sha2::Sha256;
use tokio::sync::watch;
use tokio::time::sleep;

/// Before a client repeats a post that was refused temporarily.
const PAUSE: Duration = Duration::from_millis(50);
pub(super) const MAX_BODY: usize = 2048;
pub(super) const KEY: &[u8] = b"a key of twenty-six bytes.";

/// How a client behaves; drawn at random beforehand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Behavior {
    /// Repeats the post with the same `webhook-id` until it is accepted.
    Persistent,
    /// Repeats the post although it was accepted.
    Repeating,
    /// Posts once, whatever the answer.
    Once,
    /// Posts something that the listener must refuse.
    Invalid(Defect),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Defect {
    NotJson,
    Signature,
    Path,
    Method,
    Size,
    ContentType,
}

impl Defect {
    pub(super) const ALL: [Self; 6] =
        [Self::NotJson, Self::Signature, Self::Path, Self::Method, Self::Size, Self::ContentType];

    pub(super) fn status(self) -> u16 {
        match self {
            Self::NotJson => 400,
            Self::Signature => 401,
            Self::Path => 404,
            Self::Method => 405,
            Self::Size => 413,
            Self::ContentType => 415,
        }
    }
}

impl Behavior {
    pub(super) fn draw() -> Self {
        match fastrand::u32(..100) {
            0..60 => Self::Persistent,
            60..65 => Self::Repeating,
            65..90 => Self::Once,
            _ => Self::Invalid(Defect::ALL[fastrand::usize(..Defect::ALL.len())]),
        }
    }
}

/// The answers to one client.
#[derive(Debug, Clone)]
pub(super) struct Posted {
    pub(super) n: usize,
    pub(super) behavior: Behavior,
    pub(super) answers: Vec<u16>,
    pub(super) unanswered: u32,
}

impl Posted {
    pub(super) fn is_accepted(&self) -> bool {
        self.answers.iter().any(|status| (200..300).contains(status))
    }
}

/// All clients. The listener's address changes with every start; while there is none, they wait.
pub(super) struct Senders {
    pub(super) http: reqwest::Client,
    pub(super) listener: watch::Sender<Option<String>>,
    pub(super) done: AtomicUsize,
    /// Answers of 500 and above.
    pub(super) server_errors: AtomicUsize,
}

impl Senders {
    pub(super) async fn send(&self, n: usize, behavior: Behavior) -> Posted {
        let mut posted = Posted { n, behavior, answers: Vec::new(), unanswered: 0 };
        let mut again = behavior == Behavior::Repeating;
        loop {
            match self.post(n, behavior).await {
                Ok(status) => {
                    posted.answers.push(status);
                    self.server_errors.fetch_add(usize::from(status >= 500), Ordering::Relaxed);
                    let is_temporary = status == 429 || status >= 500;
                    if is_temporary && !matches!(behavior, Behavior::Once) {
                        sleep(PAUSE).await;
                    } else if !std::mem::take(&mut again) {
                        break;
                    }
                }
                // Nothing was sent.
                Err(error) if error.is_connect() => sleep(Duration::from_millis(1)).await,
                Err(_) => {
                    posted.unanswered += 1;
                    if behavior == Behavior::Once {
                        break;
                    }
                }
            }
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        posted
    }

    async fn post(&self, n: usize, behavior: Behavior) -> Result<u16, reqwest::Error> {
        let mut listener = self.listener.subscribe();
        let listener =
            listener.wait_for(Option::is_some).await.expect("the sender is not dropped").clone().unwrap_or_default();
        let has = |defect| behavior == Behavior::Invalid(defect);
        let mut body = json!({ "kind": "order.paid", "n": n }).to_string();
        if has(Defect::NotJson) {
            body.pop();
        }
        if has(Defect::Size) {
            body.insert_str(1, &" ".repeat(MAX_BODY));
        }
        let (id, stamp) = (format!("msg_{n}"), Timestamp::now().as_second().to_string());
        let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("a key of any length is valid");
        mac.update(format!("{id}.{stamp}.{body}{}", if has(Defect::Signature) { "!" } else { "" }).as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let source = if has(Defect::Path) { "unknown" } else { "shop" };
        let method = if has(Defect::Method) { reqwest::Method::PUT } else { reqwest::Method::POST };
        let reply = self
            .http
            .request(method, format!("{listener}/hooks/{source}"))
            .header("content-type", if has(Defect::ContentType) { "text/plain" } else { "application/json" })
            .header("webhook-id", id)
            .header("webhook-timestamp", stamp)
            .header("webhook-signature", format!("v1,{signature}"))
            .body(body)
            .send()
            .await?;
        let status = reply.status().as_u16();
        // Read to the end, so that the connection can be reused.
        let _rest = reply.bytes().await;
        Ok(status)
    }
}
