//! One table of relays.toml, read key by key.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use super::item::{Item, Node, Spanned};
use super::problem::Problem;
use super::reader::ConfigReader;
use super::values::{Rate, parse_duration, parse_rate, parse_size};

/// Reading a key declares that it exists; [`TableReader::finish`] reports the keys that were not read.
pub struct TableReader<'r, 't> {
    pub reader: &'r ConfigReader<'t>,
    /// The position of the header or the inline table, for "missing key".
    pub span: Range<usize>,
    /// `source.tutum`, for the list of keys.
    path: String,
    members: &'r [(Spanned<String>, Item)],
    known: RefCell<Vec<&'static str>>,
    pub(super) optional: bool,
    /// The secrets that are unset although the table is optional. Shared with the tables inside it.
    pub(super) unset_secrets: Rc<RefCell<Vec<String>>>,
}

impl<'r, 't> TableReader<'r, 't> {
    /// `item` as a table; anything else is a problem and reads as an empty table.
    pub fn new(reader: &'r ConfigReader<'t>, path: &str, item: &'r Item) -> Self {
        if !matches!(item.node, Node::Table(_)) {
            let key = path.rsplit('.').next().unwrap_or(path);
            let message = format!("`{key}` must be a table like {{ … = … }}, found {}", item.type_name());
            reader.problem(Problem::error(item.span.clone(), message));
        }
        Self {
            reader,
            span: item.span.clone(),
            path: path.to_owned(),
            members: item.members(),
            known: RefCell::default(),
            optional: false,
            unset_secrets: Rc::default(),
        }
    }

    /// Reads `optional`: from here on an unset secret is not an error, see [`TableReader::unset_secret`].
    pub fn read_optional(&mut self) {
        self.optional = self.flag("optional").unwrap_or(false);
    }

    /// Why an optional component is left out: the first secret that is unset.
    pub fn unset_secret(&self) -> Option<String> {
        self.unset_secrets.borrow().first().cloned()
    }

    pub fn item(&self, key: &'static str) -> Option<&'r Item> {
        self.known.borrow_mut().push(key);
        self.reader.note_key(if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) });
        self.members.iter().find(|(known, _)| known.value == key).map(|(_, item)| item)
    }

    /// All members, for tables whose keys are names chosen by the user.
    pub fn entries(&self) -> impl Iterator<Item = (&'r Spanned<String>, &'r Item)> + use<'r> {
        self.members.iter().map(|(key, item)| (key, item))
    }

    pub fn text(&self, key: &'static str) -> Option<Spanned<String>> {
        self.take(key, "a string", |node| match node {
            Node::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// A string; a missing one is a problem.
    pub fn required_text(&self, key: &'static str) -> Option<Spanned<String>> {
        let text = self.text(key);
        if text.is_none() && !self.has(key) {
            self.missing(key);
        }
        text
    }

    /// Whether the key is present, with a valid value or not.
    pub fn has(&self, key: &str) -> bool {
        self.members.iter().any(|(known, _)| known.value == key)
    }

    pub fn missing(&self, key: &str) {
        self.missing_with_hint(key, None);
    }

    pub fn missing_with_hint(&self, key: &str, hint: Option<&str>) {
        let problem = Problem::error(self.span.clone(), format!("`{key}` is missing here"));
        self.reader.problem(Problem { hint: hint.map(str::to_owned), ..problem });
    }

    pub fn flag(&self, key: &'static str) -> Option<bool> {
        self.take(key, "true or false", |node| match node {
            Node::Flag(flag) => Some(*flag),
            _ => None,
        })
        .map(|flag| flag.value)
    }

    /// A whole number of at least `least`.
    pub fn count(&self, key: &'static str, least: u32) -> Option<u32> {
        let number = self.take(key, "a whole number", |node| match node {
            Node::Whole(number) => Some(*number),
            _ => None,
        })?;
        match u32::try_from(number.value) {
            Ok(number) if number >= least => Some(number),
            _ => {
                let message = format!("`{key}` must be at least {least} and at most {}", u32::MAX);
                self.reader.problem(Problem::error(number.span, message));
                None
            }
        }
    }

    pub fn duration(&self, key: &'static str) -> Option<Duration> {
        self.parsed(key, parse_duration)
    }

    /// A duration above zero, for waits that repeat.
    pub fn wait(&self, key: &'static str) -> Option<Duration> {
        let duration = self.duration(key)?;
        if duration.is_zero() {
            let span = self.item(key).map_or(self.span.clone(), |item| item.span.clone());
            self.reader.problem(Problem::error(span, format!("`{key}` must be longer than nothing")));
            return None;
        }
        Some(duration)
    }

    pub fn size(&self, key: &'static str) -> Option<u64> {
        self.parsed(key, parse_size)
    }

    /// `Some(None)` is the explicit `"none"`.
    pub fn rate(&self, key: &'static str) -> Option<Option<Rate>> {
        self.parsed(key, parse_rate)
    }

    /// A string that is one of `words`.
    pub fn word(&self, key: &'static str, words: &[&'static str]) -> Option<&'static str> {
        let text = self.text(key)?;
        let found = words.iter().find(|word| **word == text.value);
        if found.is_none() {
            let message = format!("`{}` is not one of {}", text.value, words.join(", "));
            let problem = Problem::error(text.span, message);
            self.reader.problem(problem.suggest(&text.value, words.iter().copied(), || None));
        }
        found.copied()
    }

    /// A string or a list of strings.
    pub fn texts(&self, key: &'static str) -> Option<Vec<Spanned<String>>> {
        let item = self.item(key)?;
        let text = |item: &Item| {
            let Node::Text(text) = &item.node else {
                self.wrong_type(item, key, "a string or a list of strings");
                return None;
            };
            self.reader.show(&item.span);
            Some(Spanned { value: text.clone(), span: item.span.clone() })
        };
        Some(item.as_list().iter().filter_map(text).collect())
    }

    pub fn table(&self, key: &'static str) -> Option<TableReader<'r, 't>> {
        let item = self.item(key)?;
        let inner = TableReader::new(self.reader, &format!("{}.{key}", self.path), item);
        Some(TableReader { optional: self.optional, unset_secrets: Rc::clone(&self.unset_secrets), ..inner })
    }

    /// Reports every key that was not read.
    pub fn finish(self) {
        let mut known = self.known.into_inner();
        known.sort_unstable();
        known.dedup();
        for (key, _) in self.members.iter().filter(|(key, _)| !known.contains(&key.value.as_str())) {
            let problem = Problem::error(key.span.clone(), format!("unknown key `{}`", key.value));
            let otherwise = || Some(format!("known here: {}", known.join(", ")));
            self.reader.problem(problem.suggest(&key.value, known.iter().copied(), otherwise));
        }
    }

    fn parsed<T>(&self, key: &'static str, parse: fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(key)?;
        match parse(&text.value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.reader.problem(Problem::error(text.span, message));
                None
            }
        }
    }

    fn take<T>(&self, key: &'static str, expected: &str, read: impl FnOnce(&Node) -> Option<T>) -> Option<Spanned<T>> {
        let item = self.item(key)?;
        let Some(value) = read(&item.node) else {
            self.wrong_type(item, key, expected);
            return None;
        };
        self.reader.show(&item.span);
        Some(Spanned { value, span: item.span.clone() })
    }

    pub(super) fn wrong_type(&self, item: &Item, key: &str, expected: &str) {
        let message = format!("`{key}` must be {expected}, found {}", item.type_name());
        self.reader.problem(Problem::error(item.span.clone(), message));
    }
}
