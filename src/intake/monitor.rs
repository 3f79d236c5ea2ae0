//! The watch over one source: feeds its [`Health`] and tells what that decides.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::SelfReporter;
use super::health::{Condition, Health, News, SourceHealthConfig};
use crate::config_reader::print_duration;
use crate::event::Name;
use crate::fault::Fault;
use crate::metrics::SourceMetrics;
use crate::outbox::{Gap, LinkState, SourceStatus};
use crate::stop::Stop;
use crate::store::{Incident, IncidentChange};

pub struct HealthMonitor {
    pub source: Name,
    pub habits: SourceHealthConfig,
    /// Whether what happens while the line is down comes later all the same: then a lost line is no gap by itself.
    pub catches_up: bool,
    /// What an earlier life of the daemon left open.
    pub open: Option<Incident>,
    pub reporter: SelfReporter,
    pub metrics: SourceMetrics,
    /// What the admin API shows.
    pub shown: watch::Sender<Condition>,
}

impl HealthMonitor {
    /// Watches until the stop is said. A planned stop tells nobody anything.
    pub async fn run(self, mut status: SourceStatus, stop: Stop) -> Result<(), Fault> {
        let open = self.open.as_ref().map(|incident| (incident.event == "source.silent", incident.why.clone()));
        let mut health = Health::new(self.habits, Instant::now(), open);
        let (mut came_up, mut lost_at) = (false, None);
        loop {
            while let Some(news) = health.due(Instant::now()) {
                self.show(&health);
                // On its way it is safe; whether it is written down before the stop is not for us to wait for.
                stop.or(self.tell(news)).await.unwrap_or(Ok(()))?;
            }
            self.show(&health);
            let listens = self.habits.expect_every.is_some() || health.is_silent();
            status.attended.store(listens, Ordering::Relaxed);
            let deadline = health.deadline();
            tokio::select! {
                biased;
                () = stop.wait() => return Ok(()),
                changed = status.line.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let line = status.line.borrow_and_update().clone();
                    let up = line == LinkState::Up;
                    self.metrics.up.set(i64::from(up));
                    if up && std::mem::replace(&mut came_up, true) {
                        self.metrics.reconnects.inc();
                    }
                    if up && let Some(from) = lost_at.take() {
                        stop.or(self.tell_gap(missed(from))).await.unwrap_or(Ok(()))?;
                    }
                    if came_up && !self.catches_up && matches!(line, LinkState::Down(_)) {
                        lost_at.get_or_insert_with(Timestamp::now);
                    }
                    health.line(Instant::now(), line);
                }
                Some(gap) = status.gaps.recv() => {
                    stop.or(self.tell_gap(gap)).await.unwrap_or(Ok(()))?;
                }
                Ok(()) = status.last_event.changed(), if listens => {
                    if let Some(at) = *status.last_event.borrow_and_update() {
                        health.heard(at);
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
            let next = Condition { state, since, why, alerted };
            let news = *condition != next;
            *condition = next;
            news
        });
    }

    async fn tell_gap(&self, gap: Gap) -> Result<(), Fault> {
        let Gap { from, to, events, why, told } = gap;
        let data = json!({ "why": why, "from": from.to_string(), "to": to.to_string(), "events": events });
        let result = self.reporter.tell("source.gap", &self.source, &data, None).await;
        if result.is_ok() {
            // Of some holes nobody knows the size: they are told, but there is nothing to count.
            self.metrics.gap_events.inc_by(events.unwrap_or(0));
        }
        if let Some(told) = told {
            // Whoever told it may have gone meanwhile.
            let _gone = told.send(result.clone());
        }
        result
    }

    /// The incident and its event are one transaction: a restart neither repeats the one nor forgets the other.
    async fn tell(&self, news: News) -> Result<(), Fault> {
        let (r#type, why, after) = match news {
            News::Lost { why, after } => ("source.lost", Some(why), after),
            News::Silent { after } => {
                ("source.silent", Some(format!("nothing was heard for {}", spoken(after))), after)
            }
            News::Recovered { after } => ("source.recovered", None, after),
        };
        let change = match &why {
            Some(why) => IncidentChange::Opened(Incident {
                source: self.source.clone(),
                why: why.clone(),
                since: Timestamp::now(),
                event: r#type.to_owned(),
            }),
            None => IncidentChange::Closed { source: self.source.clone() },
        };
        let data = json!({ "why": why, "after": spoken(after) });
        self.reporter.tell(r#type, &self.source, &data, Some(change)).await
    }
}

/// A live stream keeps nothing for us: what it sent while we were away is a hole that nobody can fill, so it is told.
fn missed(from: Timestamp) -> Gap {
    let why = "what the stream sent while it was not connected was not heard".to_owned();
    Gap { from, to: Timestamp::now(), events: None, why, told: None }
}

/// Nobody wants the milliseconds of an outage, unless there is nothing else.
fn spoken(duration: Duration) -> String {
    let seconds = Duration::from_secs(duration.as_secs());
    print_duration(if seconds.is_zero() { duration } else { seconds })
}
