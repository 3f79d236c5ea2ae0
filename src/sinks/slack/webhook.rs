//! The incoming webhook. Its reply does not identify the message, so there are no threads and no edits.

use std::borrow::Cow;

use super::super::chat_webhook::ChatWebhook;
use super::super::payload::to_body;
use super::super::sink::SinkTraits;
use super::api_reply::ApiReply;
use super::payload::Payload;
use crate::message::{Markup, Message, Receipt, SendError};
use crate::outbound::{FailureClass, Outbound, Reply};

#[derive(Debug)]
pub struct Webhook(pub(super) ChatWebhook);

impl Webhook {
    /// <https://docs.slack.dev/apis/web-api/rate-limits>: one a second for each webhook, short bursts tolerated.
    pub(super) fn traits(&self) -> SinkTraits {
        self.0.traits(Markup::Slack, 3)
    }

    pub(super) async fn send(&self, net: &Outbound, message: &Message) -> Result<Receipt, SendError> {
        let body = match &message.raw {
            Some(raw) => to_body(raw)?,
            None => to_body(&Payload::new(message))?,
        };
        self.0.post(net, body, exceptions).await.map(|_| Receipt::default())
    }
}

/// <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>: a success has the
/// body `ok`. Slack has changed the statuses of its error codes more than once, so the code decides before the status.
fn exceptions(reply: &Reply) -> Option<FailureClass> {
    if reply.is_success() && reply.body == b"ok" {
        return None;
    }
    match code(&reply.body).as_deref().unwrap_or_default() {
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
        // Not Slack's: the page of a proxy, an incomplete reply. Only another attempt can help.
        _ if reply.is_success() => Some(FailureClass::Later { lane: false }),
        _ => None,
    }
}

/// `ok` or the error code: the plain body, or `error` of `{"ok":false,"error":"…"}`.
fn code(body: &[u8]) -> Option<Cow<'_, str>> {
    if let Some(reply) = ApiReply::parse(body) {
        return if reply.ok { Some("ok".into()) } else { reply.error.map(Cow::Owned) };
    }
    std::str::from_utf8(body).ok().map(|text| text.trim().into())
}
