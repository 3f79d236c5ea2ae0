//! The only place that knows everyone: builds the parts, hands them to each other, starts and drains them.

mod house;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use crate::config::{Config, SinkPart};
use crate::delivery::{self, Lane, LaneState, LookUps, Pace, Paces};
use crate::desk;
use crate::event::{Name, OURSELVES};
use crate::fault::Fault;
use crate::intake::{self, Condition, Herald, Intake, Recent, State, Watch};
use crate::metrics::Metrics;
use crate::outbound::Outbound;
use crate::outbox::{INTAKE, Outbox, Pulse};
use crate::queue::{Incident, Queue};
use crate::relay::Relays;
use crate::sinks::{AnySink, Sink};
use crate::sources::{AnySource, Source};
use crate::stop::Stop;
use crate::supervisor::{Ended, Supervisor};
use house::{House, SinkSeen, SourceSeen};

pub use house::explained;

/// Even a drain that took all its time lets the last verdicts be written.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Everything built, nothing started: building opens the state file but touches no network.
pub struct App {
    admin: SocketAddr,
    desk_file: PathBuf,
    drain: Duration,
    sources: Vec<SourcePart>,
    lanes: Vec<Lane<AnySink, AnySource>>,
    intake: Intake,
    herald: Herald,
    house: House,
    queue: Queue,
    metrics: Metrics,
}

struct SourcePart {
    name: Name,
    source: Arc<AnySource>,
    outbox: Outbox,
    pulse: Pulse,
    habits: intake::Habits,
    shown: watch::Sender<Condition>,
}

/// A sink that is open but has no lane yet: every limit must be known before any is handed out.
struct OpenSink {
    name: Name,
    kind: &'static str,
    sink: Arc<AnySink>,
    habits: delivery::Habits,
}

impl OpenSink {
    fn new(said: SinkPart, net: &Outbound, paces: &mut Paces) -> Self {
        let SinkPart { name, config, lane: habits } = said;
        let (kind, sink) = (config.kind(), Arc::new(config.open(net)));
        pace(&sink, &habits, paces);
        Self { name, kind, sink, habits }
    }
}

fn pace(sink: &AnySink, habits: &delivery::Habits, paces: &mut Paces) -> Option<Arc<Pace>> {
    let manner = sink.manner();
    let rate = habits.rate.unwrap_or(manner.rate)?;
    Some(paces.share(&manner.destination, rate, manner.burst))
}

/// The house's tasks, front to back. They are stopped in this order, so that what is on its way arrives.
struct Floors {
    sources: Supervisor,
    intake: Supervisor,
    lanes: Supervisor,
    desk: Supervisor,
}

/// A started daemon.
pub struct Running {
    floors: Floors,
    stops: Stops,
    drain: Duration,
    herald: Herald,
    house: Arc<House>,
    queue: Queue,
    metrics: Metrics,
}

/// One word for each of the [`Floors`].
#[derive(Default)]
struct Stops {
    sources: Stop,
    intake: Stop,
    lanes: Stop,
    desk: Stop,
}

impl App {
    pub fn build(config: Config) -> anyhow::Result<Self> {
        let Config { daemon, sources, sinks, relays, remarks, .. } = config;
        for remark in remarks {
            warn!("{remark}");
        }
        let metrics = Metrics::new();
        metrics.config_loaded(Timestamp::now());
        let queue = Queue::open(&daemon.state, daemon.policy.clone())?;
        for warning in queue.warnings() {
            warn!("{warning}");
        }
        let relays = Arc::new(Relays::compile(relays));
        for relay in relays.iter() {
            metrics.relay(&relay.name);
        }
        let net = Outbound::new();
        let (arrivals, arrivals_end) = mpsc::channel(INTAKE);
        let (herald, notices) = Herald::new();
        let recent = Arc::new(Recent::default());

        let mut parts = Vec::new();
        let mut look_ups = Vec::new();
        for said in sources {
            let kind = Name::from(said.config.kind());
            let source = Arc::new(said.config.open(&net));
            let (outbox, pulse) = Outbox::new(said.name.clone(), kind, arrivals.clone());
            let (shown, _) = watch::channel(Condition::new(State::Connecting));
            look_ups.push((said.name.clone(), Arc::clone(&source), said.look_ups));
            metrics.source(&said.name);
            parts.push(SourcePart { name: said.name, source, outbox, pulse, habits: said.watch, shown });
        }
        let look_ups = Arc::new(LookUps::new(look_ups, &metrics));

        let (ours, _) = Outbox::new(Name::from(OURSELVES), Name::from(OURSELVES), arrivals);
        let mut paces = Paces::default();
        let opened: Vec<_> = sinks.into_iter().map(|said| OpenSink::new(said, &net, &mut paces)).collect();
        let mut lanes = Vec::new();
        for OpenSink { name, kind, sink, habits } in opened {
            let (state, _) = watch::channel(LaneState::default());
            lanes.push(Lane {
                pace: pace(&sink, &habits, &mut paces),
                metrics: metrics.sink(&name),
                name,
                kind,
                sink,
                habits,
                relays: Arc::clone(&relays),
                look_ups: Arc::clone(&look_ups),
                queue: queue.clone(),
                ours: ours.clone(),
                state,
            });
        }
        let house = House::new(
            queue.clone(),
            Arc::clone(&relays),
            Arc::clone(&recent),
            metrics.clone(),
            parts.iter().map(SourcePart::seen).collect(),
            lanes
                .iter()
                .map(|lane| SinkSeen { name: lane.name.clone(), kind: lane.kind, lane: lane.state.subscribe() })
                .collect(),
        );
        let intake = Intake::new(arrivals_end, notices, relays, queue.clone(), metrics.clone(), recent);
        Ok(Self {
            admin: daemon.admin,
            desk_file: desk::address_file(&daemon.state),
            drain: daemon.drain,
            sources: parts,
            lanes,
            intake,
            herald,
            house,
            queue,
            metrics,
        })
    }

    /// From here on the network is touched. The desk comes first: a port that is taken is a fault of the start.
    pub async fn start(self) -> anyhow::Result<Running> {
        let Self { admin, desk_file, drain, sources, lanes, intake, herald, house, queue, metrics } = self;
        let listener = TcpListener::bind(admin).await;
        let listener = listener.with_context(|| {
            format!("the desk cannot listen on {admin}: is there another tidings? else set `admin` of [daemon], port 0 for any")
        })?;
        let address = desk::Address::reached(listener.local_addr()?);
        address.write(&desk_file).with_context(|| format!("cannot write {}", desk_file.display()))?;
        info!(desk = %address, "the desk is open");

        let incidents = queue.incidents().await.context("cannot read the open incidents")?;
        for orphan in incidents.iter().filter(|incident| !house.has_source(&incident.source)) {
            let (source, since) = (&orphan.source, orphan.since);
            warn!("source {source} is gone from relays.toml, but its alert of {since} is still open: close it by hand");
        }
        for waiting in queue.backlog().await.context("cannot read the backlog")? {
            if waiting.pending > 0 && !lanes.iter().any(|lane| lane.name == waiting.sink) {
                let (sink, pending) = (&waiting.sink, waiting.pending);
                warn!("{pending} messages wait for {sink}, which is not set up: they stay in the queue until it is");
            }
        }
        let house = Arc::new(house);
        let stops = Stops::default();
        let mut floors = Floors::new(&stops, &metrics);
        let desk = desk::Desk { house: Arc::clone(&house), hosts: Vec::new() };
        floors.desk.run("desk", desk::serve(listener, desk, stops.desk.clone()));
        for lane in lanes {
            floors.lanes.run(format!("lane {}", lane.name), lane.run(stops.lanes.clone()));
        }
        floors.intake.run("intake", intake.run(stops.intake.clone()));
        for part in sources {
            let open = incidents.iter().find(|incident| incident.source == part.name).cloned();
            part.start(&mut floors.sources, &stops.sources, open, &herald, &metrics);
        }
        house.open();
        notify_systemd(sd_notify::NotifyState::Ready);
        info!(version = env!("CARGO_PKG_VERSION"), "started");
        tell(&herald, "daemon.started").await;
        Ok(Running { floors, stops, drain, herald, house, queue, metrics })
    }
}

impl SourcePart {
    fn seen(&self) -> SourceSeen {
        let (name, kind) = (self.name.clone(), self.outbox.kind().clone());
        SourceSeen { name, kind, condition: self.shown.subscribe(), skipped: Arc::clone(&self.pulse.skipped) }
    }

    fn start(self, floor: &mut Supervisor, stop: &Stop, open: Option<Incident>, herald: &Herald, metrics: &Metrics) {
        let Self { name, source, outbox, pulse, habits, shown } = self;
        let (herald, metrics) = (herald.clone(), metrics.source(&name));
        let watch = Watch { source: name.clone(), habits, open, herald, metrics, shown };
        floor.run(format!("watch over {name}"), watch.run(pulse, stop.clone()));
        let stop = stop.clone();
        floor.keep(format!("source {name}"), move || {
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

impl Floors {
    fn new(stops: &Stops, metrics: &Metrics) -> Self {
        let floor = |stop: &Stop| {
            let metrics = metrics.clone();
            Supervisor::new(stop.clone()).count_restarts(move |task, more| metrics.task_restarted(task, more))
        };
        Self {
            sources: floor(&stops.sources),
            intake: floor(&stops.intake),
            lanes: floor(&stops.lanes),
            desk: floor(&stops.desk),
        }
    }

    /// Resolves when a task ends that must not.
    async fn wait(&mut self) -> Ended {
        tokio::select! {
            ended = self.sources.wait() => ended,
            ended = self.intake.wait() => ended,
            ended = self.lanes.wait() => ended,
            ended = self.desk.wait() => ended,
        }
    }
}

impl Running {
    /// Runs until `word` (a signal) is given. Err: a task that must not end has ended.
    pub async fn until<T>(&mut self, word: impl Future<Output = T>) -> anyhow::Result<T> {
        tokio::select! {
            word = word => Ok(word),
            ended = self.floors.wait() => match ended {
                Ended::Stopped => anyhow::bail!("every task has ended"),
                Ended::Failed { name, fault } => anyhow::bail!("{name} ended: {fault}"),
            },
        }
    }

    /// relays.toml was read again and cannot be used: everything goes on as before.
    pub async fn rejected(&self, why: &str) {
        self.metrics.config_rejected();
        let told = self.herald.tell("config.rejected", "tidings", &json!({ "why": why }), None).await;
        told.unwrap_or_else(|fault| warn!("config.rejected could not be written down: {fault}"));
    }

    /// Front to back: sources, intake, lanes, desk; then the state file. Never longer than `drain` for all together.
    pub async fn drain(mut self) {
        self.house.close();
        notify_systemd(sd_notify::NotifyState::Stopping);
        info!("stopping");
        tell(&self.herald, "daemon.stopping").await;
        let end = Instant::now() + self.drain;
        let left = || end.saturating_duration_since(Instant::now());
        self.stops.sources.say();
        self.floors.sources.drain(left()).await;
        self.stops.intake.say();
        self.floors.intake.drain(left()).await;
        self.stops.lanes.say();
        self.floors.lanes.drain(left()).await;
        self.stops.desk.say();
        self.floors.desk.drain(left()).await;
        match timeout(left().max(LAST_WRITE), self.queue.close()).await {
            Ok(Ok(())) => info!("stopped"),
            Ok(Err(error)) => {
                warn!("stopped; some verdicts could not be written, so those messages will be sent again: {error}");
            }
            Err(_) => warn!("stopped without waiting longer for the state file"),
        }
    }
}

/// The daemon's own life is told like everything else, but its start and stop do not wait for a reader.
async fn tell(herald: &Herald, r#type: &str) {
    const LIMIT: Duration = Duration::from_secs(2);
    let data = json!({ "version": env!("CARGO_PKG_VERSION"), "at": Timestamp::now().to_string() });
    let told = timeout(LIMIT, herald.tell(r#type, "tidings", &data, None)).await;
    if !matches!(told, Ok(Ok(()))) {
        warn!("{} could not be written down", r#type);
    }
}

fn notify_systemd(state: sd_notify::NotifyState) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!("systemd could not be told: {error}");
    }
}
