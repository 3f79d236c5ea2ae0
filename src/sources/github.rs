//! GitHub's webhooks, and those of Gitea and Forgejo, which have the same signatures and names:
//! <https://docs.github.com/en/webhooks/webhook-events-and-payloads>

use reqwest::header::HeaderName;

use super::posted::{Posted, PostedEvents, PostedKind};
use super::source::{AlertTexts, alert_texts};
use crate::config_reader::TableReader;
use crate::ingress::verify::{Verify, secrets};
use crate::ingress::{Known, Unreadable, VerifiedRequest, text_at};

/// The older header beside it is SHA-1, and ignored.
const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
/// The first delivery of a new webhook, a test of the connection.
const PING: &str = "ping";
/// Twice the longest name of an event that GitHub has.
const MAX_NAME: usize = 64;

/// `[source.github.NAME]`
pub(super) type Config = Posted<GithubKind>;
pub(super) type Github = Config;

#[derive(Debug, Default)]
pub struct GithubKind;

impl PostedKind for GithubKind {
    const ALERT_TEXTS: AlertTexts = alert_texts!("GitHub source");

    fn read_verify(table: &TableReader) -> Option<Verify> {
        let secrets = secrets(table, "secret");
        if !table.has("secret") {
            table.missing_with_hint("secret", Some("the one that is set on the webhook's page at GitHub"));
        }
        let secrets: Vec<_> = secrets?.into_iter().map(|secret| secret.value).collect();
        Some(Verify::body_signature(&secrets, SIGNATURE, "sha256="))
    }

    /// One event: `push`, or `pull_request.opened` where the event has actions.
    fn events_of(&self, request: &VerifiedRequest) -> Result<PostedEvents, Unreadable> {
        let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
        let event = header("x-github-event").filter(|name| is_name(name));
        let event = event.ok_or_else(|| Unreadable::malformed("the header `x-github-event` names no event"))?;
        let data = request.parse()?;
        if event == PING {
            return Ok(PostedEvents::default());
        }
        let text = |pointer| text_at(data.value(), pointer).map(str::to_owned);
        let action = text("/action").filter(|action| is_name(action));
        let known = Known {
            r#type: Some(action.map_or_else(|| event.to_owned(), |action| format!("{event}.{action}"))),
            // The same when a delivery is sent again, which happens only by hand.
            id: header("x-github-delivery").map(str::to_owned),
            subject: text("/repository/full_name").or_else(|| text("/organization/login")),
            time: None,
        };
        Ok(vec![known.event(data, request.arrived)].into())
    }
}

fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests;
