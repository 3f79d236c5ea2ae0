//! What the Web API's words mean. Its status is 200 whatever happens, limits and outages excepted.

use std::borrow::Cow;
use std::time::Duration;

use super::answer::Answer;
use crate::fault::Fault;
use crate::message::SendError;
use crate::outbound::{FailureClass, Reply};

/// For a whole workspace that has said too much; Slack names no time.
const UNTIL_A_WORKSPACE_IS_CALM: Duration = Duration::from_secs(300);

/// The three things that are asked of Slack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A message of its own.
    Begin,
    /// Another content for the head of a thread.
    Edit,
    /// A message in a thread.
    Reply,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Done(Answer),
    /// What it was about cannot be edited or answered any more, whoever asks; a new message can be sent all the same.
    Past(Fault),
}

impl Step {
    pub(super) fn outcome(self, reply: &Reply) -> Result<Outcome, SendError> {
        let answer = Answer::of(&reply.body);
        let word = answer.as_ref().filter(|answer| !answer.ok).and_then(|answer| answer.error.as_deref());
        if reply.is_success() && word.is_some_and(|word| self.is_past(word)) {
            return Ok(Outcome::Past(reply.cause()));
        }
        match reply.verdict(|reply| class(reply, answer.as_ref(), word.unwrap_or_default())) {
            Ok(()) => Ok(Outcome::Done(answer.unwrap_or_default())),
            Err(error) => Err(self.plainly(error, &answer.unwrap_or_default())),
        }
    }

    /// <https://docs.slack.dev/reference/methods/chat.update>, <https://docs.slack.dev/reference/methods/chat.postMessage>
    fn is_past(self, word: &str) -> bool {
        match self {
            Self::Begin => false,
            Self::Edit => matches!(
                word,
                "cant_update_message"
                    | "message_not_found"
                    | "edit_window_closed"
                    | "is_inactive"
                    | "update_failed"
                    | "block_mismatch"
                    | "streaming_state_conflict"
            ),
            Self::Reply => matches!(
                word,
                "thread_not_found"
                    | "message_not_found"
                    | "invalid_thread_ts"
                    | "cannot_reply_to_message"
                    | "restricted_action_thread_locked"
                    | "restricted_action_non_threadable_channel"
            ),
        }
    }

    fn plainly(self, error: SendError, answer: &Answer) -> SendError {
        let word = answer.error.as_deref().unwrap_or_default();
        match error {
            SendError::Later { wait, lane, cause, .. } => {
                let in_body = || answer.retry_after.map(|seconds| Duration::from_secs(seconds.min(3600)));
                let calm = || (word == "message_limit_exceeded").then_some(UNTIL_A_WORKSPACE_IS_CALM);
                // Slack says of both that some of it may have been done. To do an edit again changes nothing.
                let maybe = matches!(word, "internal_error" | "fatal_error") && self != Self::Edit;
                SendError::Later { wait: wait.or_else(in_body).or_else(calm), lane, maybe, cause }
            }
            SendError::NeverDestination(cause) => SendError::NeverDestination(match way_out(word, answer) {
                Some(said) => cause.while_doing(said),
                None => cause,
            }),
            never @ SendError::NeverMessage(_) => never,
        }
    }
}

fn class(reply: &Reply, answer: Option<&Answer>, word: &str) -> Option<FailureClass> {
    match word {
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
        word if word.starts_with("restricted_action") => Some(FailureClass::NeverDestination),
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
        // A word that is not known yet, or not Slack speaking at all: asking again is all that is left.
        _ if reply.is_success() && !answer.is_some_and(|answer| answer.ok) => Some(FailureClass::Later { lane: false }),
        _ => None,
    }
}

/// What a person has to do.
fn way_out(word: &str, answer: &Answer) -> Option<Cow<'static, str>> {
    Some(match word {
        "missing_scope" => match answer.needed.as_deref().filter(|needed| is_scope(needed)) {
            Some(needed) => format!("the token lacks the scope {needed}: add it to the app and install the app again"),
            None => "the token lacks a scope: add it to the app and install the app again".to_owned(),
        }
        .into(),
        "not_in_channel" => "the bot is not in the channel: invite it there".into(),
        "channel_not_found" => "the bot sees no such channel: mend the id, or invite the bot if it is private".into(),
        "is_archived" | "channel_is_archived" => "the channel is archived".into(),
        "not_authed" | "invalid_auth" | "account_inactive" | "token_revoked" | "token_expired" => {
            "Slack does not take the token".into()
        }
        "not_allowed_token_type" => "this is no bot's token, which begins with xoxb-".into(),
        "unknown_method" => "`api` does not lead to Slack's Web API".into(),
        _ => return None,
    })
}

/// `chat:write.public`; a list of such where one of several would do. Nothing else is repeated from a reply, as it
/// stands here without having been searched for secrets.
fn is_scope(needed: &str) -> bool {
    let known = |letter: char| letter.is_ascii_lowercase() || matches!(letter, ':' | '.' | '_' | ',' | ' ');
    !needed.is_empty() && needed.len() <= 100 && needed.chars().all(known)
}
