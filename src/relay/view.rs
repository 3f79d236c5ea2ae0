//! What templates and conditions see: windows onto an event, converted only where they look.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use serde_json::Value as Json;

use super::fetched::{Fetched, Outcome};
use crate::event::{Event, Name};
use crate::message::Markup;

/// The formatter asks the context for this; no template can spell it.
pub(super) const MARKUP: &str = "%markup";

/// The names that templates find at the root, and those inside `event`.
pub(super) const ROOTS: [&str; 3] = ["event", "data", "relay"];
pub(super) const ENVELOPE: [&str; 7] = ["id", "source", "type", "time", "subject", "kind", "data"];

/// Everything that one event offers; made once, whatever number of templates looks at it.
#[derive(Debug)]
pub(super) struct Facts {
    data: Arc<Json>,
    event: Option<Value>,
    relay: Option<Value>,
    /// What was fetched, or what a source names beside the body.
    others: Vec<(Name, Arc<Json>)>,
}

impl Facts {
    pub(super) fn of_data(data: &Arc<Json>, others: &[(Name, Arc<Json>)]) -> Self {
        Self { data: Arc::clone(data), event: None, relay: None, others: others.to_vec() }
    }

    pub(super) fn new(event: &Event, relay: &Name, fetched: &Fetched) -> Self {
        let data = Arc::clone(event.data.value());
        let envelope = Envelope {
            id: event.id.to_string(),
            source: event.source.clone(),
            kind: event.kind.clone(),
            r#type: event.r#type.clone(),
            time: event.time.to_string(),
            subject: event.subject.clone(),
            data: Arc::clone(&data),
        };
        let found = |(name, outcome): (&Name, &Outcome)| match outcome {
            Outcome::Found(value) => Some((name.clone(), Arc::clone(value))),
            Outcome::NotAsked | Outcome::Failed(_) => None,
        };
        Self {
            data,
            event: Some(Value::from_object(envelope)),
            relay: Some(Value::from_object(Named(relay.clone()))),
            others: fetched.iter().filter_map(found).collect(),
        }
    }
}

/// The root of one evaluation.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) facts: Arc<Facts>,
    /// None: nothing is escaped.
    pub(super) markup: Option<Markup>,
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "data" => Some(window(&self.facts.data)),
            "event" => self.facts.event.clone(),
            "relay" => self.facts.relay.clone(),
            MARKUP => self.markup.map(|markup| Value::from(markup as usize)),
            _ => self.facts.others.iter().find(|(name, _)| &**name == key).map(|(_, value)| window(value)),
        }
    }
}

#[derive(Debug)]
struct Envelope {
    id: String,
    source: Name,
    kind: Name,
    r#type: Box<str>,
    time: String,
    subject: Box<str>,
    data: Arc<Json>,
}

impl Object for Envelope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let text: &str = match key {
            "id" => &self.id,
            "source" => &self.source,
            "type" => &self.r#type,
            "time" => &self.time,
            "subject" => &self.subject,
            "kind" => &self.kind,
            "data" => return Some(window(&self.data)),
            _ => return None,
        };
        Some(Value::from(text))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&ENVELOPE)
    }
}

/// `{{ relay }}` and `{{ relay.name }}` are the same.
#[derive(Debug)]
struct Named(Name);

impl Object for Named {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str()? == "name").then(|| Value::from(&*self.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A list or an object inside a tree that is shared, found again by the way down to it.
#[derive(Debug)]
struct Window {
    tree: Arc<Json>,
    way: Vec<Turn>,
}

#[derive(Debug, Clone)]
enum Turn {
    Key(Box<str>),
    Index(usize),
}

fn window(tree: &Arc<Json>) -> Value {
    scalar(tree).unwrap_or_else(|| Value::from_object(Window { tree: Arc::clone(tree), way: Vec::new() }))
}

fn scalar(json: &Json) -> Option<Value> {
    match json {
        Json::Null => Some(Value::from(())),
        Json::Bool(truth) => Some(Value::from(*truth)),
        Json::String(text) => Some(Value::from(&**text)),
        Json::Number(number) => Some(match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Value::from(number),
            (_, Some(number)) => Value::from(number),
            _ => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        }),
        Json::Array(_) | Json::Object(_) => None,
    }
}

impl Window {
    fn here(&self) -> &Json {
        let step = |json: &Json, turn: &Turn| match turn {
            Turn::Key(key) => json.get(&**key).is_some(),
            Turn::Index(index) => json.get(index).is_some(),
        };
        self.way.iter().fold(&*self.tree, |json, turn| {
            debug_assert!(step(json, turn), "ways are only made of turns that were there");
            match turn {
                Turn::Key(key) => json.get(&**key).unwrap_or(&Json::Null),
                Turn::Index(index) => json.get(index).unwrap_or(&Json::Null),
            }
        })
    }

    fn member(&self, turn: Turn) -> Option<Value> {
        let found = match &turn {
            Turn::Key(key) => self.here().get(&**key)?,
            Turn::Index(index) => self.here().get(index)?,
        };
        Some(scalar(found).unwrap_or_else(|| {
            let way = self.way.iter().cloned().chain([turn]).collect();
            Value::from_object(Self { tree: Arc::clone(&self.tree), way })
        }))
    }
}

impl Object for Window {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if self.here().is_array() { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some(key) => self.get_value_by_str(key),
            None => self.member(Turn::Index(key.as_usize()?)),
        }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.member(Turn::Key(key.into()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.here() {
            Json::Array(list) => Enumerator::Seq(list.len()),
            Json::Object(members) => Enumerator::Values(members.keys().map(|key| Value::from(&**key)).collect()),
            _ => Enumerator::Empty,
        }
    }
}
