//! The incoming webhook. Its reply names nothing that one could come back to: no threads, no edits.

use std::borrow::Cow;
use std::time::Duration;

use super::super::to_body;
use super::answer::Answer;
use super::payload::Payload;
use crate::message::{Message, Receipt, SendError};
use crate::outbound::{FailureClass, Outbound, Reply, Request, SecretUrl};

#[derive(Debug)]
pub struct Webhook {
    url: SecretUrl,
    net: Outbound,
}

impl Webhook {
    pub(super) fn open(url: SecretUrl, net: &Outbound) -> Self {
        Self { url, net: net.clone() }
    }

    pub(super) fn destination(&self) -> String {
        self.url.destination()
    }

    pub(super) async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let body = match &message.raw {
            Some(raw) => to_body(raw)?,
            None => to_body(&Payload::of(message))?,
        };
        let reply = self.net.deliver(Request::post(&self.url, body)).await?;
        reply.verdict(exceptions).map(|()| Receipt::default()).map_err(|error| with_wish_of_body(error, &reply))
    }
}

/// <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>: success is the word `ok`. Slack
/// changed which status carries which word more than once, so the word counts first.
fn exceptions(reply: &Reply) -> Option<FailureClass> {
    if reply.is_success() && reply.body == b"ok" {
        return None;
    }
    match word(&reply.body).as_deref().unwrap_or_default() {
        "ok" if reply.is_success() => None,
        "invalid_payload"
        | "no_text"
        | "user_not_found"
        | "too_many_attachments"
        | "invalid_blocks"
        | "invalid_blocks_format"
        | "invalid_attachments"
        | "msg_too_long"
        | "msg_blocks_too_long"
        | "attachment_payload_limit_exceeded" => Some(FailureClass::NeverMessage),
        "action_prohibited"
        | "invalid_token"
        | "invalid_auth"
        | "posting_to_general_channel_denied"
        | "channel_not_found"
        | "no_service"
        | "no_service_id"
        | "no_active_hooks"
        | "no_team"
        | "team_disabled"
        | "channel_is_archived"
        | "is_archived"
        | "account_inactive"
        | "token_revoked" => Some(FailureClass::NeverDestination),
        "rate_limited" | "ratelimited" | "service_unavailable" => Some(FailureClass::Later { lane: true }),
        "rollup_error" | "internal_error" | "fatal_error" | "request_timeout" => {
            Some(FailureClass::Later { lane: false })
        }
        // Not Slack speaking: a proxy's page, half an answer. Asking again is all that is left.
        _ if reply.is_success() => Some(FailureClass::Later { lane: false }),
        _ => None,
    }
}

/// The reply's word: the plain body, or `error` of `{"ok":false,"error":"…"}`.
fn word(body: &[u8]) -> Option<Cow<'_, str>> {
    if let Some(answer) = Answer::of(body) {
        return if answer.ok { Some("ok".into()) } else { answer.error.map(Cow::Owned) };
    }
    std::str::from_utf8(body).ok().map(|text| text.trim().into())
}

/// Slack writes its `retry_after` into the body too, where no proxy strips it.
fn with_wish_of_body(error: SendError, reply: &Reply) -> SendError {
    match error {
        SendError::Later { wait: None, lane, maybe, cause } => {
            let seconds = Answer::of(&reply.body).and_then(|answer| answer.retry_after);
            let wait = seconds.map(|seconds| Duration::from_secs(seconds.min(3600)));
            SendError::Later { wait, lane, maybe, cause }
        }
        other => other,
    }
}
