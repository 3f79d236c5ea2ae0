//! Which names there are, which of them are left out today, and what a `to` or `from` means by them.

use std::collections::BTreeSet;

use super::parts::Part;
use super::{console, is_a_name};
use crate::config_reader::{ConfigReader, Problem, Spanned, nearest};
use crate::event::{Name, OURSELVES};
use crate::relay::Relay;

#[derive(Debug, Default)]
pub(super) struct Known {
    sources: BTreeSet<String>,
    sinks: BTreeSet<String>,
    /// Optional sinks whose secrets are not set: known, but not there.
    sinks_left_out: BTreeSet<String>,
}

impl Known {
    /// Notes a source's name; false where it cannot be one.
    pub(super) fn source(&mut self, reading: &ConfigReader, part: &Part) -> bool {
        if part.name == OURSELVES {
            let said = format!("`{OURSELVES}` is the daemon itself and cannot be a source's name");
            reading.problem(Problem::error(part.name_span.clone(), said));
            return false;
        }
        note(reading, &mut self.sources, part, "source")
    }

    pub(super) fn sink(&mut self, reading: &ConfigReader, part: &Part) -> bool {
        note(reading, &mut self.sinks, part, "sink")
    }

    pub(super) fn leave_out_sink(&mut self, name: &str, why: &str) -> String {
        self.sinks_left_out.insert(name.to_owned());
        format!("sink {name} is left out: {why}")
    }

    pub(super) fn has_sink(&self, name: &str) -> bool {
        self.sinks.contains(name)
    }

    /// The sinks that `names` mean and that are there. Unknown ones become problems.
    pub(super) fn sinks(&self, reading: &ConfigReader, names: &[Spanned<String>]) -> Vec<Name> {
        let mut sinks = Vec::new();
        for said in names {
            if !self.sinks.contains(&said.value) && said.value != super::CONSOLE {
                unknown(reading, said, "sink", &self.sinks);
            } else if !self.sinks_left_out.contains(&said.value)
                && !sinks.iter().any(|sink: &Name| **sink == *said.value)
            {
                sinks.push(Name::from(&*said.value));
            }
        }
        sinks
    }

    /// The same, and without any the console.
    pub(super) fn sinks_or_console(&self, reading: &ConfigReader, names: &[Spanned<String>]) -> Vec<Name> {
        let sinks = self.sinks(reading, names);
        if sinks.is_empty() { vec![console()] } else { sinks }
    }

    fn check_sources(&self, reading: &ConfigReader, names: &[Spanned<String>]) {
        for said in names.iter().filter(|said| !self.sources.contains(&said.value) && said.value != OURSELVES) {
            unknown(reading, said, "source", &self.sources);
        }
    }
}

/// Checks a relay's names and gives it the sinks that are there; without any it prints to the console.
pub(super) fn resolve(reading: &ConfigReader, relay: &mut Relay, known: &Known, remarks: &mut Vec<String>) {
    if let Some(from) = &relay.from {
        known.check_sources(reading, from);
    }
    relay.sinks = known.sinks(reading, &relay.to);
    if relay.sinks.is_empty() {
        if !relay.to.is_empty() {
            remarks.push(format!("relay {} prints to the console: none of its sinks is set up", relay.name));
        }
        relay.sinks.push(console());
    }
    for kind in relay.raw_kinds().filter(|kind| !crate::sinks::KINDS.contains(&kind.value.as_str())) {
        let problem = Problem::error(kind.span.clone(), format!("`{}` is no kind of sink", kind.value));
        reading.problem(problem.hint(format!("kinds: {}", crate::sinks::KINDS.join(", "))));
    }
}

fn note(reading: &ConfigReader, names: &mut BTreeSet<String>, part: &Part, sort: &str) -> bool {
    if !is_a_name(&part.name) {
        let said = format!("`{}` cannot be a {sort}'s name", part.name);
        let hint = "use up to 64 letters, digits, `-`, `_` and `.`";
        reading.problem(Problem::error(part.name_span.clone(), said).hint(hint));
        return false;
    }
    let new = names.insert(part.name.clone());
    if !new {
        let said = format!("there is another {sort} named `{}`", part.name);
        reading
            .problem(Problem::error(part.name_span.clone(), said).hint(format!("names are unique over all {sort}s")));
    }
    new
}

fn unknown(reading: &ConfigReader, said: &Spanned<String>, sort: &str, known: &BTreeSet<String>) {
    let problem = Problem::error(said.span.clone(), format!("there is no {sort} named `{}`", said.value));
    let hint = match nearest(&said.value, known.iter().map(String::as_str)) {
        Some(word) => format!("did you mean `{word}`?"),
        None if known.is_empty() => format!("add a `[{sort}.KIND.{}]`", said.value),
        None => format!("known: {}", known.iter().cloned().collect::<Vec<_>>().join(", ")),
    };
    reading.problem(problem.hint(hint));
}
