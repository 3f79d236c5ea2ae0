//! What came of a relay's `fetch`.

use std::sync::Arc;

use serde_json::Value;

use crate::event::Name;
use crate::fault::Fault;

/// The outcome for each name of a relay's `fetch`. A name that is not in here was not asked for.
#[derive(Debug, Clone, Default)]
pub struct Fetched(Vec<(Name, Outcome)>);

#[derive(Debug, Clone)]
pub enum Outcome {
    Found(Arc<Value>),
    /// The event names nothing to fetch, or what it names does not exist.
    NotAsked,
    Failed(Fault),
}

impl Fetched {
    pub fn put(&mut self, name: Name, outcome: Outcome) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, outcome));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Outcome)> {
        self.0.iter().map(|(name, outcome)| (name, outcome))
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = (&Name, &Fault)> {
        self.iter().filter_map(|(name, outcome)| match outcome {
            Outcome::Failed(fault) => Some((name, fault)),
            Outcome::Found(_) | Outcome::NotAsked => None,
        })
    }
}

/// What one name of `fetch` refers to for one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    pub name: Name,
    /// None: this event has nothing to fetch.
    pub reference: Result<Option<String>, Fault>,
}
