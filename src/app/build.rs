//! Builds the daemon: opens the state file, but touches no network and starts nothing.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use super::backend::{Backend, SinkView};
use super::lanes::{SinkLane, set_rate_limits};
use super::silences::SilenceRegistry;
use super::source::BuiltSource;
use crate::config::{self, Config, SinkSettings};
use crate::delivery::{Fetcher, Lane, RelayPreparation};
use crate::event::{Name, OURSELVES};
use crate::intake::{Intake, Recent, SelfReporter};
use crate::metrics::Metrics;
use crate::outbound::Outbound;
use crate::outbox::{INTAKE, Outbox};
use crate::relay::{Relays, Silences};
use crate::sinks::Sink;
use crate::store::Store;

/// The daemon, built but not started.
pub struct App {
    pub(super) daemon: config::Daemon,
    pub(super) sources: Vec<BuiltSource>,
    pub(super) lanes: Vec<SinkLane>,
    pub(super) intake: Intake,
    pub(super) reporter: SelfReporter,
    pub(super) backend: Backend,
}

impl App {
    pub fn build(config: Config) -> anyhow::Result<Self> {
        let Config { daemon, sources, sinks, relays, warnings, .. } = config;
        for warning in warnings {
            warn!("{warning}");
        }
        let metrics = Metrics::new();
        metrics.config_loaded(Timestamp::now());
        let store = Store::open(&daemon.state, daemon.policy.clone())?;
        for warning in store.warnings() {
            warn!("{warning}");
        }
        let relays = Arc::new(Relays::compile(relays));
        for relay in relays.iter() {
            metrics.relay(&relay.name);
        }
        let net = Outbound::new();
        let (arrivals, arrivals_end) = mpsc::channel(INTAKE);
        let (reporter, self_events) = SelfReporter::new();
        let recent = Arc::new(Recent::default());

        let mut built_sources = Vec::new();
        let mut fetch_sources = Vec::new();
        for settings in sources {
            metrics.source(&settings.name);
            let fetch = settings.fetch;
            let source = BuiltSource::new(settings, &net, arrivals.clone());
            fetch_sources.push((source.name.clone(), Arc::clone(&source.source), fetch));
            built_sources.push(source);
        }
        let (own_outbox, _) = Outbox::new(Name::from(OURSELVES), Name::from(OURSELVES), arrivals);
        let active_silences = Silences::default();
        let fetcher = Arc::new(Fetcher::new(fetch_sources, &metrics));
        let lane = |SinkSettings { name, config: sink, lane: config }: SinkSettings| {
            let (kind, sink) = (sink.kind(), Arc::new(sink.open(&net)));
            let (relays, fetcher) = (Arc::clone(&relays), Arc::clone(&fetcher));
            Lane {
                metrics: metrics.sink(&name),
                name,
                kind,
                preparation: Arc::new(RelayPreparation { relays, fetcher, markup: sink.traits().markup, kind }),
                destination: sink,
                config,
                rate_limit: None,
                silences: active_silences.clone(),
                store: store.clone(),
                outbox: own_outbox.clone(),
                state: watch::Sender::default(),
            }
        };
        let mut lanes: Vec<_> = sinks.into_iter().map(lane).collect();
        set_rate_limits(&mut lanes);
        let intake = Intake::new(
            arrivals_end,
            self_events,
            Arc::clone(&relays),
            store.clone(),
            metrics.clone(),
            Arc::clone(&recent),
        );
        let sink_view =
            |lane: &SinkLane| SinkView { name: lane.name.clone(), kind: lane.kind, lane: lane.state.subscribe() };
        let backend = Backend {
            silences: Arc::new(SilenceRegistry::new(store.clone(), active_silences)),
            sources: built_sources.iter().map(BuiltSource::view).collect(),
            sinks: lanes.iter().map(sink_view).collect(),
            started: Timestamp::now(),
            not_ready: watch::Sender::new(Some("starting")),
            store,
            relays,
            recent,
            metrics,
        };
        Ok(Self { daemon, sources: built_sources, lanes, intake, reporter, backend })
    }
}
