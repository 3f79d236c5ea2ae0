//! The names of sources and sinks, and what `from` and `to` refer to.

use std::collections::BTreeSet;

use super::component::Component;
use crate::config_reader::{ConfigReader, Problem, Spanned};
use crate::event::{Name, OURSELVES};
use crate::relay::Relay;

/// The sink of relays and alerts that have no other.
pub const CONSOLE: &str = "console";

#[derive(Debug, Default)]
pub(super) struct Names {
    sources: BTreeSet<String>,
    sinks: BTreeSet<String>,
    /// The sinks to send to. The others are optional and lack a secret.
    pub(super) usable_sinks: BTreeSet<Name>,
}

impl Names {
    /// Adds a source's name; false if it is not a valid one.
    pub(super) fn add_source(&mut self, reader: &ConfigReader, source: &Component) -> bool {
        if source.name.value == OURSELVES {
            let message = format!("`{OURSELVES}` is the daemon itself and cannot be a source's name");
            reader.problem(Problem::error(source.name.span.clone(), message));
            return false;
        }
        add(reader, &mut self.sources, source, "source")
    }

    pub(super) fn add_sink(&mut self, reader: &ConfigReader, sink: &Component) -> bool {
        add(reader, &mut self.sinks, sink, "sink")
    }

    /// The sinks with these names that are set up. Unknown names are problems.
    pub(super) fn sinks(&self, reader: &ConfigReader, names: &[Spanned<String>]) -> Vec<Name> {
        let mut sinks = Vec::new();
        for name in names {
            if let Some(sink) = self.usable_sinks.get(&*name.value) {
                sinks.extend((!sinks.contains(sink)).then(|| sink.clone()));
            } else if !self.sinks.contains(&name.value) {
                report_unknown(reader, name, "sink", &self.sinks);
            }
        }
        sinks
    }

    /// Like [`Names::sinks`], but never empty.
    pub(super) fn sinks_or_console(&self, reader: &ConfigReader, names: &[Spanned<String>]) -> Vec<Name> {
        let sinks = self.sinks(reader, names);
        if sinks.is_empty() { vec![console()] } else { sinks }
    }

    /// Checks the names in a relay and sets its sinks. A relay left without a sink prints to the console.
    pub(super) fn resolve(&self, reader: &ConfigReader, relay: &mut Relay, warnings: &mut Vec<String>) {
        let is_unknown = |name: &&Spanned<String>| !self.sources.contains(&name.value) && name.value != OURSELVES;
        for name in relay.from.iter().flatten().filter(is_unknown) {
            report_unknown(reader, name, "source", &self.sources);
        }
        relay.sinks = self.sinks(reader, &relay.to);
        if relay.sinks.is_empty() {
            if !relay.to.is_empty() {
                warnings.push(format!("relay {} prints to the console: none of its sinks is set up", relay.name));
            }
            relay.sinks.push(console());
        }
        for kind in relay.raw_kinds().filter(|kind| !crate::sinks::KINDS.contains(&kind.value.as_str())) {
            let problem = Problem::error(kind.span.clone(), format!("`{}` is not a kind of sink", kind.value));
            reader.problem(problem.hint(format!("kinds: {}", crate::sinks::KINDS.join(", "))));
        }
    }
}

pub(super) fn console() -> Name {
    Name::from(CONSOLE)
}

fn add(reader: &ConfigReader, names: &mut BTreeSet<String>, component: &Component, sort: &str) -> bool {
    let Spanned { value: name, span } = &component.name;
    if !is_valid(name) {
        let problem = Problem::error(span.clone(), format!("`{name}` cannot be a {sort}'s name"));
        reader.problem(problem.hint("use up to 64 letters, digits, `-`, `_` and `.`"));
        return false;
    }
    let is_new = names.insert(name.clone());
    if !is_new {
        let problem = Problem::error(span.clone(), format!("there is another {sort} named `{name}`"));
        reader.problem(problem.hint(format!("names of {sort}s must be unique, also between kinds")));
    }
    is_new
}

/// Short, and harmless in a path, a metric and a log line.
fn is_valid(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn report_unknown(reader: &ConfigReader, name: &Spanned<String>, sort: &str, known: &BTreeSet<String>) {
    let problem = Problem::error(name.span.clone(), format!("there is no {sort} named `{}`", name.value));
    let otherwise = || match known.iter().map(String::as_str).collect::<Vec<_>>().join(", ") {
        list if list.is_empty() => Some(format!("add a `[{sort}.KIND.{}]`", name.value)),
        list => Some(format!("known: {list}")),
    };
    reader.problem(problem.suggest(&name.value, known.iter().map(String::as_str), otherwise));
}
