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
    pub(super) listener: TaskGroup,
    pub(super) sources: TaskGroup,
    pub(super) intake: TaskGroup,
    pub(super) lanes: TaskGroup,
    pub(super) admin: TaskGroup,
}

/// Tasks with one stop.
pub(super) struct TaskGroup {
    pub(super) tasks: Supervisor,
    pub(super) stop: Stop,
}

/// A started daemon.
pub struct Running {
    pub(super) groups: TaskGroups,
    pub(super) drain: Duration,
    pub(super) reporter: SelfReporter,
    pub(super) backend: Arc<Backend>,
}

impl TaskGroups {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let group = || {
            let (stop, metrics) = (Stop::new(), metrics.clone());
            let tasks = Supervisor::new(stop.clone());
            TaskGroup { tasks: tasks.count_restarts(move |task, more| metrics.task_restarted(task, more)), stop }
        };
        Self { listener: group(), sources: group(), intake: group(), lanes: group(), admin: group() }
    }

    /// Resolves when a task ends that must not end.
    async fn wait(&mut self) -> Ended {
        tokio::select! {
            ended = self.listener.tasks.wait() => ended,
            ended = self.sources.tasks.wait() => ended,
            ended = self.intake.tasks.wait() => ended,
            ended = self.lanes.tasks.wait() => ended,
            ended = self.admin.tasks.wait() => ended,
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
        self.backend.not_ready.send_replace(Some("draining"));
        info!("stopping");
        report_life(&self.reporter, "daemon.stopping").await;
        let end = Instant::now() + self.drain;
        let left = || end.saturating_duration_since(Instant::now());
        let TaskGroups { listener, sources, intake, lanes, admin } = &mut self.groups;
        for group in [listener, sources, intake, lanes, admin] {
            group.stop.trigger();
            group.tasks.drain(left()).await;
        }
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
