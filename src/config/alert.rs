//! `alert`: the built-in relay that pages when a source is lost, and resolves the page when it is back.

use std::ops::Range;

use super::names::Names;
use crate::config_reader::{ConfigReader, Node, Spanned, TableReader};
use crate::event::Name;
use crate::message::{Severity, Signal};
use crate::relay::{BuiltIn, Relay, Template, TypeText};
use crate::sources::SourceConfig;

/// The prefix of the names of these relays.
pub(super) const ALERT: &str = "alert ";

/// `alert = "oncall"`, or a table with more keys.
#[derive(Debug, Default)]
pub(super) struct Alert {
    span: Range<usize>,
    to: Vec<Spanned<String>>,
    key: Option<Spanned<String>>,
    lost: Option<Spanned<String>>,
    back: Option<Spanned<String>>,
    client: Option<Template>,
    client_url: Option<Template>,
}

impl Alert {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let item = table.item("alert")?;
        if !matches!(item.node, Node::Table(_)) {
            return Some(Self { span: item.span.clone(), to: table.texts("alert")?, ..Self::default() });
        }
        let table = table.table("alert")?;
        let alert = Self::read_table(&table);
        table.finish();
        Some(alert)
    }

    pub(super) fn read_table(table: &TableReader) -> Self {
        let to = table.texts("to");
        if to.is_none() {
            table.missing("to");
        }
        Self {
            span: table.span.clone(),
            to: to.unwrap_or_default(),
            key: table.text("key"),
            lost: table.text("lost"),
            back: table.text("back"),
            client: table.text("client").map(|client| Template::verbatim(&client.value)),
            client_url: table.text("client_url").map(|url| Template::verbatim(&url.value)),
        }
    }

    /// The relay for `source`. `only_one`: there is no other source of its kind.
    pub(super) fn relay(
        &self,
        reader: &ConfigReader,
        names: &Names,
        source: &Name,
        config: &SourceConfig,
        only_one: bool,
    ) -> Option<Relay> {
        let texts = config.alert_texts();
        let compile = |text: &Option<Spanned<String>>, default: &str| {
            let default = || Spanned { value: default.to_owned(), span: self.span.clone() };
            Template::compile(reader, &text.clone().unwrap_or_else(default), &Template::ROOTS)
        };
        let (lost, back) = (compile(&self.lost, texts.lost)?, compile(&self.back, texts.back)?);
        // Two sources must not resolve each other's incidents: the kind's own key is for the only source of its kind.
        let default_key = match texts.key {
            Some(key) if only_one => key.to_owned(),
            Some(key) => format!("{key}/{source}"),
            None => format!("tidings/source/{source}"),
        };
        let mut relay = Relay::built_in(BuiltIn {
            name: Name::from(format!("{ALERT}{source}")),
            subject: Some(source.to_string()),
            texts: vec![
                TypeText { r#type: "source.lost", text: lost.clone(), signal: Some(Signal::Trigger) },
                TypeText { r#type: "source.silent", text: lost, signal: Some(Signal::Trigger) },
                TypeText { r#type: "source.recovered", text: back, signal: Some(Signal::Resolve) },
            ],
            severity: Severity::Critical,
            key: compile(&self.key, &default_key),
            client: self.client.clone(),
            client_url: self.client_url.clone(),
            to: self.to.clone(),
        });
        relay.sinks = names.sinks_or_console(reader, &self.to);
        Some(relay)
    }
}
