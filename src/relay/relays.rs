//! All relays: which of them want an event, and why.

use std::collections::HashMap;
use std::ops::Deref;

use super::definition::Relay;
use super::index::Index;
use super::pattern::{FieldPath, Pattern};
use crate::event::{Event, Name, Picked};
use crate::fault::Fault;
use crate::message::{Unit, cut};

/// Compiled once from relays.toml; never changed afterwards.
#[derive(Debug, Default)]
pub struct Relays {
    all: Vec<Relay>,
    by_name: HashMap<Name, usize>,
    index: Index,
}

/// Which relays want an event.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// By number, in the order of the file. Includes relays whose `when` needs fetched data.
    pub wanted: Vec<usize>,
    /// Relays whose `when` failed, and how.
    pub faults: Vec<(usize, Fault)>,
}

/// Why a relay took an event, or did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    pub relay: Name,
    pub taken: bool,
    pub why: String,
}

/// How much of a value `explain` shows.
const VALUE_SHOWN: usize = 60;

impl Relays {
    pub fn compile(relays: Vec<Relay>) -> Self {
        let index = Index::new(&relays);
        let by_name = relays.iter().enumerate().map(|(number, relay)| (relay.name.clone(), number)).collect();
        Self { all: relays, by_name, index }
    }

    /// Decides which relays want the event: no I/O, no clock, and no allocation if none does.
    pub fn plan(&self, event: &Event) -> Plan {
        let mut plan = Plan::default();
        self.index.wanted(event, |number| {
            let Some(relay) = self.all.get(number) else { return };
            match relay.wants_now(event) {
                Ok(true) => plan.wanted.push(number),
                Ok(false) => {}
                Err(fault) => plan.faults.push((number, fault)),
            }
        });
        plan
    }

    /// For every relay whether it takes the event, and why.
    pub fn explain(&self, event: &Event) -> Vec<Explained> {
        let explain = |relay: &Relay| {
            let (taken, why) = match refusal(relay, event) {
                Some(why) => (false, why),
                None => after_match(relay, event),
            };
            Explained { relay: relay.name.clone(), taken, why }
        };
        self.all.iter().map(explain).collect()
    }

    /// The relay of that number. Numbers come from a [`Plan`] or [`Relays::number`] of the same relays.
    pub fn get(&self, number: usize) -> &Relay {
        &self.all[number]
    }

    pub fn by_name(&self, name: &str) -> Option<&Relay> {
        self.number(name).map(|number| self.get(number))
    }

    /// For [`Relays::get`].
    pub fn number(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

/// In the order of the file.
impl Deref for Relays {
    type Target = [Relay];

    fn deref(&self) -> &[Relay] {
        &self.all
    }
}

/// Why `from` or `match` reject the event; None if they accept it. Does not use the index.
pub(super) fn refusal(relay: &Relay, event: &Event) -> Option<String> {
    match &relay.from {
        None if event.is_ours() => return Some("it receives from every source except the daemon itself".to_owned()),
        Some(from) if !from.iter().any(|name| *name.value == *event.source) => {
            let names: Vec<_> = from.iter().map(|name| name.value.as_str()).collect();
            return Some(format!("the event is from `{}`, wanted: {}", event.source, names.join(", ")));
        }
        _ => {}
    }
    relay.matches.iter().find_map(|(at, pattern)| mismatch(at, pattern, event))
}

fn mismatch(at: &FieldPath, pattern: &Pattern, event: &Event) -> Option<String> {
    let values = at.all(event);
    if pattern.matches(&values) {
        return None;
    }
    Some(match values.as_slice() {
        [] => format!("`{at}` is missing, wanted: {pattern}"),
        [value] => format!("`{at}` is {}, wanted: {pattern}", shown(value)),
        values => {
            let all = values.iter().map(shown).collect::<Vec<_>>().join(", ");
            format!("`{at}` are {}, wanted: {pattern}", cut(&all, VALUE_SHOWN, Unit::Chars))
        }
    })
}

fn shown(value: &Picked) -> String {
    match value {
        Picked::Text(text) => format!("{:?}", cut(text, VALUE_SHOWN, Unit::Chars)),
        Picked::Number(number) => number.to_string(),
        Picked::Bool(truth) => truth.to_string(),
        Picked::Null => "null".to_owned(),
        Picked::Compound => "a list or an object".to_owned(),
    }
}

fn after_match(relay: &Relay, event: &Event) -> (bool, String) {
    match (&relay.when, relay.wants_now(event)) {
        (None, _) => (true, "from and match accept it".to_owned()),
        (Some(when), _) if relay.deferred => (true, format!("accepted so far; `when` needs fetched data: {when}")),
        (Some(when), Ok(true)) => (true, format!("`when` holds: {when}")),
        (Some(when), Ok(false)) => (false, format!("`when` does not hold: {when}")),
        (Some(when), Err(fault)) => (false, format!("`when` failed: {fault}, in: {when}")),
    }
}
