//! Reading relays.toml key by key, so that every fault is found in one run and each has its place.
//!
//! serde would stop at the first fault and know no neighbours. Here each component asks a [`Table`]
//! for its keys by name; what was asked for is what exists, so unknown keys, their nearest valid
//! word and the list of all documented keys come from the same calls.

mod item;
mod problem;
mod table;
mod values;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ops::Range;

pub use item::{Item, Node};
pub use problem::{Problem, nearest, render};
pub use table::{Said, Table};
pub use values::{Rate, parse_duration, parse_rate, parse_size, print_duration};

/// One reading of one file: its text, where variables come from, and what was found wrong so far.
pub struct Reading<'t> {
    text: &'t str,
    env: &'t dyn Fn(&str) -> Option<String>,
    problems: RefCell<Vec<Problem>>,
    /// Every key that was asked for, as `source.tutum.url`: the list that relays.toml must document.
    asked: RefCell<BTreeSet<String>>,
    /// Where literal secrets stand, so that no error shows them.
    secrets: RefCell<Vec<Range<usize>>>,
    /// Set while the list of keys is collected from an empty file: then nothing is missing.
    listing: Cell<bool>,
}

impl<'t> Reading<'t> {
    pub fn new(text: &'t str, env: &'t dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            text,
            env,
            problems: RefCell::default(),
            asked: RefCell::default(),
            secrets: RefCell::default(),
            listing: Cell::new(false),
        }
    }

    /// The file as a tree. Syntax faults are among the problems; what could be understood is in the tree.
    pub fn tree(&self) -> Item {
        let (table, errors) = toml::de::DeTable::parse_recoverable(self.text);
        for error in errors {
            let end = self.text.len();
            let span = error.span().unwrap_or(end..end);
            self.problem(Problem::error(span, error.message().trim().to_owned()));
        }
        Item::from_table(table)
    }

    pub fn problem(&self, problem: Problem) {
        self.problems.borrow_mut().push(problem);
    }

    pub fn has_errors(&self) -> bool {
        self.problems.borrow().iter().any(|problem| problem.is_error)
    }

    /// Everything found, in the order of the file, and the text with literal secrets blotted out.
    pub fn into_findings(self) -> Findings {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        problems.dedup();
        let mut text = self.text.as_bytes().to_vec();
        for span in self.secrets.into_inner() {
            for byte in text.get_mut(span).into_iter().flatten().filter(|byte| **byte != b'\n') {
                *byte = b'*';
            }
        }
        // Whole strings were blotted out, so what is left is still text.
        Findings { problems, text: String::from_utf8(text).unwrap_or_default() }
    }

    /// The keys that were asked for since [`Reading::list_keys`] began.
    pub fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }

    pub fn list_keys(&self) {
        self.listing.set(true);
    }

    /// Where `part` of a string's value stands in the file: exact where the string has no escapes, else the whole string.
    pub fn place_in(&self, said: &Said<String>, part: Range<usize>) -> Range<usize> {
        let Some(written) = self.text.get(said.span.clone()) else { return said.span.clone() };
        for quotes in ["\"\"\"\n", "'''\n", "\"\"\"", "'''", "\"", "'"] {
            let end = quotes.trim_end();
            let inner = written.strip_prefix(quotes).and_then(|rest| rest.strip_suffix(end));
            if inner == Some(&*said.value) {
                let start = said.span.start + quotes.len();
                return start + part.start..start + part.end.min(said.value.len());
            }
        }
        said.span.clone()
    }
}

/// What a reading found.
pub struct Findings {
    pub problems: Vec<Problem>,
    pub text: String,
}
