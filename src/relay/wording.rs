//! How a relay says what happened: the templates of its message, and their rendering.

use std::sync::Arc;

use super::defaults::Defaults;
use super::raw::Raw;
use super::template::{Occasion, Template};
use crate::config_reader::{ConfigReader, Item, Node, Problem, Spanned, TableReader, nearest};
use crate::event::Event;
use crate::fault::Fault;
use crate::message::{Field, Markup, Message, Origin, Severity, Signal};

#[derive(Debug, Clone, Default)]
pub(super) struct Wording {
    pub(super) title: Option<Template>,
    /// None: as the kind of the source would say it, else the type and the subject of the event.
    pub(super) text: Option<Template>,
    pub(super) defaults: Arc<Defaults>,
    /// Text and signal for events of one type, instead of the general ones (the program's own relays).
    pub(super) by_type: Vec<Says>,
    pub(super) severity: Option<Template>,
    pub(super) fields: Vec<FieldWording>,
    pub(super) link: Option<Template>,
    pub(super) color: Option<Template>,
    /// None: source and subject.
    pub(super) key: Option<Template>,
    pub(super) signal: Option<Template>,
    pub(super) client: Option<Template>,
    pub(super) client_url: Option<Template>,
    pub(super) raw: Vec<(Spanned<String>, Raw)>,
}

#[derive(Debug, Clone)]
pub(super) struct FieldWording {
    name: Template,
    value: Template,
    short: bool,
}

/// What is said about events of one type.
#[derive(Debug, Clone)]
pub struct Says {
    pub r#type: &'static str,
    pub text: Template,
    pub signal: Option<Signal>,
}

/// Stands for the table of a field while only the names of keys are collected.
static NO_FIELD: Item = Item { span: 0..0, node: Node::Table(Vec::new()) };

impl Wording {
    pub(super) fn read(table: &TableReader, roots: &[&str]) -> Self {
        let reading = table.reading;
        let template = |key: &'static str| table.text(key).and_then(|said| Template::compile(reading, &said, roots));
        let word = |key: &'static str, words: &[&str]| {
            let said = table.text(key)?;
            let template = Template::compile(reading, &said, roots)?;
            check_word(reading, &said, &template, words);
            Some(template)
        };
        Self {
            title: template("title"),
            text: template("text"),
            defaults: Arc::default(),
            by_type: Vec::new(),
            severity: word("severity", &Severity::WORDS),
            fields: read_fields(table, roots),
            link: template("link"),
            color: template("color"),
            key: template("key"),
            signal: word("signal", &Signal::WORDS),
            client: None,
            client_url: None,
            raw: read_raw(table, roots),
        }
    }

    pub(super) fn word(
        &self,
        event: &Event,
        occasion: &Occasion,
        markup: Markup,
        sink_kind: &str,
        origin: Origin,
    ) -> Result<Message, Fault> {
        let says = self.by_type.iter().find(|says| *says.r#type == *event.r#type);
        let part = |template: &Option<Template>| -> Result<Option<String>, Fault> {
            let text = template.as_ref().map(|template| template.render(occasion, Some(markup))).transpose()?;
            Ok(text.filter(|text| !text.trim().is_empty()))
        };
        let bare = |template: &Option<Template>| -> Result<Option<String>, Fault> {
            let text = template.as_ref().map(|template| bare(template, occasion)).transpose()?;
            Ok(text.filter(|text| !text.is_empty()))
        };
        let text = match says.map(|says| &says.text).or(self.text.as_ref()) {
            Some(template) => template.render(occasion, Some(markup))?,
            None => self.default_text(event, occasion, markup),
        };
        let severity = bare(&self.severity)?.and_then(|word| Severity::parse(&word.to_lowercase()));
        let signal = match says {
            Some(says) => says.signal,
            None => bare(&self.signal)?.and_then(|word| Signal::parse(&word.to_lowercase())),
        };
        let raw = self.raw.iter().find(|(kind, _)| kind.value == sink_kind);
        Ok(Message {
            title: part(&self.title)?,
            text,
            // A word that no event should have made is no reason to lose the message.
            severity: severity.unwrap_or_default(),
            fields: self.fields(occasion, markup)?,
            link: bare(&self.link)?,
            color: bare(&self.color)?,
            key: bare(&self.key)?.unwrap_or_else(|| default_key(event)),
            signal,
            client: bare(&self.client)?,
            client_url: bare(&self.client_url)?,
            raw: raw.map(|(_, raw)| raw.render(occasion, markup)).transpose()?,
            earlier: None,
            origin,
        })
    }

    /// A body of a stranger's making may break the kind's words; the plainest ones are never broken.
    fn default_text(&self, event: &Event, occasion: &Occasion, markup: Markup) -> String {
        let said = self.defaults.text(event).map(|template| template.render(occasion, Some(markup)));
        match said {
            Some(Ok(text)) if !text.trim().is_empty() => text,
            _ => type_and_subject(event, markup),
        }
    }

    /// Fields without a value are left out: chats refuse empty ones.
    fn fields(&self, occasion: &Occasion, markup: Markup) -> Result<Vec<Field>, Fault> {
        let mut fields = Vec::with_capacity(self.fields.len());
        for wording in &self.fields {
            let name = wording.name.render(occasion, Some(markup))?;
            let value = wording.value.render(occasion, Some(markup))?;
            if !value.trim().is_empty() {
                fields.push(Field { name, value, short: wording.short });
            }
        }
        Ok(fields)
    }
}

/// For what no person reads as prose: nothing is escaped, and no control character gets through.
pub(super) fn bare(template: &Template, occasion: &Occasion) -> Result<String, Fault> {
    let text: String = template.render(occasion, None)?.chars().filter(|letter| !letter.is_control()).collect();
    Ok(text.trim().to_owned())
}

fn type_and_subject(event: &Event, markup: Markup) -> String {
    let mut text = markup.escaped(&event.r#type);
    if !event.subject.is_empty() {
        text.push_str(": ");
        markup.escape(&event.subject, &mut text);
    }
    text
}

/// Source and subject. An event without a subject is about nothing but itself: it has no key and keeps no order.
fn default_key(event: &Event) -> String {
    if event.subject.is_empty() {
        return String::new();
    }
    let key = format!("{}:{}", event.source, event.subject);
    key.chars().filter(|letter| !letter.is_control()).collect()
}

/// What says the same of every event can be checked before there is one.
fn check_word(reading: &ConfigReader, said: &Spanned<String>, template: &Template, words: &[&str]) {
    let Some(literal) = template.literal() else { return };
    if words.contains(&literal.as_str()) {
        return;
    }
    let problem = Problem::error(said.span.clone(), format!("`{literal}` is not one of {}", words.join(", ")));
    reading.problem(match nearest(&literal, words.iter().copied()) {
        Some(word) => problem.hint(format!("did you mean `{word}`?")),
        None => problem,
    });
}

fn read_fields(table: &TableReader, roots: &[&str]) -> Vec<FieldWording> {
    let item = table.item("fields");
    let items = match item.map(|item| &item.node) {
        Some(Node::List(items)) => items.as_slice(),
        Some(_) => item.map(std::slice::from_ref).unwrap_or_default(),
        None => {
            read_field(&TableReader::new(table.reading, "relay.fields", &NO_FIELD), roots);
            &[]
        }
    };
    let read = |item| {
        let table = TableReader::new(table.reading, "relay.fields", item);
        let field = read_field(&table, roots);
        for key in ["name", "value"] {
            if !table.has(key) && matches!(item.node, Node::Table(_)) {
                table.missing(key);
            }
        }
        table.finish();
        field
    };
    items.iter().filter_map(read).collect()
}

fn read_field(table: &TableReader, roots: &[&str]) -> Option<FieldWording> {
    let template = |key| table.text(key).and_then(|said| Template::compile(table.reading, &said, roots));
    let (name, value, short) = (template("name"), template("value"), table.flag("short"));
    Some(FieldWording { name: name?, value: value?, short: short.unwrap_or(false) })
}

fn read_raw(table: &TableReader, roots: &[&str]) -> Vec<(Spanned<String>, Raw)> {
    let Some(kinds) = table.table("raw") else { return Vec::new() };
    let mut raw = Vec::new();
    for (key, item) in kinds.entries() {
        if !matches!(item.node, Node::Table(_)) {
            let why = format!("`raw.{}` must be a table, found {}", key.name, item.type_name());
            table.reading.problem(Problem::error(item.span.clone(), why));
        } else if let Some(payload) = Raw::read(table.reading, item, roots) {
            raw.push((Spanned { value: key.name.clone(), span: key.span.clone() }, payload));
        }
    }
    raw
}
