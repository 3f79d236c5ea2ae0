//! A source that is built but not started, and the two tasks that run it.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::backend::SourceView;
use super::running::TaskGroup;
use crate::config::SourceSettings;
use crate::event::Name;
use crate::fault::Fault;
use crate::intake::{ENDED, HealthMonitor, SelfReporter, SourceCondition, SourceHealthConfig, SourceState};
use crate::metrics::Metrics;
use crate::outbound::Outbound;
use crate::outbox::{Arrival, Outbox, SourceStatus};
use crate::sources::{AnySource, Source};
use crate::store::{Incident, Store};

pub(super) struct BuiltSource {
    pub(super) name: Name,
    pub(super) source: Arc<AnySource>,
    pub(super) outbox: Outbox,
    status: SourceStatus,
    health: SourceHealthConfig,
    condition: watch::Sender<SourceCondition>,
}

impl BuiltSource {
    pub(super) fn new(settings: SourceSettings, net: &Outbound, arrivals: mpsc::Sender<Arrival>) -> Self {
        let SourceSettings { name, config, health, .. } = settings;
        let kind = Name::from(config.kind());
        let source = Arc::new(config.open(net));
        let (outbox, status) = Outbox::new(name.clone(), kind, arrivals);
        let condition = watch::Sender::new(SourceCondition::new(SourceState::Connecting));
        Self { name, source, outbox, status, health, condition }
    }

    pub(super) fn view(&self) -> SourceView {
        SourceView {
            name: self.name.clone(),
            kind: self.outbox.kind().clone(),
            condition: self.condition.subscribe(),
            skipped: Arc::clone(&self.status.skipped),
        }
    }

    /// Starts the source and its health monitor. `incident`: the alert about this source that is open from before.
    pub(super) fn start(
        self,
        group: &mut TaskGroup,
        incident: Option<Incident>,
        reporter: &SelfReporter,
        metrics: &Metrics,
        store: &Store,
    ) {
        let Self { name, source, outbox, status, health, condition } = self;
        let monitor = HealthMonitor {
            source: name.clone(),
            config: health,
            catches_up: source.catches_up(),
            connects: source.endpoint().is_none(),
            open: incident,
            reporter: reporter.clone(),
            metrics: metrics.source(&name),
            store: store.clone(),
            shown: condition,
        };
        group.tasks.run(format!("health monitor of {name}"), monitor.run(status, group.stop.clone()));
        let stop = group.stop.clone();
        group.tasks.restart(format!("source {name}"), move || {
            let (source, stop) = (Arc::clone(&source), stop.clone());
            let outbox = DownOnDrop(outbox.clone());
            async move { source.run(&outbox.0, &stop).await }
        });
    }
}

/// Reports the source as down when its task ends in any way, a panic included.
struct DownOnDrop(Outbox);

impl Drop for DownOnDrop {
    fn drop(&mut self) {
        self.0.down(Fault::new(ENDED, "the source's task has ended"));
    }
}
