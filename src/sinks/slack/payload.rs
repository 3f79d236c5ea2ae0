//! A message in Slack's form.

use std::borrow::Cow;

use serde::Serialize;

use super::super::parts;
use crate::message::{Markup, Message, Severity, Signal, Unit, cut};

/// Slack takes ten times that of a new message, but asks for no more than this, folds what is longer, and refuses it
/// of an edit.
pub(super) const LONGEST_TEXT: usize = 4000;
const LONGEST_TITLE: usize = 300;
const LONGEST_LINK: usize = 2000;
const LONGEST_FIELD: usize = 2000;
const MOST_FIELDS: usize = 20;
/// What the first Tutum bridge said when it had nothing to say.
const NOTHING_TO_SAY: &str = "You received a message from Tutum Stream!";

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
    /// A text alone is nothing but a text. Anything more is one attachment, the only form with a bar of colour; the
    /// text is then in there, since it would be shown twice otherwise.
    pub(super) fn of(message: &'a Message) -> Self {
        if message.is_plain() {
            return Self { text: Some(text(message)), attachments: None };
        }
        Self::colored(message)
    }

    /// As an attachment in any case.
    pub(super) fn colored(message: &'a Message) -> Self {
        Self { text: None, attachments: Some([attachment(message)]) }
    }
}

/// The message as the head of a thread that shows how things stand: a signal has its colour there, and its word.
pub(super) fn standing(message: &Message) -> Cow<'_, Message> {
    let word = match message.signal {
        Some(Signal::Resolve) => "Resolved",
        Some(Signal::Acknowledge) => "Acknowledged",
        Some(Signal::Trigger) | None => return Cow::Borrowed(message),
    };
    let title = message.title.as_deref().unwrap_or_default().trim();
    if title.to_lowercase().contains(&word.to_lowercase()) {
        return Cow::Borrowed(message);
    }
    let title = if title.is_empty() { word.to_owned() } else { format!("{word}: {title}") };
    Cow::Owned(Message { title: Some(title), ..message.clone() })
}

fn text(message: &Message) -> Cow<'_, str> {
    if message.text.trim().is_empty() { in_place_of_text(message) } else { fit(&message.text, LONGEST_TEXT) }
}

fn attachment(message: &Message) -> Attachment<'_> {
    let text = text(message);
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
