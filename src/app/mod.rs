//! The only place that knows everyone: builds the parts, hands them to each other, starts and drains them.

mod hooks;
mod house;
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

use crate::config::{Config, SinkPart};
use crate::delivery::{self, Lane, LaneState, LookUps, Pace, Paces};
use crate::desk;
use crate::door;
use crate::event::{Name, OURSELVES};
use crate::fault::Fault;
use crate::intake::{self, Condition, Herald, Intake, Recent, State, Watch};
use crate::metrics::Metrics;
use crate::outbound::Outbound;
use crate::outbox::{INTAKE, Outbox, Pulse};
use crate::queue::{Incident, Queue};
use crate::relay::{Relays, Silences};
use crate::sinks::{AnySink, Sink};
use crate::sources::{AnySource, Source};
use crate::stop::Stop;
use crate::supervisor::Supervisor;
use house::{House, SinkSeen, SourceSeen};

use running::{Floors, Stops, notify_systemd, tell};
use silences::SilenceBook;

pub use running::Running;
pub use shown::explained;

/// Everything built, nothing started: building opens the state file but touches no network.
pub struct App {
    listen: SocketAddr,
    door_file: PathBuf,
    admin: SocketAddr,
    desk_file: PathBuf,
    drain: Duration,
    sources: Vec<SourcePart>,
    lanes: Vec<Lane<AnySink, AnySource>>,
    intake: Intake,
    herald: Herald,
    house: House,
    silences: Arc<SilenceBook>,
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
        let hushed = Silences::default();
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
                silences: hushed.clone(),
                look_ups: Arc::clone(&look_ups),
                queue: queue.clone(),
                ours: ours.clone(),
                state,
            });
        }
        let silences = Arc::new(SilenceBook::new(queue.clone(), hushed));
        let house = House::new(
            queue.clone(),
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
        let intake = Intake::new(arrivals_end, notices, relays, queue.clone(), metrics.clone(), recent);
        Ok(Self {
            listen: daemon.listen,
            door_file: door::address_file(&daemon.state),
            admin: daemon.admin,
            desk_file: desk::address_file(&daemon.state),
            drain: daemon.drain,
            sources: parts,
            lanes,
            intake,
            herald,
            house,
            silences,
            queue,
            metrics,
        })
    }

    /// From here on the network is touched. The desk comes first: a port that is taken is a fault of the start.
    pub async fn start(self) -> anyhow::Result<Running> {
        let Self {
            listen,
            door_file,
            admin,
            desk_file,
            drain,
            sources,
            lanes,
            intake,
            herald,
            house,
            silences,
            queue,
            metrics,
        } = self;
        let listener = TcpListener::bind(admin).await;
        let listener = listener.with_context(|| {
            format!("the desk cannot listen on {admin}: is there another tidings? else set `admin` of [daemon], port 0 for any")
        })?;
        let address = desk::Address::reached(listener.local_addr()?);
        address.write(&desk_file).with_context(|| format!("cannot write {}", desk_file.display()))?;
        info!(desk = %address, "the desk is open");
        let places = hooks::places(&sources, &metrics);
        let door = hooks::listen(listen, &places, &door_file).await?;

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
        silences.load().await.context("cannot read the silences")?;
        match silences.in_force() {
            0 => {}
            many => warn!("silences in force: {many}; `tidings silence list` shows them"),
        }
        let house = Arc::new(house);
        let stops = Stops::default();
        let mut floors = Floors::new(&stops, &metrics);
        let desk = desk::Desk { house: Arc::clone(&house), hosts: Vec::new() };
        floors.desk.run("desk", desk::serve(listener, desk, stops.desk.clone()));
        let watch = stops.desk.clone();
        floors.desk.run("silences", async move { silences.watch(watch).await });
        for lane in lanes {
            floors.lanes.run(format!("lane {}", lane.name), lane.run(stops.lanes.clone()));
        }
        floors.intake.run("intake", intake.run(stops.intake.clone()));
        if let Some(listener) = door {
            let strangers = metrics.door(&Name::from(""));
            floors.door.run("door", door::open(listener, places, strangers, stops.door.clone()));
        }
        for part in sources {
            let place = queue.cursor(&part.name).await;
            part.outbox.resume_at(place.with_context(|| format!("cannot read where {} stood", part.name))?);
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
        let catches_up = source.catches_up();
        let watch = Watch { source: name.clone(), habits, catches_up, open, herald, metrics, shown };
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
