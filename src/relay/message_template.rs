//! The templates of a relay's message, and their rendering.

use std::sync::Arc;

use super::defaults::Defaults;
use super::raw::Raw;
use super::template::{Template, TemplateInput};
use crate::config_reader::{ConfigReader, Item, Node, Problem, Spanned, TableReader};
use crate::event::Event;
use crate::fault::Fault;
use crate::message::{Field, Markup, Message, Origin, Severity, Signal};

#[derive(Debug, Clone, Default)]
pub(super) struct MessageTemplate {
    pub(super) title: Option<Template>,
    /// None: the default of the source's kind, else type and subject of the event.
    pub(super) text: Option<Template>,
    pub(super) defaults: Arc<Defaults>,
    /// Text and signal by type of event, instead of the general ones (built-in relays).
    pub(super) by_type: Vec<TypeText>,
    pub(super) severity: Option<Template>,
    pub(super) fields: Vec<FieldTemplate>,
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
pub(super) struct FieldTemplate {
    name: Template,
    value: Template,
    short: bool,
}

/// The text and signal for events of one type.
#[derive(Debug, Clone)]
pub struct TypeText {
    pub r#type: &'static str,
    pub text: Template,
    pub signal: Option<Signal>,
}

/// Read while only the names of keys are collected.
static EMPTY_TABLE: Item = Item { span: 0..0, node: Node::Table(Vec::new()) };

impl MessageTemplate {
    pub(super) fn read(table: &TableReader, roots: &[&str]) -> Self {
        let reader = table.reader;
        let template =
            |key: &'static str| table.text(key).and_then(|spanned| Template::compile(reader, &spanned, roots));
        let checked = |key: &'static str, words: &[&str]| {
            let spanned = table.text(key)?;
            let template = Template::compile(reader, &spanned, roots)?;
            check_literal(reader, &spanned, &template, words);
            Some(template)
        };
        Self {
            title: template("title"),
            text: template("text"),
            defaults: Arc::default(),
            by_type: Vec::new(),
            severity: checked("severity", Severity::WORDS),
            fields: read_fields(table, roots),
            link: template("link"),
            color: template("color"),
            key: template("key"),
            signal: checked("signal", Signal::WORDS),
            client: None,
            client_url: None,
            raw: read_raw(table, roots),
        }
    }

    pub(super) fn render(
        &self,
        event: &Event,
        input: &TemplateInput,
        markup: Markup,
        sink_kind: &str,
        origin: Origin,
    ) -> Result<Message, Fault> {
        let by_type = self.by_type.iter().find(|text| *text.r#type == *event.r#type);
        let part = |template: &Option<Template>| -> Result<Option<String>, Fault> {
            let text = template.as_ref().map(|template| template.render(input, Some(markup))).transpose()?;
            Ok(text.filter(|text| !text.trim().is_empty()))
        };
        let render_plain = |template: &Option<Template>| -> Result<Option<String>, Fault> {
            let text = template.as_ref().map(|template| render_plain(template, input)).transpose()?;
            Ok(text.filter(|text| !text.is_empty()))
        };
        let text = match by_type.map(|of_type| &of_type.text).or(self.text.as_ref()) {
            Some(template) => template.render(input, Some(markup))?,
            None => self.default_text(event, input, markup),
        };
        let severity = render_plain(&self.severity)?.and_then(|word| Severity::parse(&word.to_lowercase()));
        let signal = match by_type {
            Some(by_type) => by_type.signal,
            None => render_plain(&self.signal)?.and_then(|word| Signal::parse(&word.to_lowercase())),
        };
        let raw = self.raw.iter().find(|(kind, _)| kind.value == sink_kind);
        Ok(Message {
            title: part(&self.title)?,
            text,
            // An invalid severity does not lose the message.
            severity: severity.unwrap_or_default(),
            fields: self.fields(input, markup)?,
            link: render_plain(&self.link)?,
            color: render_plain(&self.color)?,
            key: render_plain(&self.key)?.unwrap_or_else(|| default_key(event)),
            signal,
            client: render_plain(&self.client)?,
            client_url: render_plain(&self.client_url)?,
            raw: raw.map(|(_, raw)| raw.render(input, markup)).transpose()?,
            earlier: None,
            origin,
        })
    }

    /// Falls back to type and subject if the kind's default text fails for this body.
    fn default_text(&self, event: &Event, input: &TemplateInput, markup: Markup) -> String {
        let spanned = self.defaults.text(event).map(|template| template.render(input, Some(markup)));
        match spanned {
            Some(Ok(text)) if !text.trim().is_empty() => text,
            _ => type_and_subject(event, markup),
        }
    }

    /// Fields without a value are left out: chats refuse empty ones.
    fn fields(&self, input: &TemplateInput, markup: Markup) -> Result<Vec<Field>, Fault> {
        let mut fields = Vec::with_capacity(self.fields.len());
        for message_template in &self.fields {
            let name = message_template.name.render(input, Some(markup))?;
            let value = message_template.value.render(input, Some(markup))?;
            if !value.trim().is_empty() {
                fields.push(Field { name, value, short: message_template.short });
            }
        }
        Ok(fields)
    }
}

/// For keys, links and the like: nothing is escaped, and control characters are removed.
pub(super) fn render_plain(template: &Template, input: &TemplateInput) -> Result<String, Fault> {
    let text: String = template.render(input, None)?.chars().filter(|letter| !letter.is_control()).collect();
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

/// Source and subject. An event without a subject has no key, and therefore no order.
fn default_key(event: &Event) -> String {
    if event.subject.is_empty() {
        return String::new();
    }
    let key = format!("{}:{}", event.source, event.subject);
    key.chars().filter(|letter| !letter.is_control()).collect()
}

/// A literal is checked when relays.toml is read.
fn check_literal(reader: &ConfigReader, spanned: &Spanned<String>, template: &Template, words: &[&str]) {
    let Some(literal) = template.literal() else { return };
    if words.contains(&literal.as_str()) {
        return;
    }
    let problem = Problem::error(spanned.span.clone(), format!("`{literal}` is not one of {}", words.join(", ")));
    reader.problem(problem.suggest(&literal, words.iter().copied(), || None));
}

fn read_fields(table: &TableReader, roots: &[&str]) -> Vec<FieldTemplate> {
    let item = table.item("fields");
    let items = match item.map(|item| &item.node) {
        Some(Node::List(items)) => items.as_slice(),
        Some(_) => item.map(std::slice::from_ref).unwrap_or_default(),
        None => {
            read_field(&TableReader::new(table.reader, "relay.fields", &EMPTY_TABLE), roots);
            &[]
        }
    };
    let read = |item| {
        let table = TableReader::new(table.reader, "relay.fields", item);
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

fn read_field(table: &TableReader, roots: &[&str]) -> Option<FieldTemplate> {
    let template = |key| table.text(key).and_then(|spanned| Template::compile(table.reader, &spanned, roots));
    let (name, value, short) = (template("name"), template("value"), table.flag("short"));
    Some(FieldTemplate { name: name?, value: value?, short: short.unwrap_or(false) })
}

fn read_raw(table: &TableReader, roots: &[&str]) -> Vec<(Spanned<String>, Raw)> {
    let Some(kinds) = table.table("raw") else { return Vec::new() };
    let mut raw = Vec::new();
    for (key, item) in kinds.entries() {
        if !matches!(item.node, Node::Table(_)) {
            let why = format!("`raw.{}` must be a table, found {}", key.value, item.type_name());
            table.reader.problem(Problem::error(item.span.clone(), why));
        } else if let Some(payload) = Raw::read(table.reader, item, roots) {
            raw.push((key.clone(), payload));
        }
    }
    raw
}
