//! The sources and sinks of relays.toml, with the keys that all of their kind share.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::console;
use super::daemon::Daemon;
use super::names::Known;
use crate::config_reader::{ConfigReader, Item, Node, Problem, Spanned, TableReader, nearest};
use crate::delivery::{self, FetchConfig};
use crate::event::Name;
use crate::intake;
use crate::message::{Severity, Signal};
use crate::relay::{BuiltIn, Defaults, Relay, Template, TypeText};
use crate::sinks::{self, SinkConfig};
use crate::sources::{self, DefaultText, SourceConfig};

/// Names of the built-in relays behind `alert` begin so.
pub(super) const ALERT: &str = "alert ";

/// `[source.tutum.prod]` before it is understood.
pub(super) struct Part<'r, 't> {
    pub kind: &'static str,
    pub name: String,
    pub name_span: Range<usize>,
    pub table: TableReader<'r, 't>,
}

pub(super) enum Outcome<T> {
    Here(Box<T>),
    /// Optional, and what its secrets name is not set: its name and why.
    LeftOut(String, String),
    Faulty,
}

#[derive(Debug)]
pub struct SourcePart {
    pub name: Name,
    /// Where the name stands.
    span: Range<usize>,
    pub config: SourceConfig,
    pub watch: intake::SourceHealthConfig,
    pub fetcher: FetchConfig,
    alert: Option<Alert>,
}

#[derive(Debug)]
pub struct SinkPart {
    pub name: Name,
    pub config: SinkConfig,
    pub lane: delivery::LaneConfig,
}

/// `alert = "oncall"`, or a table that says more.
#[derive(Debug)]
pub struct Alert {
    span: Range<usize>,
    to: Vec<Spanned<String>>,
    key: Option<Spanned<String>>,
    lost: Option<Spanned<String>>,
    back: Option<Spanned<String>>,
    client: Option<String>,
    client_url: Option<String>,
}

/// All tables `[SORT.KIND.NAME]`; an unknown KIND is a problem with the nearest known one.
pub(super) fn each<'r, 't>(
    reading: &'r ConfigReader<'t>,
    item: Option<&'r Item>,
    sort: &'static str,
    kinds: &'static [&'static str],
) -> Vec<Part<'r, 't>> {
    let mut parts = Vec::new();
    let Some(item) = item else { return parts };
    for (kind_key, kind_item) in TableReader::new(reading, sort, item).entries() {
        let Some(kind) = kinds.iter().find(|kind| **kind == kind_key.name) else {
            let problem = Problem::error(kind_key.span.clone(), format!("`{}` is no kind of {sort}", kind_key.name));
            reading.problem(match nearest(&kind_key.name, kinds.iter().copied()) {
                Some(word) => problem.hint(format!("did you mean `{word}`?")),
                None => problem.hint(format!("kinds: {}", kinds.join(", "))),
            });
            continue;
        };
        let place = format!("{sort}.{kind}");
        for (name_key, item) in TableReader::new(reading, &place, kind_item).entries() {
            if !matches!(item.node, Node::Table(_)) {
                let problem = Problem::error(name_key.span.clone(), format!("a {sort} needs a name of your own"));
                reading.problem(problem.hint(format!("write [{place}.NAME] above its keys")));
                continue;
            }
            let mut table = TableReader::new(reading, &place, item);
            table.span = name_key.span.clone();
            table.read_optional();
            parts.push(Part { kind, name: name_key.name.clone(), name_span: name_key.span.clone(), table });
        }
    }
    parts
}

impl SourcePart {
    pub(super) fn read(part: Part) -> Outcome<Self> {
        let Part { kind, name, name_span: span, table } = part;
        let config = SourceConfig::read(kind, &table);
        let watch = intake::SourceHealthConfig::read(&table);
        let fetcher = FetchConfig::read(&table);
        let alert = Alert::read(&table);
        finish(name, config, table, |name, config| Self { name, span, config, watch, fetcher, alert })
    }

    /// Two sources at one place of the listener would take each other's events; and at one that others reach, events from
    /// anybody are taken only when that was meant. Others also reach a door that listens to this machine alone where a
    /// proxy stands before it, and `public_url` says that one does.
    pub(super) fn check_hooks(reading: &ConfigReader, sources: &[Self], daemon: &Daemon) {
        let listen = (!daemon.listen.ip().is_loopback()).then(|| daemon.listen.to_string());
        let reached = listen.as_ref().or(daemon.public_url.as_ref());
        let waiting: Vec<_> =
            sources.iter().filter_map(|source| source.config.endpoint().map(|endpoint| (source, endpoint))).collect();
        for (number, (source, endpoint)) in waiting.iter().enumerate() {
            let mut before = waiting.iter().take(number);
            if let Some((other, _)) = before.find(|(other, at)| at.same_path(&other.name, endpoint, &source.name)) {
                let said = format!("`{}` waits at the same path as `{}`", source.name, other.name);
                let hint = "give one of them another `path`";
                reading.problem(Problem::error(source.span.clone(), said).hint(hint));
            }
            if endpoint.is_unverified()
                && let Some(reached) = reached
            {
                let said = format!("anybody who reaches {reached} could send events to `{}`", source.name);
                let hint =
                    "say with `verify` how senders show who they are, or write verify = \"none\" if that is meant";
                reading.problem(Problem::error(source.span.clone(), said).hint(hint));
            }
        }
    }

    /// What relays without a `text` say, for each kind of source that there is.
    pub(super) fn default_texts(reading: &ConfigReader, sources: &[Self]) -> Arc<Defaults> {
        let mut defaults = Defaults::default();
        let by_kind: BTreeMap<_, _> = sources.iter().map(|source| (source.config.kind(), &source.config)).collect();
        for (kind, config) in by_kind {
            for DefaultText { r#type, text } in config.default_texts() {
                let said = Spanned { value: (*text).to_owned(), span: 0..0 };
                if let Some(template) = Template::compile(reading, &said, &Template::ROOTS) {
                    defaults.add(kind, r#type, template);
                }
            }
        }
        Arc::new(defaults)
    }

    /// The built-in relay that alerts when this source is lost and says when it is back.
    pub(super) fn alert_relay(&self, reading: &ConfigReader, known: &Known, alone: bool) -> Option<Relay> {
        let alert = self.alert.as_ref()?;
        let texts = self.config.alert_texts();
        let otherwise = |said: &Option<Spanned<String>>, default: &str| {
            let said = said.clone().unwrap_or_else(|| Spanned { value: default.to_owned(), span: alert.span.clone() });
            Template::compile(reading, &said, &Template::ROOTS)
        };
        let (lost, back) = (otherwise(&alert.lost, texts.lost)?, otherwise(&alert.back, texts.back)?);
        // Two sources must not close each other's incidents: the kind's own key is for the only one of its kind.
        let default_key = match texts.key {
            Some(key) if alone => key.to_owned(),
            Some(key) => format!("{key}/{}", self.name),
            None => format!("tidings/source/{}", self.name),
        };
        let key = otherwise(&alert.key, &default_key);
        let verbatim = |text: &Option<String>| text.as_deref().map(Template::verbatim);
        let mut relay = Relay::built_in(BuiltIn {
            name: Name::from(format!("{ALERT}{}", self.name)),
            subject: Some(self.name.to_string()),
            texts: vec![
                TypeText { r#type: "source.lost", text: lost.clone(), signal: Some(Signal::Trigger) },
                TypeText { r#type: "source.silent", text: lost, signal: Some(Signal::Trigger) },
                TypeText { r#type: "source.recovered", text: back, signal: Some(Signal::Resolve) },
            ],
            severity: Severity::Critical,
            key,
            client: verbatim(&alert.client),
            client_url: verbatim(&alert.client_url),
            to: alert.to.clone(),
        });
        relay.sinks = known.sinks_or_console(reading, &alert.to);
        Some(relay)
    }
}

impl SinkPart {
    pub(super) fn read(part: Part) -> Outcome<Self> {
        let Part { kind, name, table, .. } = part;
        let config = SinkConfig::read(kind, &table);
        let lane = delivery::LaneConfig::read(&table);
        finish(name, config, table, |name, config| Self { name, config, lane })
    }

    /// The console that relays without a sink print to.
    pub(super) fn console(reading: &ConfigReader, nothing: &Item) -> Option<Self> {
        let config = SinkConfig::read(super::CONSOLE, &TableReader::new(reading, "sink.console", nothing))?;
        Some(Self { name: console(), config, lane: delivery::LaneConfig::default() })
    }
}

impl Alert {
    fn read(table: &TableReader) -> Option<Self> {
        let item = table.item("alert")?;
        if !matches!(item.node, Node::Table(_)) {
            let to = table.texts("alert")?;
            return Some(Self {
                span: item.span.clone(),
                to,
                key: None,
                lost: None,
                back: None,
                client: None,
                client_url: None,
            });
        }
        let table = table.table("alert")?;
        let alert = Self::read_table(&table);
        table.finish();
        Some(alert)
    }

    fn read_table(table: &TableReader) -> Self {
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
            client: table.text("client").map(|said| said.value),
            client_url: table.text("client_url").map(|said| said.value),
        }
    }
}

fn finish<C, T>(name: String, config: Option<C>, table: TableReader, whole: impl FnOnce(Name, C) -> T) -> Outcome<T> {
    let left_out = table.left_out();
    table.finish();
    match (left_out, config) {
        (Some(why), _) => Outcome::LeftOut(name, why),
        (None, Some(config)) => Outcome::Here(Box::new(whole(Name::from(name), config))),
        (None, None) => Outcome::Faulty,
    }
}

/// Asks every kind for its keys once, so that the reading knows them all.
pub(super) fn list_keys(reading: &ConfigReader, nothing: &Item) {
    for kind in sources::KINDS {
        let mut table = TableReader::new(reading, &format!("source.{kind}"), nothing);
        table.read_optional();
        SourceConfig::read(kind, &table);
        intake::SourceHealthConfig::read(&table);
        FetchConfig::read(&table);
        Alert::read(&table);
    }
    Alert::read_table(&TableReader::new(reading, "source.tutum.alert", nothing));
    for kind in sinks::KINDS {
        let mut table = TableReader::new(reading, &format!("sink.{kind}"), nothing);
        table.read_optional();
        SinkConfig::read(kind, &table);
        delivery::LaneConfig::read(&table);
    }
}
