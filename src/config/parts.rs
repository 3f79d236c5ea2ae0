//! The sources and sinks of relays.toml, with the keys that all of their kind share.

use std::ops::Range;

use super::console;
use super::names::Known;
use crate::delivery::{self, LookUpHabits};
use crate::event::Name;
use crate::intake;
use crate::relay::{BuiltIn, Relay};
use crate::said::{Item, Node, Problem, Reading, Said, Table, nearest};
use crate::sinks::{self, SinkConfig};
use crate::sources::{self, SourceConfig};

/// `[source.tutum.prod]` before it is understood.
pub(super) struct Part<'r, 't> {
    pub kind: &'static str,
    pub name: String,
    pub name_span: Range<usize>,
    pub table: Table<'r, 't>,
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
    pub config: SourceConfig,
    pub watch: intake::Habits,
    pub look_ups: LookUpHabits,
    alert: Option<Alert>,
}

#[derive(Debug)]
pub struct SinkPart {
    pub name: Name,
    pub config: SinkConfig,
    pub lane: delivery::Habits,
}

/// `alert = "oncall"`, or a table that says more.
#[derive(Debug)]
pub struct Alert {
    to: Vec<Said<String>>,
    key: Option<Said<String>>,
    lost: Option<Said<String>>,
    back: Option<Said<String>>,
    client: Option<String>,
    client_url: Option<String>,
}

/// All tables `[SORT.KIND.NAME]`; an unknown KIND is a problem with the nearest known one.
pub(super) fn each<'r, 't>(
    reading: &'r Reading<'t>,
    item: Option<&'r Item>,
    sort: &'static str,
    kinds: &'static [&'static str],
) -> Vec<Part<'r, 't>> {
    let mut parts = Vec::new();
    let Some(item) = item else { return parts };
    for (kind_key, kind_item) in Table::new(reading, sort, item).entries() {
        let Some(kind) = kinds.iter().find(|kind| **kind == kind_key.name) else {
            let problem = Problem::error(kind_key.span.clone(), format!("`{}` is no kind of {sort}", kind_key.name));
            reading.problem(match nearest(&kind_key.name, kinds.iter().copied()) {
                Some(word) => problem.hint(format!("did you mean `{word}`?")),
                None => problem.hint(format!("kinds: {}", kinds.join(", "))),
            });
            continue;
        };
        let place = format!("{sort}.{kind}");
        for (name_key, item) in Table::new(reading, &place, kind_item).entries() {
            if !matches!(item.node, Node::Table(_)) {
                let problem = Problem::error(name_key.span.clone(), format!("a {sort} needs a name of your own"));
                reading.problem(problem.hint(format!("write [{place}.NAME] above its keys")));
                continue;
            }
            let mut table = Table::new(reading, &place, item);
            table.span = name_key.span.clone();
            table.read_optional();
            parts.push(Part { kind, name: name_key.name.clone(), name_span: name_key.span.clone(), table });
        }
    }
    parts
}

impl SourcePart {
    pub(super) fn read(part: Part) -> Outcome<Self> {
        let Part { kind, name, table, .. } = part;
        let config = SourceConfig::read(kind, &table);
        let watch = intake::Habits::read(&table);
        let look_ups = LookUpHabits::read(&table);
        let alert = Alert::read(&table);
        finish(name, config, table, |name, config| Self { name, config, watch, look_ups, alert })
    }

    /// The built-in relay that alerts when this source is lost and says when it is back.
    pub(super) fn alert_relay(&self, reading: &Reading, known: &Known) -> Option<Relay> {
        const TURNS: [&str; 3] = ["source.lost", "source.silent", "source.recovered"];
        let alert = self.alert.as_ref()?;
        let texts = self.config.alert_texts();
        let to = known.sinks(reading, &alert.to);
        let to = if to.is_empty() { vec![console()] } else { to };
        let name = format!("alert {}", self.name);
        let default_key = format!("tidings/source/{}", self.name);
        let word = |said: &Option<Said<String>>, otherwise: &str| said.as_ref().map_or(otherwise.to_owned(), |said| said.value.clone());
        let lost = word(&alert.lost, texts.lost);
        let back = word(&alert.back, texts.back);
        let text = format!("{{% if event.type == 'source.recovered' %}}{back}{{% else %}}{lost}{{% endif %}}");
        Some(Relay::built_in(BuiltIn {
            name: &name,
            types: &TURNS,
            subject: Some(&self.name),
            to,
            signal: Some("{{ 'resolve' if event.type == 'source.recovered' else 'trigger' }}"),
            severity: Some("{{ 'info' if event.type == 'source.recovered' else 'critical' }}"),
            key: Some(&word(&alert.key, texts.key.unwrap_or(&default_key))),
            client: alert.client.as_deref(),
            client_url: alert.client_url.as_deref(),
            ..BuiltIn::saying(&text)
        }))
    }
}

impl SinkPart {
    pub(super) fn read(part: Part) -> Outcome<Self> {
        let Part { kind, name, table, .. } = part;
        let config = SinkConfig::read(kind, &table);
        let lane = delivery::Habits::read(&table);
        finish(name, config, table, |name, config| Self { name, config, lane })
    }

    /// The console that relays without a sink print to.
    pub(super) fn console() -> Self {
        Self { name: console(), config: SinkConfig::console(), lane: delivery::Habits::default() }
    }
}

impl Alert {
    fn read(table: &Table) -> Option<Self> {
        let item = table.item("alert")?;
        if !matches!(item.node, Node::Table(_)) {
            let to = table.texts("alert")?;
            return Some(Self { to, key: None, lost: None, back: None, client: None, client_url: None });
        }
        let table = table.table("alert")?;
        let alert = Self::read_table(&table);
        table.finish();
        Some(alert)
    }

    fn read_table(table: &Table) -> Self {
        let to = table.texts("to");
        if to.is_none() {
            table.missing("to");
        }
        Self {
            to: to.unwrap_or_default(),
            key: table.text("key"),
            lost: table.text("lost"),
            back: table.text("back"),
            client: table.text("client").map(|said| said.value),
            client_url: table.text("client_url").map(|said| said.value),
        }
    }
}

fn finish<C, T>(name: String, config: Option<C>, table: Table, whole: impl FnOnce(Name, C) -> T) -> Outcome<T> {
    let left_out = table.left_out();
    table.finish();
    match (left_out, config) {
        (Some(why), _) => Outcome::LeftOut(name, why),
        (None, Some(config)) => Outcome::Here(Box::new(whole(Name::from(name), config))),
        (None, None) => Outcome::Faulty,
    }
}

/// Asks every kind for its keys once, so that the reading knows them all.
pub(super) fn list_keys(reading: &Reading, nothing: &Item) {
    for kind in sources::KINDS {
        let mut table = Table::new(reading, &format!("source.{kind}"), nothing);
        table.read_optional();
        SourceConfig::read(kind, &table);
        intake::Habits::read(&table);
        LookUpHabits::read(&table);
        Alert::read(&table);
    }
    Alert::read_table(&Table::new(reading, "source.alert", nothing));
    for kind in sinks::KINDS {
        let mut table = Table::new(reading, &format!("sink.{kind}"), nothing);
        table.read_optional();
        SinkConfig::read(kind, &table);
        delivery::Habits::read(&table);
    }
}
