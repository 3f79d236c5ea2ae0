//! The results of a relay's `fetch`.

use std::sync::Arc;

use serde_json::Value;

use crate::event::Name;
use crate::fault::Fault;

/// The outcome for each name of a relay's `fetch`. Absent names were not fetched.
#[derive(Debug, Clone, Default)]
pub struct Fetched(Vec<(Name, FetchOutcome)>);

#[derive(Debug, Clone)]
pub enum FetchOutcome {
    Found(Arc<Value>),
    /// The event names nothing to fetch, or what it names does not exist.
    NotAsked,
    Failed(Fault),
}

impl Fetched {
    pub fn put(&mut self, name: Name, outcome: FetchOutcome) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, outcome));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Name, &FetchOutcome)> {
        self.0.iter().map(|(name, outcome)| (name, outcome))
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = (&Name, &Fault)> {
        self.iter().filter_map(|(name, outcome)| match outcome {
            FetchOutcome::Failed(fault) => Some((name, fault)),
            FetchOutcome::Found(_) | FetchOutcome::NotAsked => None,
        })
    }
}

/// The reference of one name of `fetch` for one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    pub name: Name,
    /// None: this event has nothing to fetch.
    pub reference: Result<Option<String>, Fault>,
}
