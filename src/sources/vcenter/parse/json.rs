//! Elements as JSON. Text stays text unless the XML names another type (`xsi:type`).

use serde_json::{Map, Value};

use crate::vsphere::Element;

/// Deeper than any event. What lies below is left out, so that JSON parsers accept the depth.
pub(super) const DEPTH: usize = 24;

/// The `{key, value}` children of that name as one object: `data.arguments.disk`. A repeated key becomes a list.
pub(super) fn pairs(element: &Element, name: &str) -> Value {
    let mut pairs = Map::new();
    for pair in element.all(name) {
        let key = pair.text_of("key").unwrap_or_default().trim().to_owned();
        add(&mut pairs, key, pair.child("value").map_or(Value::Null, |inner| value(inner, DEPTH)));
    }
    Value::Object(pairs)
}

pub(super) fn add_members<'e>(
    members: &mut Map<String, Value>,
    children: impl IntoIterator<Item = &'e Element>,
    depth: usize,
) {
    for child in children {
        add(members, child.name.clone(), value(child, depth));
    }
}

/// A repeated name becomes a list.
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
    let is_array = class.is_some_and(|class| class.starts_with("ArrayOf"));
    if let Some(kind) = &element.kind {
        return format!("{kind}:{}", element.text.trim()).into();
    }
    if element.children.is_empty() {
        return if is_array { Value::Array(Vec::new()) } else { scalar(class, &element.text) };
    }
    let Some(deeper) = depth.checked_sub(1) else { return Value::Null };
    if is_array {
        return element.children.iter().map(|child| value(child, deeper)).collect();
    }
    if let Some(argument) = argument(element) {
        return argument;
    }
    let mut members = Map::new();
    add_members(&mut members, &element.children, deeper);
    if let Some(class) = class {
        members.entry("class").or_insert_with(|| class.into());
    }
    Value::Object(members)
}

/// `<vm><name>web</name><vm type="VirtualMachine">vm-42</vm></vm>`, an object of the event, as `{ name, id }`.
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

/// A single value, of the type that the XML names.
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

pub(super) fn whole(text: &str) -> Value {
    text.trim().parse::<i64>().map_or_else(|_| text.into(), Value::from)
}

pub(super) fn flag(text: &str) -> Value {
    match text.trim() {
        "true" | "1" => true.into(),
        "false" | "0" => false.into(),
        _ => text.into(),
    }
}
