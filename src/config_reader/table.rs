//! One table of relays.toml, asked key by key.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use super::item::Key;
use super::{ConfigReader, Item, Node, Problem, Rate, nearest, parse_duration, parse_rate, parse_size};
use crate::secret::{Origin, Secret, SecretError};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Range<usize>,
}

impl<T> Spanned<T> {
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: with(self.value), span: self.span }
    }
}

/// Asking for a key notes that it exists; [`TableReader::finish`] reports the keys that nobody asked for.
pub struct TableReader<'r, 't> {
    pub reading: &'r ConfigReader<'t>,
    /// The header's or the inline table's place: where "missing key" points.
    pub span: Range<usize>,
    /// `source.tutum`, for the list of keys.
    place: String,
    members: &'r [(Key, Item)],
    asked: RefCell<Vec<&'static str>>,
    optional: bool,
    /// Shared with the tables inside: what is unset in there leaves out the whole part.
    unset: Rc<RefCell<Vec<String>>>,
}

impl<'r, 't> TableReader<'r, 't> {
    /// `item` as a table; anything else is a problem and reads as an empty one.
    pub fn new(reading: &'r ConfigReader<'t>, place: &str, item: &'r Item) -> Self {
        if !matches!(item.node, Node::Table(_)) {
            let key = place.rsplit('.').next().unwrap_or(place);
            let said = format!("`{key}` must be a table like {{ … = … }}, found {}", item.sort());
            reading.problem(Problem::error(item.span.clone(), said));
        }
        let members = item.members();
        Self {
            reading,
            span: item.span.clone(),
            place: place.to_owned(),
            members,
            asked: RefCell::default(),
            optional: false,
            unset: Rc::default(),
        }
    }

    /// Reads `optional`: from here on a secret that is not set leaves the part out instead of being an error.
    pub fn read_optional(&mut self) {
        self.optional = self.flag("optional").unwrap_or(false);
    }

    /// Why this part is left out, if it is.
    pub fn left_out(&self) -> Option<String> {
        self.unset.borrow().first().cloned()
    }

    pub fn item(&self, key: &'static str) -> Option<&'r Item> {
        self.asked.borrow_mut().push(key);
        let place = if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) };
        self.reading.asked.borrow_mut().insert(place);
        self.members.iter().find(|(known, _)| known.name == key).map(|(_, item)| item)
    }

    /// All members, for tables whose keys are names that users give. Asks for all of them.
    pub fn entries(&self) -> impl Iterator<Item = (&'r Key, &'r Item)> + use<'r> {
        self.members.iter().map(|(key, item)| (key, item))
    }

    pub fn text(&self, key: &'static str) -> Option<Spanned<String>> {
        self.take(key, "a string", |node| match node {
            Node::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// A string that must be there.
    pub fn required_text(&self, key: &'static str) -> Option<Spanned<String>> {
        let text = self.text(key);
        if text.is_none() && !self.has(key) {
            self.missing(key);
        }
        text
    }

    /// Whether the key was written at all, rightly or wrongly.
    pub fn has(&self, key: &str) -> bool {
        self.members.iter().any(|(known, _)| known.name == key)
    }

    pub fn missing(&self, key: &str) {
        self.missing_but(key, None);
    }

    /// The same with the way out.
    pub fn missing_but(&self, key: &str, please: Option<&str>) {
        if !self.reading.listing.get() {
            let problem = Problem::error(self.span.clone(), format!("`{key}` is missing here"));
            self.reading.problem(match please {
                Some(please) => problem.hint(please),
                None => problem,
            });
        }
    }

    pub fn flag(&self, key: &'static str) -> Option<bool> {
        self.take(key, "true or false", |node| match node {
            Node::Flag(flag) => Some(*flag),
            _ => None,
        })
        .map(|said| said.value)
    }

    /// A whole number of at least `least`.
    pub fn count(&self, key: &'static str, least: u32) -> Option<u32> {
        let said = self.take(key, "a whole number", |node| match node {
            Node::Whole(number) => Some(*number),
            _ => None,
        })?;
        match u32::try_from(said.value) {
            Ok(number) if number >= least => Some(number),
            _ => {
                let message = format!("`{key}` must be at least {least} and at most {}", u32::MAX);
                self.reading.problem(Problem::error(said.span, message));
                None
            }
        }
    }

    pub fn duration(&self, key: &'static str) -> Option<Duration> {
        self.notation(key, parse_duration)
    }

    /// A duration that something waits for again and again: without any it would spin.
    pub fn wait(&self, key: &'static str) -> Option<Duration> {
        let duration = self.duration(key)?;
        if duration.is_zero() {
            let place = self.item(key).map_or(self.span.clone(), |item| item.span.clone());
            self.reading.problem(Problem::error(place, format!("`{key}` must be longer than nothing")));
            return None;
        }
        Some(duration)
    }

    pub fn size(&self, key: &'static str) -> Option<u64> {
        self.notation(key, parse_size)
    }

    /// `Some(None)` is the written-out `"none"`.
    pub fn rate(&self, key: &'static str) -> Option<Option<Rate>> {
        self.notation(key, parse_rate)
    }

    /// A string that is one of `words`.
    pub fn word(&self, key: &'static str, words: &[&'static str]) -> Option<&'static str> {
        let said = self.text(key)?;
        let found = words.iter().find(|word| **word == said.value);
        if found.is_none() {
            let message = format!("`{}` is not one of {}", said.value, words.join(", "));
            let problem = Problem::error(said.span, message);
            self.reading.problem(match nearest(&said.value, words.iter().copied()) {
                Some(word) => problem.hint(format!("did you mean `{word}`?")),
                None => problem,
            });
        }
        found.copied()
    }

    /// A string or a list of strings.
    pub fn texts(&self, key: &'static str) -> Option<Vec<Spanned<String>>> {
        let item = self.item(key)?;
        let items = match &item.node {
            Node::List(items) => items.as_slice(),
            _ => std::slice::from_ref(item),
        };
        let texts: Vec<_> = items
            .iter()
            .filter_map(|item| {
                let Node::Text(text) = &item.node else {
                    self.wrong(item, key, "a string or a list of strings");
                    return None;
                };
                self.reading.show(&item.span);
                Some(Spanned { value: text.clone(), span: item.span.clone() })
            })
            .collect();
        Some(texts)
    }

    pub fn table(&self, key: &'static str) -> Option<TableReader<'r, 't>> {
        let item = self.item(key)?;
        let inner = TableReader::new(self.reading, &format!("{}.{key}", self.place), item);
        Some(TableReader { optional: self.optional, unset: Rc::clone(&self.unset), ..inner })
    }

    /// A secret reference, read at once. A literal string is taken, with a warning, unless it is empty.
    pub fn secret(&self, key: &'static str) -> Option<Spanned<Secret>> {
        let item = self.item(key)?;
        if let Node::Text(value) = &item.node {
            if value.is_empty() {
                let problem = Problem::error(item.span.clone(), format!("`{key}` is empty, which keeps nobody out"));
                self.reading.problem(problem.hint(format!("write {key} = {{ env = \"…\" }}, or leave it out")));
                return None;
            }
            let said = format!("`{key}` is a secret written into the file");
            let hint = format!("better: {key} = {{ env = \"…\" }}, {{ file = \"…\" }} or {{ credential = \"…\" }}");
            self.reading.problem(Problem::warning(item.span.clone(), said).hint(hint));
            return Some(Spanned { value: Secret::literal(value), span: item.span.clone() });
        }
        self.referenced(key, item)
    }

    /// A secret reference, or a plain string where that is no mistake: a user's name, an API's version.
    pub fn text_or_secret(&self, key: &'static str) -> Option<Spanned<Secret>> {
        self.plain_or_referenced(key, self.item(key)?)
    }

    /// The table `key`, whose own keys are names that users give: each a plain string or a secret reference.
    pub fn named_secrets(&self, key: &'static str) -> Vec<(Spanned<String>, Spanned<Secret>)> {
        let Some(table) = self.table(key) else { return Vec::new() };
        table
            .entries()
            .filter_map(|(name, item)| {
                let secret = table.plain_or_referenced(&name.name, item)?;
                Some((Spanned { value: name.name.clone(), span: name.span.clone() }, secret))
            })
            .collect()
    }

    fn plain_or_referenced(&self, key: &str, item: &Item) -> Option<Spanned<Secret>> {
        match &item.node {
            Node::Text(value) => Some(Spanned { value: Secret::literal(value), span: item.span.clone() }),
            _ => self.referenced(key, item),
        }
    }

    pub(super) fn referenced(&self, key: &str, item: &Item) -> Option<Spanned<Secret>> {
        let origin = self.origin(key, item)?;
        match Secret::read(origin, self.reading.env) {
            Ok(secret) => Some(Spanned { value: secret, span: item.span.clone() }),
            Err(SecretError::Unset(why)) if self.optional => {
                self.unset.borrow_mut().push(why);
                None
            }
            Err(SecretError::Unset(why)) => {
                let problem = Problem::error(item.span.clone(), format!("`{key}`: {why}"));
                self.reading
                    .problem(problem.hint("set it, or write `optional = true` to leave this part out without it"));
                None
            }
            Err(SecretError::Unusable(why)) => {
                self.reading.problem(Problem::error(item.span.clone(), format!("`{key}`: {why}")));
                None
            }
        }
    }

    fn origin(&self, key: &str, item: &Item) -> Option<Origin> {
        const SORTS: [&str; 4] = ["env", "file", "path_env", "credential"];
        let expected = "a secret: { env = \"…\" }, { file = \"…\" }, { path_env = \"…\" } or { credential = \"…\" }";
        let Node::Table(members) = &item.node else {
            self.wrong(item, key, expected);
            return None;
        };
        let [(sort, Item { node: Node::Text(value), .. })] = members.as_slice() else {
            self.wrong(item, key, expected);
            return None;
        };
        match sort.name.as_str() {
            "env" => Some(Origin::Env(value.clone())),
            "file" => Some(Origin::File(value.into())),
            "path_env" => Some(Origin::PathEnv(value.clone())),
            "credential" => Some(Origin::Credential(value.clone())),
            other => {
                let problem = Problem::error(
                    sort.span.clone(),
                    format!("`{other}` is no place for a secret; expected {expected}"),
                );
                self.reading.problem(match nearest(other, SORTS) {
                    Some(word) => problem.hint(format!("did you mean `{word}`?")),
                    None => problem,
                });
                None
            }
        }
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.members.iter().filter(|(key, _)| !asked.contains(&key.name.as_str())) {
            let problem = Problem::error(key.span.clone(), format!("unknown key `{}`", key.name));
            let mut known = asked.clone();
            known.sort_unstable();
            known.dedup();
            self.reading.problem(match nearest(&key.name, known.iter().copied()) {
                Some(word) => problem.hint(format!("did you mean `{word}`?")),
                None => problem.hint(format!("known here: {}", known.join(", "))),
            });
        }
    }

    fn notation<T>(&self, key: &'static str, parse: fn(&str) -> Result<T, String>) -> Option<T> {
        let said = self.text(key)?;
        match parse(&said.value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.reading.problem(Problem::error(said.span, message));
                None
            }
        }
    }

    fn take<T>(&self, key: &'static str, expected: &str, read: impl FnOnce(&Node) -> Option<T>) -> Option<Spanned<T>> {
        let item = self.item(key)?;
        let value = read(&item.node);
        match value {
            Some(_) => self.reading.show(&item.span),
            None => self.wrong(item, key, expected),
        }
        Some(Spanned { value: value?, span: item.span.clone() })
    }

    fn wrong(&self, item: &Item, key: &str, expected: &str) {
        let message = format!("`{key}` must be {expected}, found {}", item.sort());
        self.reading.problem(Problem::error(item.span.clone(), message));
    }
}
