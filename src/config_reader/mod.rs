//! Reading relays.toml key by key, so that every fault is found in one run and each has its place.
//!
//! serde would stop at the first fault and know no neighbours. Here each component asks a [`TableReader`]
//! for its keys by name; what was asked for is what exists, so unknown keys, their nearest valid
//! word and the list of all documented keys come from the same calls.

mod item;
mod messages;
mod problem;
mod table;
mod values;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ops::Range;

pub use item::{Item, Node};
pub use problem::{Problem, nearest, render};
pub use table::{Spanned, TableReader};
pub use values::{Rate, parse_duration, parse_rate, parse_size, print_duration};

/// One reading of one file: its text, where variables come from, and what was found wrong so far.
pub struct ConfigReader<'t> {
    text: &'t str,
    env: &'t dyn Fn(&str) -> Option<String>,
    problems: RefCell<Vec<Problem>>,
    /// Every key that was asked for, as `source.tutum.url`: the list that relays.toml must document.
    asked: RefCell<BTreeSet<String>>,
    /// Strings among the sources and sinks, where secrets are: no error shows one that was not read as something else.
    private: RefCell<Vec<Range<usize>>>,
    /// Strings that were read as something that may be shown.
    public: RefCell<Vec<Range<usize>>>,
    /// Set while the list of keys is collected from an empty file: then nothing is missing.
    listing: Cell<bool>,
}

impl<'t> ConfigReader<'t> {
    pub fn new(text: &'t str, env: &'t dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            text,
            env,
            problems: RefCell::default(),
            asked: RefCell::default(),
            private: RefCell::default(),
            public: RefCell::default(),
            listing: Cell::new(false),
        }
    }

    /// The file as a tree. Syntax faults are among the problems; what could be understood is in the tree.
    pub fn tree(&self) -> Item {
        let (table, errors) = toml::de::DeTable::parse_recoverable(self.text);
        for error in errors {
            let end = self.text.len();
            let span = error.span().unwrap_or(end..end);
            self.hide_value_of_line(span.start);
            self.problem(Problem::error(span, error.message().trim().to_owned()));
        }
        let tree = Item::from_table(table);
        let parts = tree.members().iter().filter(|(key, _)| matches!(key.name.as_str(), "source" | "sink"));
        parts.for_each(|(_, item)| item.strings(&mut |span| self.private.borrow_mut().push(span)));
        tree
    }

    /// A line that is no TOML may hold a secret in any form. What stands behind its `=` is not shown.
    fn hide_value_of_line(&self, at: usize) {
        let before = self.text.get(..at).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        if let Some((key, value)) = line.split_once('=') {
            let value_start = start + key.len() + 1;
            self.private.borrow_mut().push(value_start..value_start + value.len());
        }
    }

    /// The string at `span` was read as something that may be shown, unless it is a URL that carries more than a place.
    fn show(&self, span: &Range<usize>) {
        let written = self.text.get(span.clone()).unwrap_or_default();
        if !(written.contains("://") && written.contains(['?', '@'])) {
            self.public.borrow_mut().push(span.clone());
        }
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
        let public = self.public.into_inner();
        let mut text = self.text.as_bytes().to_vec();
        for span in self.private.into_inner().into_iter().filter(|span| !public.contains(span)) {
            for byte in text.get_mut(span).into_iter().flatten().filter(|byte| **byte != b'\n') {
                *byte = b'*';
            }
        }
        // Whole strings were blotted out, so what is left is still text.
        Findings { problems, text: String::from_utf8(text).unwrap_or_default() }
    }

    /// The keys that were asked for since [`ConfigReader::list_keys`] began.
    pub fn asked(&self) -> BTreeSet<String> {
        self.asked.borrow().clone()
    }

    pub fn list_keys(&self) {
        self.listing.set(true);
    }

    /// Where `part` of a string's value stands in the file: exact where the string has no escapes, else the whole string.
    pub fn place_in(&self, said: &Spanned<String>, part: Range<usize>) -> Range<usize> {
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
