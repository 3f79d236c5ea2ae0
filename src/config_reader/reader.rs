//! The reader of one file: its text, its variables, and the problems found so far.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::item::{Item, Spanned};
use super::problem::Problem;

pub struct ConfigReader<'t> {
    text: &'t str,
    pub(super) env: &'t dyn Fn(&str) -> Option<String>,
    problems: RefCell<Vec<Problem>>,
    /// Every key that was read, like `source.tutum.url`: relays.toml must document all of them.
    known_keys: RefCell<BTreeSet<String>>,
    /// Strings in sources and sinks, which may be secrets: reports mask them unless they are in `public`.
    private: RefCell<Vec<Range<usize>>>,
    /// Strings that were read as something other than a secret.
    public: RefCell<Vec<Range<usize>>>,
}

impl<'t> ConfigReader<'t> {
    pub fn new(text: &'t str, env: &'t dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            text,
            env,
            problems: RefCell::default(),
            known_keys: RefCell::default(),
            private: RefCell::default(),
            public: RefCell::default(),
        }
    }

    /// Parses the file. Syntax errors become problems; the tree holds what could be parsed.
    pub fn tree(&self) -> Item {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let end = self.text.len();
            let span = error.span().unwrap_or(end..end);
            self.mask_value_of_line(span.start);
            self.problem(Problem::error(span, error.message().trim().to_owned()));
        }
        let tree = Item::from_value(toml::Spanned::new(table.span(), DeValue::Table(table.into_inner())));
        let parts = tree.members().iter().filter(|(key, _)| matches!(key.value.as_str(), "source" | "sink"));
        parts.for_each(|(_, item)| item.visit_strings(&mut |span| self.private.borrow_mut().push(span)));
        tree
    }

    /// A line that is not TOML may contain a secret in any form: everything after its `=` is masked.
    fn mask_value_of_line(&self, at: usize) {
        let before = self.text.get(..at).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        if let Some((key, value)) = line.split_once('=') {
            let value_start = start + key.len() + 1;
            self.private.borrow_mut().push(value_start..value_start + value.len());
        }
    }

    /// Allows reports to show the string at `span`, unless it is a URL with a query or credentials.
    pub(super) fn show(&self, span: &Range<usize>) {
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

    /// The problems in the order of the file, and the text with literal secrets masked.
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
        // Only whole strings are masked, so the text is still UTF-8.
        Findings { problems, text: String::from_utf8(text).unwrap_or_default() }
    }

    pub(super) fn note_key(&self, path: String) {
        self.known_keys.borrow_mut().insert(path);
    }

    /// Every key that was read.
    pub fn into_known_keys(self) -> BTreeSet<String> {
        self.known_keys.into_inner()
    }

    /// The position in the file of `part` of a string: exact if the string has no escapes, else the whole string.
    pub fn place_in(&self, text: &Spanned<String>, part: Range<usize>) -> Range<usize> {
        let Some(written) = self.text.get(text.span.clone()) else { return text.span.clone() };
        for quotes in ["\"\"\"\n", "'''\n", "\"\"\"", "'''", "\"", "'"] {
            let end = quotes.trim_end();
            let inner = written.strip_prefix(quotes).and_then(|rest| rest.strip_suffix(end));
            if inner == Some(&*text.value) {
                let start = text.span.start + quotes.len();
                return start + part.start..start + part.end.min(text.value.len());
            }
        }
        text.span.clone()
    }
}

/// The result of reading a file.
pub struct Findings {
    pub problems: Vec<Problem>,
    pub text: String,
}
