//! The only place that knows everyone: builds the parts, hands them to each other, starts and drains them.

mod house;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::config::Config;
use crate::delivery::{Lane, LaneState, LookUps, Paces};
use crate::desk;
use crate::event::{Name, OURSELVES};
use crate::intake::{self, Condition, Herald, Intake, Recent, State, Watch};
use crate::metrics::Metrics;
use crate::outbound::Outbound;
use crate::outbox::{INTAKE, Outbox, Pulse};
use crate::queue::Queue;
use crate::relay::Relays;
use crate::sinks::{AnySink, Sink};
use crate::sources::{AnySource, Source};
use crate::stop::Stop;
use crate::supervisor::{Ended, Supervisor};

pub use house::House;

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
    stops: Stops,
}

struct SourcePart {
    name: Name,
    source: Arc<AnySource>,
    outbox: Outbox,
    pulse: Pulse,
    habits: intake::Habits,
    shown: watch::Sender<Condition>,
}

/// Said one after the other, so that what is still on its way down the road arrives.
#[derive(Default)]
struct Stops {
    sources: Stop,
    intake: Stop,
    lanes: Stop,
    desk: Stop,
}

/// A started daemon.
pub struct Running {
    supervisor: Supervisor,
    stops: Stops,
    drain: Duration,
    herald: Herald,
    house: Arc<House>,
    queue: Queue,
}

impl App {
    pub fn build(config: Config) -> anyhow::Result<Self> {
        let Config { daemon, sources, sinks, relays, remarks, .. } = config;
        for remark in remarks {
            warn!("{remark}");
        }
        let metrics = Metrics::new();
        let queue = Queue::open(&daemon.state, daemon.policy.clone())?;
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
        let look_ups = Arc::new(LookUps::new(look_ups, metrics.clone()));

        let (ours, _) = Outbox::new(Name::from(OURSELVES), Name::from(OURSELVES), arrivals);
        let mut paces = Paces::default();
        let mut lanes = Vec::new();
        for said in sinks {
            let kind = said.config.kind();
            let sink = Arc::new(said.config.open(&net));
            let manner = sink.manner();
            let rate = said.lane.rate.unwrap_or(manner.rate);
            let (state, _) = watch::channel(LaneState::default());
            lanes.push(Lane {
                pace: rate.map(|rate| paces.share(&manner.destination, rate, manner.burst)),
                metrics: metrics.sink(&said.name),
                name: said.name,
                kind,
                sink,
                habits: said.lane,
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
            parts.iter().map(|part| (part.name.clone(), part.outbox.kind().clone(), part.shown.subscribe())).collect(),
            lanes.iter().map(|lane| (lane.name.clone(), lane.kind, lane.state.subscribe())).collect(),
        );
        let intake = Intake { arrivals: arrivals_end, notices, relays, queue, metrics, recent };
        Ok(Self {
            admin: daemon.admin,
            desk_file: daemon.desk_file(),
            drain: daemon.drain,
            sources: parts,
            lanes,
            intake,
            herald,
            house,
            stops: Stops::default(),
        })
    }

    /// From here on the network is touched. The desk comes first: a port that is taken is a fault of the start.
    pub async fn start(self) -> anyhow::Result<Running> {
        let Self { admin, desk_file, drain, sources, lanes, intake, herald, house, stops } = self;
        let listener = TcpListener::bind(admin).await;
        let listener = listener.with_context(|| format!("the desk cannot listen on {admin} (key `admin` of [daemon])"))?;
        let desk = listener.local_addr()?;
        write_desk_file(&desk_file, desk)?;
        info!(%desk, "the desk is open");

        let queue = intake.queue.clone();
        let metrics = intake.metrics.clone();
        let incidents = queue.incidents().await.context("reading the open incidents")?;
        let house = Arc::new(house);
        let restarts = metrics.clone();
        let mut supervisor = Supervisor::new(move |task| restarts.task_restarted(task));

        supervisor.run("desk", desk::serve(listener, Arc::clone(&house), stops.desk.clone()));
        supervisor.run("intake", intake.run(stops.intake.clone()));
        for lane in lanes {
            let name = format!("lane {}", lane.name);
            supervisor.run(&name, lane.run(stops.lanes.clone()));
        }
        for part in sources {
            let SourcePart { name, source, outbox, pulse, habits, shown } = part;
            let incident = incidents.iter().find(|incident| incident.source == name).cloned();
            let health = Watch {
                source: name.clone(),
                habits,
                open: incident,
                herald: herald.clone(),
                metrics: metrics.source(&name),
                shown,
            };
            supervisor.run(&format!("health of {name}"), health.run(pulse, stops.sources.clone()));
            let stop = stops.sources.clone();
            supervisor.keep(&format!("source {name}"), stops.sources.clone(), move || {
                let (source, outbox, stop) = (Arc::clone(&source), outbox.clone(), stop.clone());
                async move { source.run(&outbox, &stop).await }
            });
        }
        for orphan in incidents.iter().filter(|incident| !house.has_source(&incident.source)) {
            warn!("source {} is no longer configured, but its alert of {} is still open: close it by hand", orphan.source, orphan.since);
        }
        house.open();
        notify_systemd(&[sd_notify::NotifyState::Ready]);
        info!(version = env!("CARGO_PKG_VERSION"), "started");
        tell(&herald, "daemon.started").await;
        Ok(Running { supervisor, stops, drain, herald, house, queue })
    }
}

impl Running {
    /// Runs until `word` (a signal) is given. Err: a task that must not end has ended.
    pub async fn until<T>(&mut self, word: impl Future<Output = T>) -> anyhow::Result<T> {
        tokio::select! {
            word = word => Ok(word),
            ended = self.supervisor.wait() => match ended {
                Ended::Stopped => anyhow::bail!("every task has ended"),
                Ended::Failed { name, fault } => anyhow::bail!("{name} ended: {fault}"),
            },
        }
    }

    /// Front to back: sources, intake, lanes, desk; then the state file. Never longer than `drain`.
    pub async fn drain(mut self) {
        self.house.close();
        notify_systemd(&[sd_notify::NotifyState::Stopping]);
        info!("stopping");
        tell(&self.herald, "daemon.stopping").await;
        let limit = tokio::time::Instant::now() + self.drain;
        for (stop, tasks) in [
            (&self.stops.sources, &["source ", "health of "][..]),
            (&self.stops.intake, &["intake"][..]),
            (&self.stops.lanes, &["lane "][..]),
            (&self.stops.desk, &["desk"][..]),
        ] {
            stop.say();
            self.supervisor.drain(tasks, limit).await;
        }
        self.queue.close().await;
        info!("stopped");
    }
}

/// The daemon's own life is told like everything else, but its start and stop do not wait for a reader.
async fn tell(herald: &Herald, r#type: &str) {
    const LIMIT: Duration = Duration::from_secs(2);
    let data = json!({ "version": env!("CARGO_PKG_VERSION"), "at": Timestamp::now().to_string() });
    let told = tokio::time::timeout(LIMIT, herald.tell(r#type, "tidings", &data, None)).await;
    if !matches!(told, Ok(Ok(()))) {
        warn!("{} could not be written down", r#type);
    }
}

/// The verbs find the desk through this file, also when its port was any free one.
fn write_desk_file(file: &Path, desk: SocketAddr) -> anyhow::Result<()> {
    std::fs::write(file, format!("http://{desk}\n")).with_context(|| format!("cannot write {}", file.display()))
}

fn notify_systemd(state: &[sd_notify::NotifyState]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!("systemd could not be told: {error}");
    }
}
