//! The settings of a source: its kind's own, and those that all sources share.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::alert::Alert;
use super::component::Component;
use super::daemon::Daemon;
use super::names::Names;
use crate::config_reader::{ConfigReader, Problem, Spanned};
use crate::delivery::FetchConfig;
use crate::event::Name;
use crate::intake::SourceHealthConfig;
use crate::relay::{Defaults, Relay, Template};
use crate::sources::{DefaultText, SourceConfig};

#[derive(Debug)]
pub struct SourceSettings {
    pub name: Name,
    name_span: Range<usize>,
    pub config: SourceConfig,
    pub health: SourceHealthConfig,
    pub fetch: FetchConfig,
    alert: Option<Alert>,
}

impl SourceSettings {
    /// None if there are problems, which are reported.
    pub(super) fn read(component: &Component) -> Option<Self> {
        let Component { kind, name, table, .. } = component;
        let config = SourceConfig::read(kind, table);
        let health = SourceHealthConfig::read(table);
        let fetch = FetchConfig::read(table);
        let alert = Alert::read(table);
        let (name, name_span) = (Name::from(&*name.value), name.span.clone());
        Some(Self { name, name_span, config: config?, health, fetch, alert })
    }

    /// The built-in relay behind this source's `alert`, if it has one.
    pub(super) fn alert_relay(&self, reader: &ConfigReader, names: &Names, all: &[Self]) -> Option<Relay> {
        let kind = self.config.kind();
        let only_one = all.iter().filter(|other| other.config.kind() == kind).count() == 1;
        self.alert.as_ref()?.relay(reader, names, &self.name, &self.config, only_one)
    }
}

/// Two sources with the same path would receive each other's events. And where others can reach the listener, a source
/// without `verify` must be intended. A loopback listener is reachable too if `public_url` names a proxy before it.
pub(super) fn check_endpoints(reader: &ConfigReader, sources: &[SourceSettings], daemon: &Daemon) {
    let listen = (!daemon.listen.ip().is_loopback()).then(|| daemon.listen.to_string());
    let reachable_at = listen.as_ref().or(daemon.public_url.as_ref());
    let endpoints: Vec<_> =
        sources.iter().filter_map(|source| source.config.endpoint().map(|endpoint| (source, endpoint))).collect();
    for (number, (source, endpoint)) in endpoints.iter().enumerate() {
        let mut before = endpoints.iter().take(number);
        if let Some((other, _)) = before.find(|(other, at)| at.same_path(&other.name, endpoint, &source.name)) {
            let message = format!("`{}` has the same path as `{}`", source.name, other.name);
            let hint = "give one of them another `path`";
            reader.problem(Problem::error(source.name_span.clone(), message).hint(hint));
        }
        if endpoint.is_unverified()
            && let Some(address) = reachable_at
        {
            let message = format!("anyone who can reach {address} could send events to `{}`", source.name);
            let hint = "set `verify` to authenticate senders, or write verify = \"none\" to accept events from anyone";
            reader.problem(Problem::error(source.name_span.clone(), message).hint(hint));
        }
    }
}

/// The texts of relays without a `text`, for each kind among `sources`.
pub(super) fn default_texts(reader: &ConfigReader, sources: &[SourceSettings]) -> Arc<Defaults> {
    let mut defaults = Defaults::default();
    let by_kind: BTreeMap<_, _> = sources.iter().map(|source| (source.config.kind(), &source.config)).collect();
    for (kind, config) in by_kind {
        for DefaultText { r#type, text } in config.default_texts() {
            let text = Spanned { value: (*text).to_owned(), span: 0..0 };
            if let Some(template) = Template::compile(reader, &text, &Template::ROOTS) {
                defaults.add(kind, r#type, template);
            }
        }
    }
    Arc::new(defaults)
}
