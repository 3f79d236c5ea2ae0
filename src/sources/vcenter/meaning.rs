//! An element of vCenter's history as an event of ours.
//!
//! Nothing here knows the classes: whatever a vCenter of some later year sends becomes JSON by the same few rules.
//! Text stays text, but where the XML itself says another type (`xsi:type`), or the member is one that every event
//! has (`key`, `chainId`, `template`).

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::naming::event_type;
use super::place::Mark;
use crate::event::{Body, Event};
use crate::ingress::{Arrived, Known};
use crate::outbox::Outbox;
use crate::vsphere::Element;

/// Deeper than any event reaches. What lies below is left out, so that the JSON stays within what its readers take.
const DEEPEST: usize = 24;

/// Whose name an event is about, the nearest first.
const SUBJECTS: [&str; 10] =
    ["entity", "vm", "datastore", "host", "ds", "net", "dvs", "computeResource", "folder", "datacenter"];

/// Members that have their own place or form in `data`.
const OURS: [&str; 7] = ["key", "chainId", "createdTime", "userName", "fullFormattedMessage", "message", "arguments"];

/// Which event it is. The error says what it lacks for being one.
pub(super) fn mark(element: &Element) -> Result<Mark, &'static str> {
    let key = element.text_of("key").and_then(|key| key.trim().parse().ok()).ok_or("it has no key")?;
    let time = element.text_of("createdTime").and_then(time).ok_or("it has no time")?;
    Ok((time, key))
}

/// vCenter's times are UTC; one that does not say so is taken for it.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
}

pub(super) fn event(element: &Element, (time, key): Mark, instance: &str, out: &Outbox) -> Event {
    let class = element.class.as_deref().unwrap_or("Event");
    let subject = subject(element);
    let data = data(element, class, &subject);
    // Most events are wanted by nobody who needs more than their type: the tree is not kept beside the text.
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
    // What a vCenter of some later year calls as we do stands back behind ours.
    let mut data = members(element, |name| !OURS.contains(&name), DEEPEST);
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

/// What vCenter says of it, in its words; a class that it has no words for is at least named.
fn message(element: &Element, own: Option<&str>, class: &str, subject: &str) -> String {
    let Some(message) = filled(element.text_of("fullFormattedMessage")).or_else(|| own.map(str::to_owned)) else {
        return if subject.is_empty() { class.to_owned() } else { format!("{class}: {subject}") };
    };
    // A task's own words do not say whom it concerns.
    let target = element.child("info").filter(|_| class == "TaskEvent").and_then(|info| {
        let kind = info.child("entity")?.kind.as_deref()?;
        Some(format!(" (target={kind} {})", filled(info.text_of("entityName"))?))
    });
    message + &target.unwrap_or_default()
}

/// `{key, value}` several times, as one object: `data.arguments.disk`. A key that comes again is a list of its values.
fn pairs(element: &Element, name: &str) -> Value {
    let mut pairs = Map::new();
    for pair in element.all(name) {
        let key = pair.text_of("key").unwrap_or_default().trim().to_owned();
        add(&mut pairs, key, pair.child("value").map_or(Value::Null, |inner| value(inner, DEEPEST)));
    }
    Value::Object(pairs)
}

fn members(element: &Element, wanted: impl Fn(&str) -> bool, depth: usize) -> Map<String, Value> {
    let mut members = Map::new();
    for child in element.children.iter().filter(|child| wanted(&child.name)) {
        add(&mut members, child.name.clone(), value(child, depth));
    }
    members
}

/// What comes more than once is a list.
fn add(members: &mut Map<String, Value>, name: String, value: Value) {
    match members.get_mut(&name) {
        None => {
            members.insert(name, value);
        }
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
}

fn value(element: &Element, depth: usize) -> Value {
    let class = element.class.as_deref();
    if let Some(kind) = &element.kind {
        return format!("{kind}:{}", element.text.trim()).into();
    }
    if element.children.is_empty() {
        return if class.is_some_and(|class| class.starts_with("ArrayOf")) {
            Value::Array(Vec::new())
        } else {
            scalar(class, &element.text)
        };
    }
    let Some(deeper) = depth.checked_sub(1) else { return Value::Null };
    if class.is_some_and(|class| class.starts_with("ArrayOf")) {
        return element.children.iter().map(|child| value(child, deeper)).collect();
    }
    if let Some(argument) = argument(element) {
        return argument;
    }
    let mut members = members(element, |_| true, deeper);
    if let Some(class) = class {
        members.entry("class").or_insert_with(|| class.into());
    }
    Value::Object(members)
}

/// `<vm><name>web</name><vm type="VirtualMachine">vm-42</vm></vm>`: what an event concerns, `{ name, id }`.
fn argument(element: &Element) -> Option<Value> {
    let (name, reference) = match element.children.as_slice() {
        [one, other] if one.name == "name" => (one, other),
        [one, other] if other.name == "name" => (other, one),
        _ => return None,
    };
    let kind = reference.kind.as_deref()?;
    let id = format!("{kind}:{}", reference.text.trim());
    Some(serde_json::json!({ "name": name.text.trim(), "id": id }))
}

/// A single value, as the XML says what it is.
fn scalar(class: Option<&str>, text: &str) -> Value {
    match class {
        Some("boolean") => flag(text),
        Some("byte" | "short" | "int" | "long" | "unsignedByte" | "unsignedShort" | "unsignedInt" | "integer") => {
            whole(text)
        }
        Some("float" | "double" | "decimal") => {
            let number = text.trim().parse().ok().and_then(serde_json::Number::from_f64);
            number.map_or_else(|| text.into(), Value::Number)
        }
        _ => text.into(),
    }
}

fn whole(text: &str) -> Value {
    text.trim().parse::<i64>().map_or_else(|_| text.into(), Value::from)
}

fn flag(text: &str) -> Value {
    match text.trim() {
        "true" | "1" => true.into(),
        "false" | "0" => false.into(),
        _ => text.into(),
    }
}
