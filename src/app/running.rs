//! A started daemon: its tasks by floor, until a word comes, and the way down.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::backend::Backend;
use crate::intake::SelfReporter;
use crate::metrics::Metrics;
use crate::stop::Stop;
use crate::store::Store;
use crate::supervisor::{Ended, Supervisor};

/// Even a drain that took all its time lets the last verdicts be written.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// The house's tasks, front to back. They are stopped in this order, so that what is on its way arrives.
pub(super) struct TaskGroups {
    pub(super) listener: Supervisor,
    pub(super) sources: Supervisor,
    pub(super) intake: Supervisor,
    pub(super) lanes: Supervisor,
    pub(super) admin: Supervisor,
}

/// A started daemon.
pub struct Running {
    pub(super) groups: TaskGroups,
    pub(super) stops: Stops,
    pub(super) drain: Duration,
    pub(super) reporter: SelfReporter,
    pub(super) backend: Arc<Backend>,
    pub(super) store: Store,
    pub(super) metrics: Metrics,
}

/// One word for each of the [`TaskGroups`].
#[derive(Default)]
pub(super) struct Stops {
    pub(super) listener: Stop,
    pub(super) sources: Stop,
    pub(super) intake: Stop,
    pub(super) lanes: Stop,
    pub(super) admin: Stop,
}

impl TaskGroups {
    pub(super) fn new(stops: &Stops, metrics: &Metrics) -> Self {
        let group = |stop: &Stop| {
            let metrics = metrics.clone();
            Supervisor::new(stop.clone()).count_restarts(move |task, more| metrics.task_restarted(task, more))
        };
        Self {
            listener: group(&stops.listener),
            sources: group(&stops.sources),
            intake: group(&stops.intake),
            lanes: group(&stops.lanes),
            admin: group(&stops.admin),
        }
    }

    /// Resolves when a task ends that must not.
    async fn wait(&mut self) -> Ended {
        tokio::select! {
            ended = self.listener.wait() => ended,
            ended = self.sources.wait() => ended,
            ended = self.intake.wait() => ended,
            ended = self.lanes.wait() => ended,
            ended = self.admin.wait() => ended,
        }
    }
}

impl Running {
    /// Runs until `word` (a signal) is given. Err: a task that must not end has ended.
    pub async fn until<T>(&mut self, word: impl Future<Output = T>) -> anyhow::Result<T> {
        tokio::select! {
            word = word => Ok(word),
            ended = self.groups.wait() => match ended {
                Ended::Stopped => anyhow::bail!("every task has ended"),
                Ended::Failed { name, fault } => anyhow::bail!("{name} ended: {fault}"),
            },
        }
    }

    /// relays.toml was read again and cannot be used: everything goes on as before.
    pub async fn rejected(&self, why: &str) {
        self.metrics.config_rejected();
        let told = self.reporter.report("config.rejected", "tidings", &json!({ "why": why }), None).await;
        told.unwrap_or_else(|fault| warn!("config.rejected could not be written down: {fault}"));
    }

    /// The process is about to end. Not said before a reload: systemd would wait for the end, and then enforce it.
    pub fn announce_end(&self) {
        notify_systemd(sd_notify::NotifyState::Stopping);
    }

    /// Front to back: door, sources, intake, lanes, desk; then the state file. Never longer than `drain` for all together.
    pub async fn drain(mut self) {
        self.backend.close();
        info!("stopping");
        tell(&self.reporter, "daemon.stopping").await;
        let end = Instant::now() + self.drain;
        let left = || end.saturating_duration_since(Instant::now());
        self.stops.listener.trigger();
        self.groups.listener.drain(left()).await;
        self.stops.sources.trigger();
        self.groups.sources.drain(left()).await;
        self.stops.intake.trigger();
        self.groups.intake.drain(left()).await;
        self.stops.lanes.trigger();
        self.groups.lanes.drain(left()).await;
        self.stops.admin.trigger();
        self.groups.admin.drain(left()).await;
        match timeout(left().max(LAST_WRITE), self.store.close()).await {
            Ok(Ok(())) => info!("stopped"),
            Ok(Err(error)) => {
                warn!("stopped; some verdicts could not be written, so those messages will be sent again: {error}");
            }
            Err(_) => warn!("stopped without waiting longer for the state file"),
        }
    }
}

/// The daemon's own life is told like everything else, but its start and stop do not wait for a reader.
pub(super) async fn tell(reporter: &SelfReporter, r#type: &str) {
    const LIMIT: Duration = Duration::from_secs(2);
    let data = json!({ "version": env!("CARGO_PKG_VERSION"), "at": Timestamp::now().to_string() });
    let told = timeout(LIMIT, reporter.report(r#type, "tidings", &data, None)).await;
    if !matches!(told, Ok(Ok(()))) {
        warn!("{} could not be written down", r#type);
    }
}

pub(super) fn notify_systemd(state: sd_notify::NotifyState) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!("systemd could not be told: {error}");
    }
}
