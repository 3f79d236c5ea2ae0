//! relays.toml: what was said, turned into what is meant.
//!
//! Everything is read and checked here, all faults are found in one run, and no network is touched.

mod daemon;
mod names;
mod parts;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::config_reader::{ConfigReader, Findings, Item, Node, Problem, TableReader, render};
use crate::event::Name;
use crate::relay::{Relay, with_compiler_stack};

pub use daemon::Daemon;
pub use parts::{Alert, SinkPart, SourcePart};

/// A relay, or an alert, that has no sink left says it here.
pub const CONSOLE: &str = "console";

/// What is meant: every name resolved, every template compiled, every secret read.
#[derive(Debug)]
pub struct Config {
    pub path: PathBuf,
    pub daemon: Daemon,
    pub sources: Vec<SourcePart>,
    pub sinks: Vec<SinkPart>,
    /// The relays of the file, then those built in (alerts, `notify`).
    pub relays: Vec<Relay>,
    /// What a person should know although it is no fault: parts left out, secrets in the file.
    pub remarks: Vec<String>,
}

/// Why there is no configuration, as a person reads it.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    #[error("{path} cannot be read: {error}", path = path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    /// All faults with their places.
    #[error("{report}")]
    Faulty { report: String, faults: usize },
}

/// Where variables come from; the process's own unless a test says otherwise.
pub type Env<'e> = &'e (dyn Fn(&str) -> Option<String> + Sync);

impl Config {
    pub fn load(path: &Path, env: Env, color: bool) -> Result<Self, Rejected> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| Rejected::Unreadable { path: path.to_owned(), error })?;
        Self::from_text(path, &text, env, color)
    }

    pub fn from_text(path: &Path, text: &str, env: Env, color: bool) -> Result<Self, Rejected> {
        with_compiler_stack(|| Self::read(path, text, env, color))
    }

    fn read(path: &Path, text: &str, env: Env, color: bool) -> Result<Self, Rejected> {
        let reading = ConfigReader::new(text, env);
        let tree = reading.tree();
        let config = mean(&reading, &tree, path, env);
        let failed = reading.has_errors();
        let Findings { problems, text } = reading.into_findings();
        let shown = path.display().to_string();
        if failed {
            let faults = problems.iter().filter(|problem| problem.is_error).count();
            return Err(Rejected::Faulty { report: render(&problems, &shown, &text, color), faults });
        }
        let warnings = problems.iter().map(|problem| {
            let (line, column) = problem.place(&text);
            let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{shown}:{line}:{column}: {}{hint}", problem.said)
        });
        let remarks = config.remarks.into_iter().chain(warnings).collect();
        Ok(Self { remarks, ..config })
    }
}

/// Every key that relays.toml may hold, as `sink.slack.webhook`: the shipped file must name them all.
pub fn documented_keys() -> BTreeSet<String> {
    let reading = ConfigReader::new("", &|_| None);
    reading.list_keys();
    let nothing = Item { span: 0..0, node: Node::Table(Vec::new()) };
    daemon::Daemon::read(&TableReader::new(&reading, "daemon", &nothing), &|_| None);
    parts::list_keys(&reading, &nothing);
    Relay::read(&TableReader::new(&reading, "relay", &nothing));
    reading.asked()
}

fn mean(reading: &ConfigReader, tree: &Item, path: &Path, env: Env) -> Config {
    let root = TableReader::new(reading, "", tree);
    let nothing = Item { span: 0..0, node: Node::Table(Vec::new()) };

    let daemon_table = TableReader::new(reading, "daemon", root.item("daemon").unwrap_or(&nothing));
    let daemon = Daemon::read(&daemon_table, env);
    daemon_table.finish();

    let mut known = names::Known::default();
    let mut remarks = Vec::new();
    let mut sources = Vec::new();
    for part in parts::each(reading, root.item("source"), "source", crate::sources::KINDS) {
        if known.source(reading, &part) {
            match parts::SourcePart::read(part) {
                parts::Outcome::Here(source) => sources.push(*source),
                parts::Outcome::LeftOut(name, why) => remarks.push(format!("source {name} is left out: {why}")),
                parts::Outcome::Faulty => {}
            }
        }
    }
    parts::SourcePart::check_hooks(reading, &sources, &daemon);
    let mut sinks = Vec::new();
    for part in parts::each(reading, root.item("sink"), "sink", crate::sinks::KINDS) {
        if known.sink(reading, &part) {
            match parts::SinkPart::read(part) {
                parts::Outcome::Here(sink) => sinks.push(*sink),
                parts::Outcome::LeftOut(name, why) => remarks.push(known.leave_out_sink(&name, &why)),
                parts::Outcome::Faulty => {}
            }
        }
    }
    let mut relays = read_relays(reading, root.item("relay"), &known, &mut remarks);
    for source in &sources {
        let kind = source.config.kind();
        let alone = sources.iter().filter(|other| other.config.kind() == kind).count() == 1;
        relays.extend(source.alert_relay(reading, &known, alone));
    }
    relays.extend(daemon.notify_relay(reading, &known));
    let defaults = parts::SourcePart::default_texts(reading, &sources);
    let relays: Vec<_> = relays.into_iter().map(|relay| relay.with_defaults(&defaults)).collect();
    if relays.iter().any(|relay| relay.sinks.iter().any(|sink| &**sink == CONSOLE)) && !known.has_sink(CONSOLE) {
        sinks.extend(SinkPart::console(reading, &nothing));
    }
    root.finish();
    Config { path: path.to_owned(), daemon, sources, sinks, relays, remarks }
}

fn read_relays(
    reading: &ConfigReader,
    list: Option<&Item>,
    known: &names::Known,
    remarks: &mut Vec<String>,
) -> Vec<Relay> {
    let items = match list.map(|item| (&item.node, item)) {
        None => return Vec::new(),
        Some((Node::List(items), _)) => items,
        Some((_, item)) => {
            let problem = Problem::error(item.span.clone(), "relays are a list");
            reading.problem(problem.hint("write `[[relay]]` with two brackets"));
            return Vec::new();
        }
    };
    let (mut relays, mut names) = (Vec::new(), BTreeSet::new());
    for item in items {
        let table = TableReader::new(reading, "relay", item);
        let relay = Relay::read(&table);
        table.finish();
        let Some(mut relay) = relay else { continue };
        if &*relay.name == daemon::NOTIFY || relay.name.starts_with(parts::ALERT) {
            let message = format!("`{}` is the name of a relay that is built in", relay.name);
            reading.problem(Problem::error(relay.span.clone(), message).hint("choose another name"));
        }
        if !names.insert(relay.name.clone()) {
            let message = format!("there is another relay named `{}`", relay.name);
            let problem = Problem::error(relay.span.clone(), message);
            reading.problem(problem.hint("deliveries name their relay, so names must differ"));
        }
        names::resolve(reading, &mut relay, known, remarks);
        relays.push(relay);
    }
    relays
}

/// A name that relays.toml gives a part: short, and harmless in a path, a metric and a log line.
fn is_a_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn console() -> Name {
    Name::from(CONSOLE)
}
