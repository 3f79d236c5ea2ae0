//! A message in Slack's form.

use std::borrow::Cow;

use serde::Serialize;

use super::super::message_parts as parts;
use crate::message::{Markup, Message, Severity, Signal, Unit, cut};

/// Slack recommends no more. It folds a longer new message, and refuses a longer edit.
pub(super) const LONGEST_TEXT: usize = 4000;
const LONGEST_TITLE: usize = 300;
const LONGEST_LINK: usize = 2000;
const LONGEST_FIELD: usize = 2000;
const MOST_FIELDS: usize = 20;
/// The text of the first Tutum bridge for a message without one.
const DEFAULT_TEXT: &str = "You received a message from Tutum Stream!";

#[derive(Serialize)]
pub(super) struct Payload<'a> {
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

impl<'a> Payload<'a> {
    /// A plain message is a text. Any other is one attachment, the only form with a coloured bar, which then has the
    /// text: beside it the text would be displayed twice.
    pub(super) fn new(message: &'a Message) -> Self {
        if message.is_plain() {
            return Self { text: Some(text(message)), attachments: None };
        }
        Self::colored(message)
    }

    /// Always an attachment.
    pub(super) fn colored(message: &'a Message) -> Self {
        Self { text: None, attachments: Some([attachment(message)]) }
    }
}

/// The message as the head of a thread that shows the current status: the signal is part of its title.
pub(super) fn status_head(message: &Message) -> Cow<'_, Message> {
    let status = match message.signal {
        Some(Signal::Resolve) => "Resolved",
        Some(Signal::Acknowledge) => "Acknowledged",
        Some(Signal::Trigger) | None => return Cow::Borrowed(message),
    };
    let title = message.title.as_deref().unwrap_or_default().trim();
    if title.to_lowercase().contains(&status.to_lowercase()) {
        return Cow::Borrowed(message);
    }
    let title = if title.is_empty() { status.to_owned() } else { format!("{status}: {title}") };
    Cow::Owned(Message { title: Some(title), ..message.clone() })
}

fn text(message: &Message) -> Cow<'_, str> {
    if message.text.trim().is_empty() { default_text(message) } else { fit(&message.text, LONGEST_TEXT) }
}

fn attachment(message: &Message) -> Attachment<'_> {
    let text = text(message);
    let title =
        message.title.as_deref().filter(|title| !title.trim().is_empty()).map(|title| fit(title, LONGEST_TITLE));
    // Half a link is useless, so a longer one is left out.
    let link = message.link.as_deref().map(str::trim);
    let link = link.filter(|link| !link.is_empty() && link.len() <= LONGEST_LINK);
    let text = match (link.map(encode_link), &title) {
        (Some(link), None) => {
            let limit = LONGEST_TEXT.saturating_sub(Unit::Utf16.count(&link) + "\n<>".len());
            format!("{}\n<{link}>", fit(&text, limit)).into()
        }
        _ => text,
    };
    let fallback = title.as_ref().map_or_else(|| text.to_string(), |title| format!("{title}: {text}"));
    Attachment {
        fallback: cut(&fallback, LONGEST_TEXT, Unit::Utf16),
        color: color(message),
        title_link: link.filter(|_| title.is_some()).map(unescaped),
        title,
        text,
        fields: fields(message),
        mrkdwn_in: ["text", "fields"],
    }
}

fn default_text(message: &Message) -> Cow<'static, str> {
    let origin = &message.origin;
    match (origin.subject.trim(), origin.r#type.trim()) {
        // The text that the tutorial shows.
        _ if &*origin.kind == "tutum" => DEFAULT_TEXT.into(),
        ("", "") => DEFAULT_TEXT.into(),
        _ => cut(&parts::event_line(message, Markup::Slack), LONGEST_TEXT, Unit::Utf16).into(),
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

pub(super) fn color(message: &Message) -> &str {
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
    // There are never more UTF-16 units than bytes, so most texts need no counting.
    if text.len() <= limit { Cow::Borrowed(text) } else { Cow::Owned(cut(text, limit, Unit::Utf16)) }
}

/// Encodes what would end a link within `<…>`.
fn encode_link(link: &str) -> String {
    link.replace('|', "%7C").replace('<', "%3C").replace('>', "%3E")
}

/// `title_link` is a URL, not mrkdwn: reverts the escaping of the renderer.
fn unescaped(link: &str) -> String {
    link.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
