//! What templates and conditions can access: views of an event, converted on access.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use serde_json::Value as Json;

use super::fetched::{FetchOutcome, Fetched};
use crate::event::{Event, Name};
use crate::message::Markup;

/// The formatter looks this up in the context; it is not a valid name in a template.
pub(super) const MARKUP: &str = "%markup";

/// The names at the root, and those inside `event`.
pub(super) const ROOTS: [&str; 3] = ["event", "data", "relay"];
pub(super) const ENVELOPE: [&str; 7] = ["id", "source", "type", "time", "subject", "kind", "data"];

/// All variables of one event, shared by all its templates.
#[derive(Debug)]
pub(super) struct Variables {
    data: Arc<Json>,
    event: Option<Value>,
    relay: Option<Value>,
    /// Fetched data, or what a source provides beside the body.
    others: Vec<(Name, Arc<Json>)>,
}

impl Variables {
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
        let found = |(name, outcome): (&Name, &FetchOutcome)| match outcome {
            FetchOutcome::Found(value) => Some((name.clone(), Arc::clone(value))),
            FetchOutcome::NotAsked | FetchOutcome::Failed(_) => None,
        };
        Self {
            data,
            event: Some(Value::from_object(envelope)),
            relay: Some(Value::from_object(RelayName(relay.clone()))),
            others: fetched.iter().filter_map(found).collect(),
        }
    }
}

/// The root of one evaluation.
#[derive(Debug)]
pub(super) struct RootObject {
    pub(super) variables: Arc<Variables>,
    /// None: nothing is escaped.
    pub(super) markup: Option<Markup>,
}

impl Object for RootObject {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match key {
            "data" => Some(view(&self.variables.data)),
            "event" => self.variables.event.clone(),
            "relay" => self.variables.relay.clone(),
            MARKUP => self.markup.map(|markup| Value::from(markup as usize)),
            _ => self.variables.others.iter().find(|(name, _)| &**name == key).map(|(_, value)| view(value)),
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
            "data" => return Some(view(&self.data)),
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
struct RelayName(Name);

impl Object for RelayName {
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

/// A list or an object inside a shared tree, by its path.
#[derive(Debug)]
struct JsonView {
    tree: Arc<Json>,
    path: Vec<PathStep>,
}

#[derive(Debug, Clone)]
enum PathStep {
    Key(Box<str>),
    Index(usize),
}

fn view(tree: &Arc<Json>) -> Value {
    scalar(tree).unwrap_or_else(|| Value::from_object(JsonView { tree: Arc::clone(tree), path: Vec::new() }))
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

impl PathStep {
    fn of<'j>(&self, json: &'j Json) -> Option<&'j Json> {
        match self {
            Self::Key(key) => json.get(&**key),
            Self::Index(index) => json.get(index),
        }
    }
}

impl JsonView {
    fn here(&self) -> &Json {
        self.path.iter().fold(&*self.tree, |json, step| {
            debug_assert!(step.of(json).is_some(), "paths consist of existing steps");
            step.of(json).unwrap_or(&Json::Null)
        })
    }

    fn member(&self, step: PathStep) -> Option<Value> {
        let found = step.of(self.here())?;
        Some(scalar(found).unwrap_or_else(|| {
            let path = self.path.iter().cloned().chain([step]).collect();
            Value::from_object(Self { tree: Arc::clone(&self.tree), path })
        }))
    }
}

impl Object for JsonView {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if self.here().is_array() { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str() {
            Some(key) => self.get_value_by_str(key),
            None => self.member(PathStep::Index(key.as_usize()?)),
        }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.member(PathStep::Key(key.into()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.here() {
            Json::Array(list) => Enumerator::Seq(list.len()),
            Json::Object(members) => Enumerator::Values(members.keys().map(|key| Value::from(&**key)).collect()),
            _ => Enumerator::Empty,
        }
    }
}
