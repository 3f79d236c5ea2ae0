//! A started daemon: its tasks by floor, until a word comes, and the way down.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::house::House;
use crate::intake::Herald;
use crate::metrics::Metrics;
use crate::queue::Queue;
use crate::stop::Stop;
use crate::supervisor::{Ended, Supervisor};

/// Even a drain that took all its time lets the last verdicts be written.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// The house's tasks, front to back. They are stopped in this order, so that what is on its way arrives.
pub(super) struct Floors {
    pub(super) door: Supervisor,
    pub(super) sources: Supervisor,
    pub(super) intake: Supervisor,
    pub(super) lanes: Supervisor,
    pub(super) desk: Supervisor,
}

/// A started daemon.
pub struct Running {
    pub(super) floors: Floors,
    pub(super) stops: Stops,
    pub(super) drain: Duration,
    pub(super) herald: Herald,
    pub(super) house: Arc<House>,
    pub(super) queue: Queue,
    pub(super) metrics: Metrics,
}

/// One word for each of the [`Floors`].
#[derive(Default)]
pub(super) struct Stops {
    pub(super) door: Stop,
    pub(super) sources: Stop,
    pub(super) intake: Stop,
    pub(super) lanes: Stop,
    pub(super) desk: Stop,
}

impl Floors {
    pub(super) fn new(stops: &Stops, metrics: &Metrics) -> Self {
        let floor = |stop: &Stop| {
            let metrics = metrics.clone();
            Supervisor::new(stop.clone()).count_restarts(move |task, more| metrics.task_restarted(task, more))
        };
        Self {
            door: floor(&stops.door),
            sources: floor(&stops.sources),
            intake: floor(&stops.intake),
            lanes: floor(&stops.lanes),
            desk: floor(&stops.desk),
        }
    }

    /// Resolves when a task ends that must not.
    async fn wait(&mut self) -> Ended {
        tokio::select! {
            ended = self.door.wait() => ended,
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

    /// The process is about to end. Not said before a reload: systemd would wait for the end, and then enforce it.
    pub fn announce_end(&self) {
        notify_systemd(sd_notify::NotifyState::Stopping);
    }

    /// Front to back: door, sources, intake, lanes, desk; then the state file. Never longer than `drain` for all together.
    pub async fn drain(mut self) {
        self.house.close();
        info!("stopping");
        tell(&self.herald, "daemon.stopping").await;
        let end = Instant::now() + self.drain;
        let left = || end.saturating_duration_since(Instant::now());
        self.stops.door.say();
        self.floors.door.drain(left()).await;
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
pub(super) async fn tell(herald: &Herald, r#type: &str) {
    const LIMIT: Duration = Duration::from_secs(2);
    let data = json!({ "version": env!("CARGO_PKG_VERSION"), "at": Timestamp::now().to_string() });
    let told = timeout(LIMIT, herald.tell(r#type, "tidings", &data, None)).await;
    if !matches!(told, Ok(Ok(()))) {
        warn!("{} could not be written down", r#type);
    }
}

pub(super) fn notify_systemd(state: sd_notify::NotifyState) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!("systemd could not be told: {error}");
    }
}
