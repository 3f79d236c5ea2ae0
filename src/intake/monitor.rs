//! Monitors one source: feeds its [`Health`] and reports what that decides.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::health::{Health, HealthChange};
use super::self_event::SelfReporter;
use super::source_state::{SourceCondition, SourceHealthConfig};
use crate::config_reader::print_duration;
use crate::event::Name;
use crate::fault::Fault;
use crate::metrics::SourceMetrics;
use crate::outbox::{Gap, LinkState, SourceStatus};
use crate::stop::Stop;
use crate::store::{Incident, IncidentChange};

pub struct HealthMonitor {
    pub source: Name,
    pub config: SourceHealthConfig,
    /// Whether the source still gets what happens while its connection is down: then an outage is no gap by itself.
    pub catches_up: bool,
    /// The incident that an earlier run left open.
    pub open: Option<Incident>,
    pub reporter: SelfReporter,
    pub metrics: SourceMetrics,
    /// What the admin API shows.
    pub shown: watch::Sender<SourceCondition>,
}

impl HealthMonitor {
    /// Runs until `stop`. A planned stop reports nothing.
    pub async fn run(self, mut status: SourceStatus, stop: Stop) -> Result<(), Fault> {
        let open = self.open.as_ref().map(|incident| (incident.event == "source.silent", incident.why.clone()));
        let mut health = Health::new(self.config, Instant::now(), open);
        let (mut came_up, mut lost_at) = (false, None);
        loop {
            while let Some(change) = health.due(Instant::now()) {
                self.show(&health);
                // Once handed in it is safe; the stop does not wait until it is written.
                stop.or(self.report(change)).await.unwrap_or(Ok(()))?;
            }
            self.show(&health);
            let watches_events = self.config.expect_every.is_some() || health.is_silent();
            status.watched.store(watches_events, Ordering::Relaxed);
            let deadline = health.deadline();
            tokio::select! {
                biased;
                () = stop.wait() => return Ok(()),
                changed = status.link.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let link = status.link.borrow_and_update().clone();
                    let up = link == LinkState::Up;
                    self.metrics.up.set(i64::from(up));
                    if up && std::mem::replace(&mut came_up, true) {
                        self.metrics.reconnects.inc();
                    }
                    if up && let Some(from) = lost_at.take() {
                        stop.or(self.report_gap(missed(from))).await.unwrap_or(Ok(()))?;
                    }
                    if came_up && !self.catches_up && matches!(link, LinkState::Down(_)) {
                        lost_at.get_or_insert_with(Timestamp::now);
                    }
                    health.link_changed(Instant::now(), link);
                }
                Some(gap) = status.gaps.recv() => {
                    stop.or(self.report_gap(gap)).await.unwrap_or(Ok(()))?;
                }
                Ok(()) = status.last_event.changed(), if watches_events => {
                    if let Some(at) = *status.last_event.borrow_and_update() {
                        health.event_received(at);
                    }
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {}
            }
        }
    }

    fn show(&self, health: &Health) {
        let (state, why, alerted) = health.condition();
        self.shown.send_if_modified(|condition| {
            let since = if condition.state == state { condition.since } else { Timestamp::now() };
            let next = SourceCondition { state, since, why, alerted };
            let changed = *condition != next;
            *condition = next;
            changed
        });
    }

    async fn report_gap(&self, gap: Gap) -> Result<(), Fault> {
        let Gap { from, to, events, why, committed } = gap;
        let data = json!({ "why": why, "from": from.to_string(), "to": to.to_string(), "events": events });
        let result = self.reporter.report("source.gap", &self.source, &data, None).await;
        if result.is_ok() {
            // The size of some gaps is unknown: those are reported, but not counted.
            self.metrics.gap_events.inc_by(events.unwrap_or(0));
        }
        if let Some(committed) = committed {
            // The source may be gone.
            let _gone = committed.send(result.clone());
        }
        result
    }

    /// The incident and its event are one transaction: a restart neither repeats the one nor forgets the other.
    async fn report(&self, change: HealthChange) -> Result<(), Fault> {
        let (r#type, why, after) = match change {
            HealthChange::Lost { why, after } => ("source.lost", Some(why), after),
            HealthChange::Silent { after } => {
                ("source.silent", Some(format!("no event was received for {}", rounded(after))), after)
            }
            HealthChange::Recovered { after } => ("source.recovered", None, after),
        };
        let incident = match &why {
            Some(why) => IncidentChange::Opened(Incident {
                source: self.source.clone(),
                why: why.clone(),
                since: Timestamp::now(),
                event: r#type.to_owned(),
            }),
            None => IncidentChange::Closed { source: self.source.clone() },
        };
        let data = json!({ "why": why, "after": rounded(after) });
        self.reporter.report(r#type, &self.source, &data, Some(incident)).await
    }
}

/// A live stream stores nothing: what it sent during an outage is lost for good.
fn missed(from: Timestamp) -> Gap {
    let why = "what the stream sent while it was not connected was not received".to_owned();
    Gap { from, to: Timestamp::now(), events: None, why, committed: None }
}

/// Without milliseconds, unless there is nothing else.
fn rounded(duration: Duration) -> String {
    let seconds = Duration::from_secs(duration.as_secs());
    print_duration(if seconds.is_zero() { duration } else { seconds })
}
