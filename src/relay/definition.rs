//! One relay: which events it wants, what it fetches for them, and the message it renders.

use std::ops::Range;
use std::sync::Arc;

use super::condition::Condition;
use super::defaults::Defaults;
use super::fetched::{Fetched, Reference};
use super::message_template::{MessageTemplate, TypeText, render_plain};
use super::pattern::{Check, FieldPath, Pattern, Test};
use super::pattern_reader;
use super::quiet::Quiet;
use super::template::{Template, TemplateInput};
use super::variables::ROOTS;
use crate::config_reader::{Node, Problem, Spanned, TableReader};
use crate::event::{Event, Name, OURSELVES};
use crate::fault::Fault;
use crate::message::{Markup, Message, Origin, Severity};

#[derive(Debug)]
pub struct Relay {
    pub name: Name,
    /// The position of its name.
    pub span: Range<usize>,
    /// The sources that it receives from. None: every source except the daemon itself.
    pub from: Option<Vec<Spanned<String>>>,
    /// Its sinks as written.
    pub to: Vec<Spanned<String>>,
    /// Those of them that exist; filled in by the configuration, which knows all names.
    pub sinks: Vec<Name>,
    pub(super) matches: Vec<(FieldPath, Pattern)>,
    pub(super) when: Option<Condition>,
    fetch: Vec<(Name, Template)>,
    /// Whether `when` uses fetched data, so that it is decided after fetching.
    pub(super) deferred: bool,
    message_template: MessageTemplate,
    quiet: Quiet,
}

/// A relay that the program defines itself, over its own events: an alert.
#[derive(Debug)]
pub struct BuiltIn {
    pub name: Name,
    /// The events' subject; None: any.
    pub subject: Option<String>,
    /// The types that it matches, with a text each.
    pub texts: Vec<TypeText>,
    pub severity: Severity,
    pub key: Option<Template>,
    pub client: Option<Template>,
    pub client_url: Option<Template>,
    pub to: Vec<Spanned<String>>,
}

impl Relay {
    /// Reads one `[[relay]]`. Errors become problems; the table's `finish` finds unknown keys.
    pub fn read(table: &TableReader) -> Option<Self> {
        let reader = table.reader;
        let name = table.required_text("name");
        if let Some(name) = name.as_ref().filter(|name| name.value.trim().is_empty()) {
            reader.problem(Problem::error(name.span.clone(), "a relay needs a name"));
        }
        let from = table.texts("from");
        if let (Some([]), Some(item)) = (from.as_deref(), table.item("from"))
            && matches!(&item.node, Node::List(sources) if sources.is_empty())
        {
            let problem = Problem::error(item.span.clone(), "this relay has no sources");
            reader.problem(problem.hint("remove `from` to receive from every source"));
        }
        let to = table.texts("to").unwrap_or_default();
        let matches = table.table("match").map(|table| pattern_reader::read(&table)).unwrap_or_default();
        let fetch = read_fetch(table);
        let roots: Vec<&str> = ROOTS.into_iter().chain(fetch.iter().map(|(name, _)| &**name)).collect();
        let when = table.text("when").and_then(|spanned| Condition::compile(reader, &spanned, &roots));
        let message_template = MessageTemplate::read(table, &roots);
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
            message_template,
            quiet,
        })
    }

    pub fn built_in(relay: BuiltIn) -> Self {
        let exactly = |text: &str| Test::of(Check::Text(text.into()));
        let types = relay.texts.iter().map(|text| exactly(text.r#type)).collect();
        let mut matches = vec![(FieldPath::Type, Pattern(types))];
        matches.extend(relay.subject.map(|subject| (FieldPath::Subject, Pattern(vec![exactly(&subject)]))));
        Self {
            name: relay.name,
            span: 0..0,
            from: Some(vec![Spanned { value: OURSELVES.to_owned(), span: 0..0 }]),
            to: relay.to,
            sinks: Vec::new(),
            matches,
            when: None,
            fetch: Vec::new(),
            deferred: false,
            message_template: MessageTemplate {
                by_type: relay.texts,
                severity: Some(Template::verbatim(relay.severity.word())),
                key: relay.key,
                client: relay.client,
                client_url: relay.client_url,
                ..MessageTemplate::default()
            },
            quiet: Quiet::default(),
        }
    }

    /// The texts to use without `text`.
    #[must_use]
    pub fn with_defaults(mut self, defaults: &Arc<Defaults>) -> Self {
        self.message_template.defaults = Arc::clone(defaults);
        self
    }

    /// The kinds of sinks that have a payload of their own in `raw`.
    pub fn raw_kinds(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.message_template.raw.iter().map(|(kind, _)| kind)
    }

    /// When it suppresses or combines messages.
    pub fn quiet(&self) -> &Quiet {
        &self.quiet
    }

    pub fn fetches(&self) -> bool {
        !self.fetch.is_empty()
    }

    /// Whether `when` is decided only after fetching.
    pub fn decides_late(&self) -> bool {
        self.deferred
    }

    /// What to fetch for this event, one for each name.
    pub fn references(&self, event: &Event) -> Vec<Reference> {
        let nothing = Fetched::default();
        let input = TemplateInput::new(event, &self.name, &nothing);
        let reference = |(name, template): &(Name, Template)| {
            let reference = render_plain(template, &input).map(|text| Some(text).filter(|text| !text.is_empty()));
            Reference {
                name: name.clone(),
                reference: reference.map_err(|fault| fault.while_doing(format!("fetch.{name}"))),
            }
        };
        self.fetch.iter().map(reference).collect()
    }

    /// Decides a `when` that uses fetched data. If fetching failed, the event is wanted: the message is sent, with a
    /// line about the failure.
    pub fn still_wants(&self, event: &Event, fetched: &Fetched) -> Result<bool, Fault> {
        let Some(when) = self.when.as_ref().filter(|_| self.deferred) else { return Ok(true) };
        if fetched.failures().any(|(name, _)| when.uses(name)) {
            return Ok(true);
        }
        when.holds(TemplateInput::new(event, &self.name, fetched).context(None))
    }

    /// `when`, if it can be decided without fetching.
    pub(super) fn wants_now(&self, event: &Event) -> Result<bool, Fault> {
        match self.when.as_ref().filter(|_| !self.deferred) {
            None => Ok(true),
            Some(when) => when.holds(TemplateInput::new(event, &self.name, &Fetched::default()).context(None)),
        }
    }

    /// The message for a sink of `sink_kind`, in its markup.
    pub fn render(
        &self,
        event: &Arc<Event>,
        fetched: &Fetched,
        markup: Markup,
        sink_kind: &str,
    ) -> Result<Message, Fault> {
        let input = TemplateInput::new(event, &self.name, fetched);
        let origin = Origin { event: Arc::clone(event), relay: self.name.clone() };
        let mut message = self.message_template.render(event, &input, markup, sink_kind, origin)?;
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

/// Names with their references; a reference that does not compile keeps its name, so that using it is not a second
/// error.
fn read_fetch(table: &TableReader) -> Vec<(Name, Option<Template>)> {
    let Some(fetch) = table.table("fetch") else { return Vec::new() };
    let reader = table.reader;
    let mut read = Vec::new();
    for (key, item) in fetch.entries() {
        let plain = !key.value.starts_with(|letter: char| letter.is_ascii_digit())
            && key.value.chars().all(|letter| letter == '_' || letter.is_ascii_alphanumeric());
        if !plain || ROOTS.contains(&key.value.as_str()) {
            let problem = Problem::error(key.span.clone(), format!("`{}` is not a valid name for `fetch`", key.value));
            reader.problem(problem.hint(format!("use letters, digits and `_`, and none of {}", ROOTS.join(", "))));
            continue;
        }
        let template = if let Node::Text(text) = &item.node {
            Template::compile(reader, &Spanned { value: text.clone(), span: item.span.clone() }, &ROOTS)
        } else {
            let why = format!("`fetch.{}` must be a string, found {}", key.value, item.type_name());
            reader.problem(Problem::error(item.span.clone(), why));
            None
        };
        read.push((Name::from(key.value.as_str()), template));
    }
    read
}
