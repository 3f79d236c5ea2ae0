//! The calls of the Web API and the verdicts on their replies. Except for limits and outages, the status is always 200.

use std::borrow::Cow;
use std::time::Duration;

use super::super::chat_webhook::with_wait_in_body;
use super::api_reply::ApiReply;
use crate::fault::Fault;
use crate::message::SendError;
use crate::outbound::{FailureClass, Reply};

/// After a workspace has reached its own limit, for which Slack names no wait.
const WORKSPACE_WAIT: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// A new message in the channel.
    Post,
    /// New content for the head of a thread.
    Edit,
    /// A message in a thread.
    Reply,
}

#[derive(Debug)]
pub(super) enum CallResult {
    Done(ApiReply),
    /// The message can no longer be edited or replied to. A new message can still be posted.
    ThreadGone(Fault),
}

impl Call {
    pub(super) fn result(self, reply: &Reply) -> Result<CallResult, SendError> {
        let body = ApiReply::parse(&reply.body);
        let code = body.as_ref().filter(|body| !body.ok).and_then(|body| body.error.as_deref());
        if reply.is_success() && code.is_some_and(|code| self.is_thread_gone(code)) {
            return Ok(CallResult::ThreadGone(reply.cause()));
        }
        match reply.verdict(|reply| class(reply, body.as_ref(), code.unwrap_or_default())) {
            Ok(()) => Ok(CallResult::Done(body.unwrap_or_default())),
            Err(error) => Err(self.explain(with_wait_in_body(error, reply), &body.unwrap_or_default())),
        }
    }

    /// <https://docs.slack.dev/reference/methods/chat.update>, <https://docs.slack.dev/reference/methods/chat.postMessage>
    fn is_thread_gone(self, code: &str) -> bool {
        match self {
            Self::Post => false,
            Self::Edit => matches!(
                code,
                "cant_update_message"
                    | "message_not_found"
                    | "edit_window_closed"
                    | "is_inactive"
                    | "update_failed"
                    | "block_mismatch"
                    | "streaming_state_conflict"
            ),
            Self::Reply => matches!(
                code,
                "thread_not_found"
                    | "message_not_found"
                    | "invalid_thread_ts"
                    | "cannot_reply_to_message"
                    | "restricted_action_thread_locked"
                    | "restricted_action_non_threadable_channel"
            ),
        }
    }

    fn explain(self, error: SendError, reply: &ApiReply) -> SendError {
        let code = reply.error.as_deref().unwrap_or_default();
        match error {
            SendError::Later { wait, lane, cause, .. } => {
                let of_workspace = || (code == "message_limit_exceeded").then_some(WORKSPACE_WAIT);
                // Slack documents that both may have been carried out in part. Repeating an edit changes nothing.
                let maybe = matches!(code, "internal_error" | "fatal_error") && self != Self::Edit;
                SendError::Later { wait: wait.or_else(of_workspace), lane, maybe, cause }
            }
            SendError::NeverDestination(cause) => SendError::NeverDestination(match remedy(code, reply) {
                Some(remedy) => cause.while_doing(remedy),
                None => cause,
            }),
            never @ SendError::NeverMessage(_) => never,
        }
    }
}

fn class(reply: &Reply, body: Option<&ApiReply>, code: &str) -> Option<FailureClass> {
    match code {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" | "service_unavailable" | "team_added_to_org" => {
            Some(FailureClass::Later { lane: true })
        }
        "internal_error" | "fatal_error" | "request_timeout" => Some(FailureClass::Later { lane: false }),
        "channel_not_found"
        | "not_in_channel"
        | "is_archived"
        | "channel_is_archived"
        | "cannot_reply_to_message"
        | "messages_tab_disabled"
        | "not_authed"
        | "invalid_auth"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "missing_scope"
        | "no_permission"
        | "not_allowed_token_type"
        | "ekm_access_denied"
        | "access_denied"
        | "org_login_required"
        | "team_access_not_granted"
        | "two_factor_setup_required"
        | "enterprise_is_restricted"
        | "unknown_method"
        | "method_deprecated"
        | "deprecated_endpoint" => Some(FailureClass::NeverDestination),
        code if code.starts_with("restricted_action") => Some(FailureClass::NeverDestination),
        "no_text"
        | "msg_too_long"
        | "invalid_blocks"
        | "invalid_blocks_format"
        | "invalid_attachments"
        | "msg_blocks_too_long"
        | "too_many_attachments"
        | "attachment_payload_limit_exceeded"
        | "metadata_too_large"
        | "invalid_metadata_format"
        | "invalid_metadata_schema"
        | "markdown_text_conflict"
        | "invalid_arguments"
        | "invalid_arg_name"
        | "invalid_array_arg"
        | "invalid_json"
        | "json_not_object" => Some(FailureClass::NeverMessage),
        // An unknown error code, or not Slack's reply: only another attempt can help.
        _ if reply.is_success() && !body.is_some_and(|body| body.ok) => Some(FailureClass::Later { lane: false }),
        _ => None,
    }
}

/// What a person can do about it.
fn remedy(code: &str, reply: &ApiReply) -> Option<Cow<'static, str>> {
    Some(match code {
        "missing_scope" => match reply.needed.as_deref().filter(|needed| is_scope(needed)) {
            Some(needed) => format!("the token lacks the scope {needed}: add it to the app and install the app again"),
            None => "the token lacks a scope: add it to the app and install the app again".to_owned(),
        }
        .into(),
        "not_in_channel" => "the bot is not in the channel: invite it there".into(),
        "channel_not_found" => {
            "the bot sees no such channel: check the id, or invite the bot if the channel is private".into()
        }
        "is_archived" | "channel_is_archived" => "the channel is archived".into(),
        "not_authed" | "invalid_auth" | "account_inactive" | "token_revoked" | "token_expired" => {
            "Slack refuses the token".into()
        }
        "not_allowed_token_type" => "this is not a bot token, which begins with xoxb-".into(),
        "unknown_method" => "`api` does not lead to Slack's Web API".into(),
        _ => return None,
    })
}

/// `chat:write.public`, or a list of alternatives. Anything else might be a secret, which is not removed from this
/// text.
fn is_scope(needed: &str) -> bool {
    let known = |letter: char| letter.is_ascii_lowercase() || matches!(letter, ':' | '.' | '_' | ',' | ' ');
    !needed.is_empty() && needed.len() <= 100 && needed.chars().all(known)
}
