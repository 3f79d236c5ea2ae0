//! The only place that knows everyone: builds the parts, hands them to each other, starts and drains them.

mod backend;
mod endpoints;
mod running;
mod shown;
mod silences;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::admin;
use crate::config::{Config, SinkSettings};
use crate::delivery::{self, Fetcher, Lane, LaneState, RateLimit, RateLimits};
use crate::event::{Name, OURSELVES};
use crate::fault::Fault;
use crate::ingress;
use crate::intake::{self, Condition, HealthMonitor, Intake, Recent, SelfReporter, State};
use crate::metrics::Metrics;
use crate::outbound::Outbound;
use crate::outbox::{INTAKE, Outbox, SourceStatus};
use crate::relay::{Relays, Silences};
use crate::sinks::{AnySink, Sink};
use crate::sources::{AnySource, Source};
use crate::stop::Stop;
use crate::store::{Incident, Store};
use crate::supervisor::Supervisor;
use backend::{Backend, SinkSeen, SourceSeen};

use running::{Stops, TaskGroups, notify_systemd, tell};
use silences::SilenceRegistry;

pub use endpoints::ListenSocket;
pub use running::Running;
pub use shown::explained;

/// Everything built, nothing started: building opens the state file but touches no network.
pub struct App {
    listen: SocketAddr,
    listen_file: PathBuf,
    admin: SocketAddr,
    admin_file: PathBuf,
    drain: Duration,
    sources: Vec<SourcePart>,
    lanes: Vec<Lane<AnySink, AnySource>>,
    intake: Intake,
    reporter: SelfReporter,
    backend: Backend,
    silences: Arc<SilenceRegistry>,
    store: Store,
    metrics: Metrics,
}

struct SourcePart {
    name: Name,
    source: Arc<AnySource>,
    outbox: Outbox,
    status: SourceStatus,
    habits: intake::SourceHealthConfig,
    shown: watch::Sender<Condition>,
}

/// A sink that is open but has no lane yet: every limit must be known before any is handed out.
struct OpenSink {
    name: Name,
    kind: &'static str,
    sink: Arc<AnySink>,
    habits: delivery::LaneConfig,
}

impl OpenSink {
    fn new(said: SinkSettings, net: &Outbound, rate_limits: &mut RateLimits) -> Self {
        let SinkSettings { name, config, lane: habits } = said;
        let (kind, sink) = (config.kind(), Arc::new(config.open(net)));
        pace(&sink, &habits, rate_limits);
        Self { name, kind, sink, habits }
    }
}

fn pace(sink: &AnySink, habits: &delivery::LaneConfig, rate_limits: &mut RateLimits) -> Option<Arc<RateLimit>> {
    let manner = sink.traits();
    let rate = habits.rate.unwrap_or(manner.rate)?;
    Some(rate_limits.share(&manner.destination, rate, manner.burst))
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

        let mut parts = Vec::new();
        let mut fetcher = Vec::new();
        for said in sources {
            let kind = Name::from(said.config.kind());
            let source = Arc::new(said.config.open(&net));
            let (outbox, status) = Outbox::new(said.name.clone(), kind, arrivals.clone());
            let (shown, _) = watch::channel(Condition::new(State::Connecting));
            fetcher.push((said.name.clone(), Arc::clone(&source), said.fetch));
            metrics.source(&said.name);
            parts.push(SourcePart { name: said.name, source, outbox, status, habits: said.health, shown });
        }
        let fetcher = Arc::new(Fetcher::new(fetcher, &metrics));

        let (ours, _) = Outbox::new(Name::from(OURSELVES), Name::from(OURSELVES), arrivals);
        let mut rate_limits = RateLimits::default();
        let opened: Vec<_> = sinks.into_iter().map(|said| OpenSink::new(said, &net, &mut rate_limits)).collect();
        let silenced = Silences::default();
        let mut lanes = Vec::new();
        for OpenSink { name, kind, sink, habits } in opened {
            let (state, _) = watch::channel(LaneState::default());
            lanes.push(Lane {
                pace: pace(&sink, &habits, &mut rate_limits),
                metrics: metrics.sink(&name),
                name,
                kind,
                sink,
                habits,
                relays: Arc::clone(&relays),
                silences: silenced.clone(),
                fetcher: Arc::clone(&fetcher),
                store: store.clone(),
                ours: ours.clone(),
                state,
            });
        }
        let silences = Arc::new(SilenceRegistry::new(store.clone(), silenced));
        let backend = Backend::new(
            store.clone(),
            Arc::clone(&relays),
            Arc::clone(&recent),
            Arc::clone(&silences),
            metrics.clone(),
            parts.iter().map(SourcePart::seen).collect(),
            lanes
                .iter()
                .map(|lane| SinkSeen { name: lane.name.clone(), kind: lane.kind, lane: lane.state.subscribe() })
                .collect(),
        );
        let intake = Intake::new(arrivals_end, self_events, relays, store.clone(), metrics.clone(), recent);
        Ok(Self {
            listen: daemon.listen,
            listen_file: ingress::address_file(&daemon.state),
            admin: daemon.admin,
            admin_file: admin::address_file(&daemon.state),
            drain: daemon.drain,
            sources: parts,
            lanes,
            intake,
            reporter,
            backend,
            silences,
            store,
            metrics,
        })
    }

    /// From here on the network is touched. The admin API comes first: a port that is taken is a fault of the start.
    pub async fn start(self, listen_socket: &mut ListenSocket) -> anyhow::Result<Running> {
        let Self {
            listen,
            listen_file,
            admin,
            admin_file,
            drain,
            sources,
            lanes,
            intake,
            reporter,
            backend,
            silences,
            store,
            metrics,
        } = self;
        let admin_listener = TcpListener::bind(admin).await;
        let admin_listener = admin_listener.with_context(|| {
            format!("the admin API cannot listen on {admin}: is there another tidings? else set `admin` of [daemon], port 0 for any")
        })?;
        let address = admin::Address::reached(admin_listener.local_addr()?);
        address.write(&admin_file).with_context(|| format!("cannot write {}", admin_file.display()))?;
        info!(admin = %address, "the admin API is open");
        let places = endpoints::places(&sources, &metrics);
        let listener = endpoints::listen(listen, listen_socket, &places, &listen_file).await?;

        let incidents = store.incidents().await.context("cannot read the open incidents")?;
        for orphan in incidents.iter().filter(|incident| !backend.has_source(&incident.source)) {
            let (source, since) = (&orphan.source, orphan.since);
            warn!("source {source} is gone from relays.toml, but its alert of {since} is still open: close it by hand");
        }
        for waiting in store.backlog().await.context("cannot read the backlog")? {
            if waiting.pending > 0 && !lanes.iter().any(|lane| lane.name == waiting.sink) {
                let (sink, pending) = (&waiting.sink, waiting.pending);
                warn!("{pending} messages wait for {sink}, which is not set up: they stay in the queue until it is");
            }
        }
        silences.load().await.context("cannot read the silences")?;
        match silences.in_force() {
            0 => {}
            many => warn!("silences in force: {many}; `tidings silence list` shows them"),
        }
        let backend = Arc::new(backend);
        let stops = Stops::default();
        let mut groups = TaskGroups::new(&stops, &metrics);
        let admin = admin::AdminServer { backend: Arc::clone(&backend), hosts: Vec::new() };
        groups.admin.run("admin API", admin::serve(admin_listener, admin, stops.admin.clone()));
        let watch = stops.admin.clone();
        groups.admin.run("silences", async move { silences.watch(watch).await });
        for lane in lanes {
            groups.lanes.run(format!("lane {}", lane.name), lane.run(stops.lanes.clone()));
        }
        groups.intake.run("intake", intake.run(stops.intake.clone()));
        if let Some(listener) = listener {
            let unmatched = metrics.endpoint(&Name::from(""));
            groups.listener.run("listener", ingress::open(listener, places, unmatched, stops.listener.clone()));
        }
        for part in sources {
            let place = store.cursor(&part.name).await;
            part.outbox.resume_at(place.with_context(|| format!("cannot read where {} stood", part.name))?);
            let open = incidents.iter().find(|incident| incident.source == part.name).cloned();
            part.start(&mut groups.sources, &stops.sources, open, &reporter, &metrics);
        }
        backend.open();
        notify_systemd(sd_notify::NotifyState::Ready);
        info!(version = env!("CARGO_PKG_VERSION"), "started");
        tell(&reporter, "daemon.started").await;
        Ok(Running { groups, stops, drain, reporter, backend, store, metrics })
    }
}

impl SourcePart {
    fn seen(&self) -> SourceSeen {
        let (name, kind) = (self.name.clone(), self.outbox.kind().clone());
        SourceSeen { name, kind, condition: self.shown.subscribe(), skipped: Arc::clone(&self.status.skipped) }
    }

    fn start(
        self,
        group: &mut Supervisor,
        stop: &Stop,
        open: Option<Incident>,
        reporter: &SelfReporter,
        metrics: &Metrics,
    ) {
        let Self { name, source, outbox, status, habits, shown } = self;
        let (reporter, metrics) = (reporter.clone(), metrics.source(&name));
        let catches_up = source.catches_up();
        let watch = HealthMonitor { source: name.clone(), habits, catches_up, open, reporter, metrics, shown };
        group.run(format!("watch over {name}"), watch.run(status, stop.clone()));
        let stop = stop.clone();
        group.keep(format!("source {name}"), move || {
            let (source, stop) = (Arc::clone(&source), stop.clone());
            let line = HungUp(outbox.clone());
            async move { source.run(&line.0, &stop).await }
        });
    }
}

/// A source that ends, be it by a panic, is down: whoever watches it must not believe its last word.
struct HungUp(Outbox);

impl Drop for HungUp {
    fn drop(&mut self) {
        self.0.down(Fault::new("ended", "the source's task has ended"));
    }
}
