//! A started daemon: its task groups, and the drain.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sd_notify::NotifyState;
use serde_json::json;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::backend::Backend;
use crate::intake::SelfReporter;
use crate::metrics::Metrics;
use crate::stop::Stop;
use crate::supervisor::{Ended, Supervisor};

/// Time to write the last verdicts, even if the drain has used up its limit.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// The daemon's tasks. They stop in this order, so that accepted events still reach the store and the sinks.
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
}

/// The stop of each of the [`TaskGroups`].
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

    /// Resolves when a task ends that must not end.
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
    /// Runs until `signal` resolves. Err: a task that must not end has ended.
    pub async fn until<T>(&mut self, signal: impl Future<Output = T>) -> anyhow::Result<T> {
        tokio::select! {
            signal = signal => Ok(signal),
            ended = self.groups.wait() => match ended {
                Ended::Stopped => anyhow::bail!("every task has ended"),
                Ended::Failed { name, fault } => anyhow::bail!("{name} ended: {fault}"),
            },
        }
    }

    /// Reports that the changed relays.toml is invalid; the daemon keeps running as it is.
    pub async fn reject_config(&self, why: &str) {
        self.backend.metrics.config_rejected();
        let outcome = self.reporter.report("config.rejected", "tidings", &json!({ "why": why }), None).await;
        outcome.unwrap_or_else(|fault| warn!("config.rejected could not be stored: {fault}"));
    }

    /// Announces the end of the process to systemd. Not before a reload: systemd would enforce the end.
    pub fn announce_end(&self) {
        notify_systemd(NotifyState::Stopping);
    }

    /// Stops the task groups in order, then closes the store. Takes at most `drain` for all together.
    pub async fn drain(mut self) {
        self.backend.set_draining();
        info!("stopping");
        report_life(&self.reporter, "daemon.stopping").await;
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
        match timeout(left().max(LAST_WRITE), self.backend.store.close()).await {
            Ok(Ok(())) => info!("stopped"),
            Ok(Err(error)) => {
                warn!("stopped; some delivery results could not be stored, those messages will be sent again: {error}");
            }
            Err(_) => warn!("stopped without waiting longer for the state file to close"),
        }
    }
}

/// Reports the daemon's start or stop, without waiting long for a full intake.
pub(super) async fn report_life(reporter: &SelfReporter, r#type: &str) {
    const LIMIT: Duration = Duration::from_secs(2);
    let data = json!({ "version": env!("CARGO_PKG_VERSION"), "at": Timestamp::now().to_string() });
    let outcome = timeout(LIMIT, reporter.report(r#type, "tidings", &data, None)).await;
    if !matches!(outcome, Ok(Ok(()))) {
        warn!("{} could not be stored", r#type);
    }
}

pub(super) fn notify_systemd(state: NotifyState) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!("systemd could not be notified: {error}");
    }
}
