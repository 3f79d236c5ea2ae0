//! An element of vCenter's history as an event.
//!
//! Knows no event classes: those of later vCenter versions become JSON by the same few rules.

mod event_type;
mod json;
mod malformed;

use jiff::Timestamp;
use serde_json::Value;

use crate::event::{Body, Event};
use crate::ingress::{Arrived, Known};
use crate::outbox::Outbox;
use crate::sources::vcenter::cursor::EventIdentity;
use crate::vsphere::Element;
use event_type::event_type;
use json::{DEPTH, add_members, flag, pairs, whole};

pub(super) use malformed::MalformedEvents;

/// The members whose name can be the event's subject, the most specific first.
const SUBJECTS: [&str; 10] =
    ["entity", "vm", "datastore", "host", "ds", "net", "dvs", "computeResource", "folder", "datacenter"];

/// Members that `data` writes in another form.
const REWRITTEN: [&str; 7] =
    ["key", "chainId", "createdTime", "userName", "fullFormattedMessage", "message", "arguments"];

/// The error is what the element lacks to be an event.
pub(super) fn identity(element: &Element) -> Result<EventIdentity, &'static str> {
    let key = element.text_of("key").and_then(|key| key.trim().parse().ok()).ok_or("it has no key")?;
    let time = element.text_of("createdTime").and_then(time).ok_or("it has no time")?;
    Ok((time, key))
}

/// vCenter's times are UTC, also without a time zone.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
}

pub(super) fn event(element: &Element, (time, key): EventIdentity, instance: &str, out: &Outbox) -> Event {
    let class = element.class.as_deref().unwrap_or("Event");
    let subject = subject(element);
    let data = data(element, class, &subject);
    // Most relays need no more than an event's type, so only the text is held, not the tree.
    let data = Body::parse(data.to_string()).unwrap_or_else(|_| Body::from_value(&data));
    let known = Known {
        r#type: Some(event_type(class, element.text_of("eventTypeId"))),
        id: Some(format!("{instance}/{key}/{time}")),
        subject: Some(subject),
        time: Some(time),
    };
    known.event(data, Arrived { source: out.source(), kind: out.kind(), at: time })
}

fn subject(element: &Element) -> String {
    let named = |what: &&str| element.child(what).and_then(|argument| filled(argument.text_of("name")));
    let name = SUBJECTS.iter().find_map(named).or_else(|| filled(element.text_of("objectName")));
    let task = || element.child("info").and_then(|info| filled(info.text_of("entityName")));
    name.or_else(task).unwrap_or_default()
}

fn filled(text: Option<&str>) -> Option<String> {
    text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn data(element: &Element, class: &str, subject: &str) -> Value {
    // Members of a later vCenter version with a name that is written here are overwritten.
    let mut data = serde_json::Map::new();
    add_members(&mut data, element.children.iter().filter(|child| !REWRITTEN.contains(&child.name.as_str())), DEPTH);
    for name in ["key", "chainId"] {
        if let Some(text) = element.text_of(name) {
            data.insert(name.to_owned(), whole(text));
        }
    }
    for name in ["createdTime", "userName"] {
        data.insert(name.to_owned(), element.text_of(name).unwrap_or_default().trim().into());
    }
    if let Some(text) = element.text_of("template") {
        data.insert("template".to_owned(), flag(text));
    }
    let own = filled(element.text_of("message"));
    let message = message(element, own.as_deref(), class, subject);
    if let Some(own) = own.filter(|own| *own != message) {
        data.insert("detail".to_owned(), own.into());
    }
    let arguments = if class == "ExtendedEvent" { "data" } else { "arguments" };
    if element.child(arguments).is_some() {
        data.remove(arguments);
        data.insert("arguments".to_owned(), pairs(element, arguments));
    }
    data.insert("message".to_owned(), message.into());
    data.insert("class".to_owned(), class.into());
    Value::Object(data)
}

/// vCenter's own text, or at least the class.
fn message(element: &Element, own: Option<&str>, class: &str, subject: &str) -> String {
    let Some(message) = filled(element.text_of("fullFormattedMessage")).or_else(|| own.map(str::to_owned)) else {
        return if subject.is_empty() { class.to_owned() } else { format!("{class}: {subject}") };
    };
    // The text of a task does not name its target.
    let target = element.child("info").filter(|_| class == "TaskEvent").and_then(|info| {
        let kind = info.child("entity")?.kind.as_deref()?;
        Some(format!(" (target={kind} {})", filled(info.text_of("entityName"))?))
    });
    message + &target.unwrap_or_default()
}
