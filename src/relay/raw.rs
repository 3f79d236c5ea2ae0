//! `raw.slack = {…}`: a payload in the sink's own format, with templates inside its strings.

use serde_json::Value;

use super::template::{Template, TemplateInput};
use crate::config_reader::{ConfigReader, Item, Node, Spanned};
use crate::fault::Fault;
use crate::message::Markup;

#[derive(Debug, Clone)]
pub(super) enum Raw {
    Text(Template),
    /// Numbers and flags: nothing to render.
    Fixed(Value),
    List(Vec<Raw>),
    Table(Vec<(String, Raw)>),
}

impl Raw {
    /// None if a template in it does not compile; each such template is reported.
    pub(super) fn read(reader: &ConfigReader, item: &Item, roots: &[&str]) -> Option<Self> {
        match &item.node {
            Node::Text(text) => {
                let spanned = Spanned { value: text.clone(), span: item.span.clone() };
                Template::compile(reader, &spanned, roots).map(Self::Text)
            }
            Node::Whole(_) | Node::Real(_) | Node::Flag(_) => Some(Self::Fixed(item.to_json())),
            Node::List(items) => {
                let read: Vec<_> = items.iter().map(|item| Self::read(reader, item, roots)).collect();
                read.into_iter().collect::<Option<_>>().map(Self::List)
            }
            Node::Table(members) => {
                let read = |item: &Item| Self::read(reader, item, roots);
                let read: Vec<_> = members.iter().map(|(key, item)| Some((key.value.clone(), read(item)?))).collect();
                read.into_iter().collect::<Option<_>>().map(Self::Table)
            }
        }
    }

    pub(super) fn render(&self, input: &TemplateInput, markup: Markup) -> Result<Value, Fault> {
        match self {
            Self::Text(template) => template.render(input, Some(markup)).map(Value::String),
            Self::Fixed(value) => Ok(value.clone()),
            Self::List(items) => items.iter().map(|item| item.render(input, markup)).collect(),
            Self::Table(members) => {
                members.iter().map(|(key, item)| Ok((key.clone(), item.render(input, markup)?))).collect()
            }
        }
    }
}
