//! Reads relays.toml into a [`Config`], or into the report of everything that is wrong with it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::alert::{ALERT, Alert};
use super::component::{Component, components};
use super::daemon::{Daemon, Env, NOTIFY};
use super::names::{CONSOLE, Names, console};
use super::sink::SinkSettings;
use super::source::{self, SourceSettings};
use crate::config_reader::{ConfigReader, Findings, Item, Node, Problem, TableReader, render};
use crate::relay::{Relay, with_compiler_stack};
use crate::{sinks, sources};

#[derive(Debug)]
pub struct Config {
    pub path: PathBuf,
    pub daemon: Daemon,
    pub sources: Vec<SourceSettings>,
    pub sinks: Vec<SinkSettings>,
    /// The relays of the file, then the built-in ones (alerts, `notify`).
    pub relays: Vec<Relay>,
    /// What is no error but should be known: components left out, secrets in the file.
    pub warnings: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{path} cannot be read: {error}", path = path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    /// All errors with their positions.
    #[error("{report}")]
    Invalid { report: String, errors: usize },
}

impl Config {
    pub fn load(path: &Path, env: Env, color: bool) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        Self::from_text(path, &text, env, color)
    }

    pub fn from_text(path: &Path, text: &str, env: Env, color: bool) -> Result<Self, ConfigError> {
        with_compiler_stack(|| Self::parse(path, text, env, color))
    }

    fn parse(path: &Path, text: &str, env: Env, color: bool) -> Result<Self, ConfigError> {
        let reader = ConfigReader::new(text, env);
        let tree = reader.tree();
        let config = Self::read(&reader, &tree, path, env);
        let failed = reader.has_errors();
        let Findings { problems, text } = reader.into_findings();
        let shown_path = path.display().to_string();
        if failed {
            let errors = problems.iter().filter(|problem| problem.is_error).count();
            return Err(ConfigError::Invalid { report: render(&problems, &shown_path, &text, color), errors });
        }
        let more_warnings = problems.iter().map(|problem| {
            let (line, column) = problem.place(&text);
            let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{shown_path}:{line}:{column}: {}{hint}", problem.message)
        });
        let warnings = config.warnings.into_iter().chain(more_warnings).collect();
        Ok(Self { warnings, ..config })
    }

    fn read(reader: &ConfigReader, tree: &Item, path: &Path, env: Env) -> Self {
        let root = TableReader::new(reader, "", tree);
        let empty = empty_table();

        let daemon_table = TableReader::new(reader, "daemon", root.item("daemon").unwrap_or(&empty));
        let daemon = Daemon::read(&daemon_table, env);
        daemon_table.finish();

        let mut names = Names::default();
        let mut warnings = Vec::new();
        let mut sources = Vec::new();
        for component in components(reader, root.item("source"), "source", sources::KINDS) {
            if names.add_source(reader, &component) {
                let source = SourceSettings::read(&component);
                sources.extend(component.finish(source, &mut warnings));
            }
        }
        source::check_endpoints(reader, &sources, &daemon);
        let mut sinks = Vec::new();
        for component in components(reader, root.item("sink"), "sink", sinks::KINDS) {
            if names.add_sink(reader, &component) {
                let sink = SinkSettings::read(&component);
                sinks.extend(component.finish(sink, &mut warnings));
            }
        }
        names.usable_sinks = sinks.iter().map(|sink| sink.name.clone()).chain([console()]).collect();
        let mut relays = read_relays(reader, root.item("relay"), &names, &mut warnings);
        relays.extend(sources.iter().filter_map(|source| source.alert_relay(reader, &names, &sources)));
        relays.extend(daemon.notify_relay(reader, &names));
        let defaults = source::default_texts(reader, &sources);
        let relays: Vec<_> = relays.into_iter().map(|relay| relay.with_defaults(&defaults)).collect();
        let prints = relays.iter().any(|relay| relay.sinks.contains(&console()));
        if prints && !sinks.iter().any(|sink| sink.name == console()) {
            sinks.extend(SinkSettings::read(&Component::empty(reader, "sink", CONSOLE, &empty)));
        }
        root.finish();
        Self { path: path.to_owned(), daemon, sources, sinks, relays, warnings }
    }
}

/// Every key that relays.toml may contain, like `sink.slack.webhook`: the shipped file must name them all.
pub fn documented_keys() -> BTreeSet<String> {
    let reader = ConfigReader::new("", &|_| None);
    let empty = empty_table();
    Daemon::read(&TableReader::new(&reader, "daemon", &empty), &|_| None);
    for kind in sources::KINDS {
        SourceSettings::read(&Component::empty(&reader, "source", kind, &empty));
    }
    Alert::read_table(&TableReader::new(&reader, "source.tutum.alert", &empty));
    for kind in sinks::KINDS {
        SinkSettings::read(&Component::empty(&reader, "sink", kind, &empty));
    }
    Relay::read(&TableReader::new(&reader, "relay", &empty));
    reader.into_known_keys()
}

fn empty_table() -> Item {
    Item { span: 0..0, node: Node::Table(Vec::new()) }
}

fn read_relays(reader: &ConfigReader, list: Option<&Item>, names: &Names, warnings: &mut Vec<String>) -> Vec<Relay> {
    let items = match list.map(|item| (&item.node, item)) {
        None => return Vec::new(),
        Some((Node::List(items), _)) => items,
        Some((_, item)) => {
            let problem = Problem::error(item.span.clone(), "relays are a list");
            reader.problem(problem.hint("write `[[relay]]` with two brackets"));
            return Vec::new();
        }
    };
    let (mut relays, mut relay_names) = (Vec::new(), BTreeSet::new());
    for item in items {
        let table = TableReader::new(reader, "relay", item);
        let relay = Relay::read(&table);
        table.finish();
        let Some(mut relay) = relay else { continue };
        if &*relay.name == NOTIFY || relay.name.starts_with(ALERT) {
            let message = format!("`{}` is the name of a built-in relay", relay.name);
            reader.problem(Problem::error(relay.span.clone(), message).hint("choose another name"));
        }
        if !relay_names.insert(relay.name.clone()) {
            let message = format!("there is another relay named `{}`", relay.name);
            let problem = Problem::error(relay.span.clone(), message);
            reader.problem(problem.hint("stored deliveries refer to their relay by name, so names must be unique"));
        }
        names.resolve(reader, &mut relay, warnings);
        relays.push(relay);
    }
    relays
}
