//! Monitors one source: feeds its [`Health`] and reports what that decides, its connections, and what it missed.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, OptionFuture};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::health::Health;
use super::report::Report;
use super::self_event::SelfReporter;
use super::source_state::{SourceCondition, SourceHealthConfig};
use super::up_record::{Missed, UpRecord};
use crate::event::Name;
use crate::fault::Fault;
use crate::metrics::SourceMetrics;
use crate::outbox::{LinkChange, LinkState, SourceStatus};
use crate::stop::Stop;
use crate::store::{self, Incident, Store};

/// How often a live source is looked at, so that a standstill of the process is noticed.
const TICK: Duration = Duration::from_secs(1);
/// Refused deliveries within this time are reported together.
const REFUSALS: Duration = Duration::from_secs(600);
/// The reason of the fault when a source's task has ended, which it also does after every stop.
pub const ENDED: &str = "ended";

pub struct HealthMonitor {
    pub source: Name,
    pub config: SourceHealthConfig,
    /// Whether the source still gets what happens while its connection is down: then an outage is no gap by itself.
    pub catches_up: bool,
    /// Whether the source connects to something, and is not posted to.
    pub connects: bool,
    /// The incident that an earlier run left open.
    pub open: Option<Incident>,
    pub reporter: SelfReporter,
    pub metrics: SourceMetrics,
    pub store: Store,
    /// What the admin API shows.
    pub shown: watch::Sender<SourceCondition>,
}

/// What is done one after the other; the next begins when the one before is on disk.
enum Step {
    Report(Report),
    /// The source is up, and nothing before is unreported.
    RecordUp,
    RecordLoss(Missed),
}

struct Monitoring {
    monitor: HealthMonitor,
    status: SourceStatus,
    health: Health,
    steps: VecDeque<Step>,
    /// None for a source that catches up.
    record: Option<UpRecord>,
    /// Not reported yet: since before this life, or since the last loss.
    missed: Option<Missed>,
    came_up: bool,
    /// When refused deliveries may be reported again.
    refusals_at: Instant,
}

impl HealthMonitor {
    /// Runs until `stop`. A planned stop reports nothing, but records until when the source was up.
    pub async fn run(self, status: SourceStatus, stop: Stop) -> Result<(), Fault> {
        let (mut record, mut missed) = (None, None);
        if !self.catches_up {
            let Some((loaded, unreported)) = stop.or(UpRecord::load(&self.store, &self.source)).await else {
                return Ok(());
            };
            (record, missed) = (Some(loaded), unreported);
            status.changes.tick();
        }
        let open = self.open.as_ref().map(|incident| (incident.event == "source.silent", incident.why.clone()));
        let now = Instant::now();
        let health = Health::new(self.config, now, open);
        let (monitor, steps) = (self, VecDeque::new());
        Monitoring { monitor, status, health, steps, record, missed, came_up: false, refusals_at: now }.run(stop).await
    }
}

impl Monitoring {
    async fn run(mut self, stop: Stop) -> Result<(), Fault> {
        let mut doing: Option<BoxFuture<'static, Result<(), Fault>>> = None;
        loop {
            if doing.is_none() {
                if self.steps.is_empty() {
                    self.plan();
                }
                doing = self.steps.pop_front().map(|step| self.begin(step));
            }
            self.show();
            let watches_events = self.monitor.config.expect_every.is_some() || self.health.is_silent();
            self.status.watched.store(watches_events, Ordering::Relaxed);
            let wake = self.wake_at(doing.is_some());
            tokio::select! {
                biased;
                // What is handed in is safe; the stop does not wait until it is written.
                () = stop.wait() => return self.finish().await,
                Some(done) = OptionFuture::from(doing.as_mut()) => {
                    doing = None;
                    done?;
                }
                changed = self.status.link.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let link = self.status.link.borrow_and_update().clone();
                    self.monitor.metrics.up.set(i64::from(link == LinkState::Up));
                    self.health.link_changed(Instant::now(), link);
                }
                Ok(()) = self.status.held.changed() => self.check_held(),
                Some(gap) = self.status.gaps.recv(), if doing.is_none() => {
                    self.steps.push_back(Step::Report(Report::gap(gap)));
                }
                () = self.status.refusals.added(), if doing.is_none() && Instant::now() >= self.refusals_at => {
                    self.report_refusals();
                }
                Ok(()) = self.status.last_event.changed(), if watches_events => {
                    if let Some(at) = *self.status.last_event.borrow_and_update() {
                        self.health.event_received(at);
                    }
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => self.tick(),
            }
        }
    }

    /// The next steps, if something is to be done.
    fn plan(&mut self) {
        if let Some(change) = self.status.changes.take() {
            self.plan_link_change(change);
        } else if let Some(change) = self.health.due(Instant::now()) {
            self.steps.push_back(Step::Report(Report::health(&self.monitor.source, change)));
        } else if self.missed.is_none()
            && self.health.is_reading()
            && self.record.as_ref().is_some_and(UpRecord::is_due)
        {
            self.steps.push_back(Step::RecordUp);
        }
    }

    fn plan_link_change(&mut self, change: LinkChange) {
        match change {
            LinkChange::Connected { at } => {
                if std::mem::replace(&mut self.came_up, true) {
                    self.monitor.metrics.reconnects.inc();
                }
                if self.monitor.connects {
                    self.steps.push_back(Step::Report(Report::connected(at)));
                }
                if let Some(missed) = &self.missed {
                    self.steps.push_back(Step::Report(Report::missed(missed, at)));
                }
                if self.record.is_some() {
                    self.steps.push_back(Step::RecordUp);
                }
            }
            LinkChange::Disconnected { since, why } => {
                if self.record.is_some() {
                    let missed = self.missed.get_or_insert_with(|| Missed::by_loss(since, &why));
                    self.steps.push_back(Step::RecordLoss(missed.clone()));
                }
                if self.monitor.connects {
                    self.steps.push_back(Step::Report(Report::disconnected(since, &why)));
                }
            }
        }
    }

    fn begin(&mut self, step: Step) -> BoxFuture<'static, Result<(), Fault>> {
        match (step, &mut self.record) {
            (Step::Report(report), _) => {
                let HealthMonitor { source, reporter, metrics, .. } = &self.monitor;
                report.send(source.clone(), reporter.clone(), metrics.clone()).boxed()
            }
            (Step::RecordUp, Some(record)) => {
                self.missed = None;
                record.still_up().map(Ok).boxed()
            }
            (Step::RecordLoss(missed), Some(record)) => record.lost(&missed).map(Ok).boxed(),
            (_, None) => std::future::ready(Ok(())).boxed(),
        }
    }

    fn tick(&mut self) {
        if self.record.is_some() {
            self.status.changes.tick();
        }
        self.check_held();
    }

    /// A source that waits for a busy disk is not held.
    fn check_held(&mut self) {
        let held = *self.status.held.borrow_and_update();
        let refusing = matches!(self.monitor.store.health(), store::Health::Refusing(_));
        self.health.set_held(Instant::now(), held && refusing);
    }

    fn report_refusals(&mut self) {
        if let Some(refused) = self.status.refusals.take() {
            self.refusals_at = Instant::now() + REFUSALS;
            self.steps.push_back(Step::Report(Report::refused(refused)));
        }
    }

    /// What has to be done at some moment, whatever happens until then.
    fn wake_at(&self, is_busy: bool) -> Option<Instant> {
        let now = Instant::now();
        let ticks = self.record.is_some() || *self.status.held.borrow();
        let deadline = self.health.deadline().filter(|_| !is_busy);
        let refusals = Some(self.refusals_at).filter(|at| *at > now);
        ticks.then(|| now + TICK).into_iter().chain(deadline).chain(refusals).min()
    }

    fn show(&self) {
        let (state, why, alerted) = self.health.condition();
        self.monitor.shown.send_if_modified(|condition| {
            let since = if condition.state == state { condition.since } else { Timestamp::now() };
            let next = SourceCondition { state, since, why, alerted };
            let changed = *condition != next;
            *condition = next;
            changed
        });
    }

    /// Everything that the next life has to know.
    async fn finish(mut self) -> Result<(), Fault> {
        let HealthMonitor { source, reporter, metrics, .. } = &self.monitor;
        if let Some(refused) = self.status.refusals.take() {
            Report::refused(refused).send(source.clone(), reporter.clone(), metrics.clone()).await?;
        }
        let Some(record) = &self.record else { return Ok(()) };
        let mut is_up = self.came_up;
        while let Some(change) = self.status.changes.take() {
            match change {
                LinkChange::Connected { .. } => is_up = true,
                LinkChange::Disconnected { why, .. } if why.reason() == ENDED => {}
                LinkChange::Disconnected { since, why } => {
                    self.missed.get_or_insert_with(|| Missed::by_loss(since, &why));
                }
            }
        }
        match &self.missed {
            Some(missed) => record.lost(missed).await,
            None if is_up => record.stopped().await,
            None => {}
        }
        Ok(())
    }
}
