//! One relay: what it takes, what it must fetch first, and how it words it.

use std::ops::Range;
use std::sync::Arc;

use super::condition::Condition;
use super::defaults::Defaults;
use super::fetched::{Fetched, Reference};
use super::pattern::{At, Check, Pattern, Test};
use super::pattern_reader;
use super::quiet::Quiet;
use super::template::{Occasion, Template};
use super::view::ROOTS;
use super::wording::{Says, Wording, bare};
use crate::config_reader::{Node, Problem, Spanned, TableReader};
use crate::event::{Event, Name, OURSELVES};
use crate::fault::Fault;
use crate::message::{Markup, Message, Origin, Severity};

#[derive(Debug)]
pub struct Relay {
    pub name: Name,
    /// Where its name stands.
    pub span: Range<usize>,
    /// The sources that it hears. None: every source but the daemon itself.
    pub from: Option<Vec<Spanned<String>>>,
    /// The sinks that it is to speak to, as they were said.
    pub to: Vec<Spanned<String>>,
    /// Those of them that are there; the configuration, which knows all names, fills this in.
    pub sinks: Vec<Name>,
    pub(super) matches: Vec<(At, Pattern)>,
    pub(super) when: Option<Condition>,
    fetch: Vec<(Name, Template)>,
    /// Whether `when` needs what is fetched, so that it can be decided only then.
    pub(super) deferred: bool,
    wording: Wording,
    quiet: Quiet,
}

/// A relay that the program makes itself, over events of its own life: an alert.
#[derive(Debug)]
pub struct BuiltIn {
    pub name: Name,
    /// The events' subject; None: any.
    pub subject: Option<String>,
    /// The types that it takes, and what it says of each.
    pub says: Vec<Says>,
    pub severity: Severity,
    pub key: Option<Template>,
    pub client: Option<Template>,
    pub client_url: Option<Template>,
    pub to: Vec<Spanned<String>>,
}

impl Relay {
    /// One `[[relay]]`. What is wrong becomes problems; unknown keys are found by the table's `finish`.
    pub fn read(table: &TableReader) -> Option<Self> {
        let reading = table.reading;
        let name = table.required_text("name");
        if let Some(name) = name.as_ref().filter(|name| name.value.trim().is_empty()) {
            reading.problem(Problem::error(name.span.clone(), "a relay needs a name"));
        }
        let from = table.texts("from");
        if let (Some([]), Some(item)) = (from.as_deref(), table.item("from"))
            && matches!(&item.node, Node::List(sources) if sources.is_empty())
        {
            let problem = Problem::error(item.span.clone(), "a relay that hears no source says nothing");
            reading.problem(problem.hint("leave `from` out to hear every source"));
        }
        let to = table.texts("to").unwrap_or_default();
        let matches = table.table("match").map(|table| pattern_reader::read(&table)).unwrap_or_default();
        let fetch = read_fetch(table);
        let roots: Vec<&str> = ROOTS.into_iter().chain(fetch.iter().map(|(name, _)| &**name)).collect();
        let when = table.text("when").and_then(|said| Condition::compile(reading, &said, &roots));
        let wording = Wording::read(table, &roots);
        let quiet = Quiet::read(table, &roots);
        let deferred = when.as_ref().is_some_and(|when| fetch.iter().any(|(name, _)| when.uses(name)));
        let fetch = fetch.into_iter().filter_map(|(name, template)| Some((name, template?))).collect();
        let name = name?;
        Some(Self {
            name: name.value.into(),
            span: name.span,
            from,
            to,
            sinks: Vec::new(),
            matches,
            when,
            fetch,
            deferred,
            wording,
            quiet,
        })
    }

    pub fn built_in(said: BuiltIn) -> Self {
        let exactly = |text: &str| Test::of(Check::Text(text.into()));
        let types = said.says.iter().map(|says| exactly(says.r#type)).collect();
        let mut matches = vec![(At::Type, Pattern(types))];
        matches.extend(said.subject.map(|subject| (At::Subject, Pattern(vec![exactly(&subject)]))));
        Self {
            name: said.name,
            span: 0..0,
            from: Some(vec![Spanned { value: OURSELVES.to_owned(), span: 0..0 }]),
            to: said.to,
            sinks: Vec::new(),
            matches,
            when: None,
            fetch: Vec::new(),
            deferred: false,
            wording: Wording {
                by_type: said.says,
                severity: Some(Template::verbatim(said.severity.word())),
                key: said.key,
                client: said.client,
                client_url: said.client_url,
                ..Wording::default()
            },
            quiet: Quiet::default(),
        }
    }

    /// What it says where it has no `text`.
    #[must_use]
    pub fn with_defaults(mut self, defaults: &Arc<Defaults>) -> Self {
        self.wording.defaults = Arc::clone(defaults);
        self
    }

    /// The kinds of sinks that have a payload of their own in `raw`.
    pub fn raw_kinds(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.wording.raw.iter().map(|(kind, _)| kind)
    }

    /// When and how it does not say everything as it comes.
    pub fn quiet(&self) -> &Quiet {
        &self.quiet
    }

    pub fn fetches(&self) -> bool {
        !self.fetch.is_empty()
    }

    /// Whether `when` can be decided only by what is fetched.
    pub fn decides_late(&self) -> bool {
        self.deferred
    }

    /// What this event's `fetch` refers to, one for each name.
    pub fn references(&self, event: &Event) -> Vec<Reference> {
        let nothing = Fetched::default();
        let occasion = Occasion::new(event, &self.name, &nothing);
        let reference = |(name, template): &(Name, Template)| {
            let reference = bare(template, &occasion).map(|text| Some(text).filter(|text| !text.is_empty()));
            Reference {
                name: name.clone(),
                reference: reference.map_err(|fault| fault.while_doing(format!("fetch.{name}"))),
            }
        };
        self.fetch.iter().map(reference).collect()
    }

    /// Decides a `when` that had to wait for what was fetched. Where that could not be fetched, nobody can say no:
    /// the message goes out, with the line that tells why it is bare.
    pub fn still_wants(&self, event: &Event, fetched: &Fetched) -> Result<bool, Fault> {
        let Some(when) = self.when.as_ref().filter(|_| self.deferred) else { return Ok(true) };
        if fetched.failures().any(|(name, _)| when.uses(name)) {
            return Ok(true);
        }
        when.holds(Occasion::new(event, &self.name, fetched).context(None))
    }

    /// `when`, as far as it can be decided without anything fetched.
    pub(super) fn wants_now(&self, event: &Event) -> Result<bool, Fault> {
        match self.when.as_ref().filter(|_| !self.deferred) {
            None => Ok(true),
            Some(when) => when.holds(Occasion::new(event, &self.name, &Fetched::default()).context(None)),
        }
    }

    /// The message for a sink of `sink_kind`, in its markup.
    pub fn word(
        &self,
        event: &Arc<Event>,
        fetched: &Fetched,
        markup: Markup,
        sink_kind: &str,
    ) -> Result<Message, Fault> {
        let occasion = Occasion::new(event, &self.name, fetched);
        let origin = Origin { event: Arc::clone(event), relay: self.name.clone() };
        let mut message = self.wording.word(event, &occasion, markup, sink_kind, origin)?;
        for (name, fault) in fetched.failures() {
            if !message.text.is_empty() && !message.text.ends_with('\n') {
                message.text.push('\n');
            }
            let why = fault.to_string().replace('\n', " ");
            markup.escape(&format!("({name} could not be fetched: {why})"), &mut message.text);
        }
        Ok(message)
    }
}

/// Names with their references; a reference that does not compile keeps its name, so that its use elsewhere is no
/// second fault.
fn read_fetch(table: &TableReader) -> Vec<(Name, Option<Template>)> {
    let Some(fetch) = table.table("fetch") else { return Vec::new() };
    let reading = table.reading;
    let mut read = Vec::new();
    for (key, item) in fetch.entries() {
        let plain = !key.name.starts_with(|letter: char| letter.is_ascii_digit())
            && key.name.chars().all(|letter| letter == '_' || letter.is_ascii_alphanumeric());
        if !plain || ROOTS.contains(&key.name.as_str()) {
            let problem = Problem::error(key.span.clone(), format!("`{}` is no name for what is fetched", key.name));
            reading.problem(problem.hint(format!("letters, digits and `_`, and none of {}", ROOTS.join(", "))));
            continue;
        }
        let template = if let Node::Text(text) = &item.node {
            Template::compile(reading, &Spanned { value: text.clone(), span: item.span.clone() }, &ROOTS)
        } else {
            let why = format!("`fetch.{}` must be a string, found {}", key.name, item.type_name());
            reading.problem(Problem::error(item.span.clone(), why));
            None
        };
        read.push((Name::from(key.name.as_str()), template));
    }
    read
}
