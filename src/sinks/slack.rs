//! Slack, by incoming webhook. The URL is the credential and the channel.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};

use super::{Manner, Sink, parts, to_body};
use crate::message::{Markup, Message, Receipt, SendError, Severity, Signal, Unit, cut};
use crate::outbound::{Class, Endpoint, Outbound, Reply};
use crate::said::{Rate, Table};

/// Slack takes ten times that, but asks for no more than this and folds what is longer.
const LONGEST_TEXT: usize = 4000;
const LONGEST_TITLE: usize = 300;
const LONGEST_LINK: usize = 2000;
const LONGEST_FIELD: usize = 2000;
const MOST_FIELDS: usize = 20;
/// What the first Tutum bridge said when it had nothing to say.
const NOTHING_TO_SAY: &str = "You received a message from Tutum Stream!";

#[derive(Debug)]
pub struct Config {
    webhook: Endpoint,
}

impl Config {
    pub(super) fn read(table: &Table) -> Option<Self> {
        let webhook =
            Endpoint::read_secret(table, "webhook", "Please provide a Slack URL: webhook = { env = \"SLACK_URL\" }")?
                .value;
        Some(Self { webhook })
    }
}

#[derive(Debug)]
pub struct Slack {
    webhook: Endpoint,
    net: Outbound,
}

impl Slack {
    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        Self { webhook: config.webhook, net: net.clone() }
    }
}

impl Sink for Slack {
    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let body = match &message.raw {
            Some(raw) => to_body(raw)?,
            None => to_body(&payload(message))?,
        };
        let reply = self.net.post(&self.webhook, HeaderMap::new(), body).await?;
        // A webhook's reply names nothing that one could come back to.
        reply.verdict(exceptions).map(|()| Receipt::default()).map_err(|error| with_wish_of_body(error, &reply))
    }

    fn manner(&self) -> Manner {
        Manner {
            markup: Markup::Slack,
            // https://docs.slack.dev/apis/web-api/rate-limits: one a second, short bursts tolerated.
            rate: Some(Rate { times: 1, per: Duration::from_secs(1) }),
            burst: 3,
            chat: true,
            ..Manner::plain(self.webhook.destination())
        }
    }
}

/// <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>: success is the word `ok`. Slack
/// changed which status carries which word more than once, so the word counts first.
fn exceptions(reply: &Reply) -> Option<Class> {
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
        | "attachment_payload_limit_exceeded" => Some(Class::NeverMessage),
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
        | "token_revoked" => Some(Class::NeverDestination),
        "rate_limited" | "ratelimited" | "service_unavailable" => Some(Class::Later { lane: true }),
        "rollup_error" | "internal_error" | "fatal_error" | "request_timeout" => Some(Class::Later { lane: false }),
        // Not Slack speaking: a proxy's page, half an answer. Asking again is all that is left.
        _ if reply.is_success() => Some(Class::Later { lane: false }),
        _ => None,
    }
}

/// The reply's word: the plain body, or `error` of `{"ok":false,"error":"…"}`.
fn word(body: &[u8]) -> Option<Cow<'_, str>> {
    if let Some(answer) = answer(body) {
        return if answer.ok { Some("ok".into()) } else { answer.error };
    }
    std::str::from_utf8(body).ok().map(|text| text.trim().into())
}

#[derive(Deserialize)]
struct Answer<'a> {
    ok: bool,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    retry_after: Option<u32>,
}

fn answer(body: &[u8]) -> Option<Answer<'_>> {
    serde_json::from_slice(body).ok()
}

/// Slack writes its `retry_after` into the body too, where no proxy strips it.
fn with_wish_of_body(error: SendError, reply: &Reply) -> SendError {
    match error {
        SendError::Later { wait: None, lane, maybe, cause } => {
            let seconds = answer(&reply.body).and_then(|answer| answer.retry_after).filter(|seconds| *seconds > 0);
            let wait = seconds.map(|seconds| Duration::from_secs(seconds.min(3600).into()));
            SendError::Later { wait, lane, maybe, cause }
        }
        other => other,
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<[Attachment<'a>; 1]>,
}

#[derive(Serialize)]
struct Attachment<'a> {
    fallback: String,
    color: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title_link: Option<String>,
    text: Cow<'a, str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field<'a>>,
    mrkdwn_in: [&'static str; 2],
}

#[derive(Serialize)]
struct Field<'a> {
    title: Cow<'a, str>,
    value: Cow<'a, str>,
    short: bool,
}

/// A text alone is nothing but a text. Anything more is one attachment, the only form with a bar of colour; the
/// text is then in there, since it would be shown twice otherwise.
fn payload(message: &Message) -> Payload<'_> {
    let text =
        if message.text.trim().is_empty() { in_place_of_text(message) } else { fit(&message.text, LONGEST_TEXT) };
    if message.is_plain() {
        return Payload { text: Some(text), attachments: None };
    }
    let title =
        message.title.as_deref().filter(|title| !title.trim().is_empty()).map(|title| fit(title, LONGEST_TITLE));
    // Half a link leads nowhere, so one that is too long is left out.
    let link = message.link.as_deref().map(str::trim);
    let link = link.filter(|link| !link.is_empty() && link.len() <= LONGEST_LINK);
    let text = match (link.map(without_link_marks), &title) {
        (Some(link), None) => {
            let room = LONGEST_TEXT.saturating_sub(Unit::Utf16.count(&link) + "\n<>".len());
            format!("{}\n<{link}>", fit(&text, room)).into()
        }
        _ => text,
    };
    let fallback = title.as_ref().map_or_else(|| text.to_string(), |title| format!("{title}: {text}"));
    let attachment = Attachment {
        fallback: cut(&fallback, LONGEST_TEXT, Unit::Utf16),
        color: color(message),
        title_link: link.filter(|_| title.is_some()).map(unescaped),
        title,
        text,
        fields: fields(message),
        mrkdwn_in: ["text", "fields"],
    };
    Payload { text: None, attachments: Some([attachment]) }
}

fn in_place_of_text(message: &Message) -> Cow<'static, str> {
    let origin = &message.origin;
    match (origin.subject.trim(), origin.r#type.trim()) {
        // What readers of the tutorial's stream expect.
        _ if &*origin.kind == "tutum" => NOTHING_TO_SAY.into(),
        ("", "") => NOTHING_TO_SAY.into(),
        // These come out of an event, and no wording has escaped them.
        (subject, r#type) => {
            let said = Markup::Slack.escaped(format!("{type} {subject}").trim());
            cut(&said, LONGEST_TEXT, Unit::Utf16).into()
        }
    }
}

fn fields(message: &Message) -> Vec<Field<'_>> {
    let shown = message.fields.iter().take(MOST_FIELDS).map(|field| Field {
        title: fit(&field.name, LONGEST_TITLE),
        value: fit(&field.value, LONGEST_FIELD),
        short: field.short,
    });
    let mut fields: Vec<_> = shown.collect();
    if let Some(left @ 1..) = message.fields.len().checked_sub(MOST_FIELDS) {
        fields.push(Field { title: "…".into(), value: format!("and {left} more").into(), short: false });
    }
    fields
}

fn color(message: &Message) -> &str {
    match (parts::color(message), message.signal, message.severity) {
        (Some(color), _, _) => color,
        (None, Some(Signal::Resolve), _) => "good",
        (None, _, Severity::Info) => "#439fe0",
        (None, _, Severity::Warning) => "warning",
        (None, _, Severity::Error) => "danger",
        (None, _, Severity::Critical) => "#8b0000",
    }
}

fn fit(text: &str, limit: usize) -> Cow<'_, str> {
    // UTF-16 units are never more than bytes, so most texts need no counting.
    if text.len() <= limit { Cow::Borrowed(text) } else { Cow::Owned(cut(text, limit, Unit::Utf16)) }
}

/// Within `<…>` these three end a link.
fn without_link_marks(link: &str) -> String {
    link.replace('|', "%7C").replace('<', "%3C").replace('>', "%3E")
}

/// `title_link` is a URL and no mrkdwn: the escaping that the wording did is undone.
fn unescaped(link: &str) -> String {
    link.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
