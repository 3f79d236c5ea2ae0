//! What a health monitor reports, one after the other: each is committed before the next.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::health::HealthChange;
use super::self_event::SelfReporter;
use super::up_record::Missed;
use crate::config_reader::print_duration;
use crate::event::Name;
use crate::fault::Fault;
use crate::metrics::SourceMetrics;
use crate::outbox::{Gap, Refused};
use crate::store::{Incident, IncidentChange};

/// An event of the daemon itself about a source.
#[derive(Debug)]
pub(super) struct Report {
    r#type: &'static str,
    data: Value,
    /// It and its event are one transaction: a restart neither repeats the one nor forgets the other.
    incident: Option<IncidentChange>,
    /// Counted as lost for good, where the number is known.
    lost_events: u64,
    /// The source that waits until this is committed.
    committed: Option<oneshot::Sender<Result<(), Fault>>>,
}

impl Report {
    fn new(r#type: &'static str, data: Value) -> Self {
        Self { r#type, data, incident: None, lost_events: 0, committed: None }
    }

    pub(super) fn connected(at: Timestamp) -> Self {
        Self::new("source.connected", json!({ "at": at.to_string() }))
    }

    /// `since`: from when on something may have been missed.
    pub(super) fn disconnected(since: Timestamp, why: &Fault) -> Self {
        Self::new("source.disconnected", json!({ "why": why.to_string(), "since": since.to_string() }))
    }

    pub(super) fn gap(gap: Gap) -> Self {
        let Gap { from, to, events, why, committed } = gap;
        let data = json!({ "why": why, "from": from.to_string(), "to": to.to_string(), "events": events });
        // The size of some gaps is unknown: those are reported, but not counted.
        Self { lost_events: events.unwrap_or(0), committed, ..Self::new("source.gap", data) }
    }

    /// What was missed until the source was connected again.
    pub(super) fn missed(missed: &Missed, to: Timestamp) -> Self {
        let from = missed.since.min(to);
        Self::gap(Gap { from, to, events: None, why: missed.why.clone(), committed: None })
    }

    pub(super) fn refused(refused: Refused) -> Self {
        let Refused { from, to, count, why } = refused;
        let why = format!("refused for good, and the sender does not try again: {why}");
        Self::gap(Gap { from, to, events: Some(count), why, committed: None })
    }

    pub(super) fn health(source: &Name, change: HealthChange) -> Self {
        let (r#type, why, after) = match change {
            HealthChange::Lost { why, after } => ("source.lost", Some(why), after),
            HealthChange::Silent { after } => {
                ("source.silent", Some(format!("no event was received for {}", rounded(after))), after)
            }
            HealthChange::Recovered { after } => ("source.recovered", None, after),
        };
        let incident = match &why {
            Some(why) => IncidentChange::Opened(Incident {
                source: source.clone(),
                why: why.clone(),
                since: Timestamp::now(),
                event: r#type.to_owned(),
            }),
            None => IncidentChange::Closed { source: source.clone() },
        };
        let data = json!({ "why": why, "after": rounded(after) });
        Self { incident: Some(incident), ..Self::new(r#type, data) }
    }

    /// Resolves when it is committed.
    pub(super) async fn send(self, source: Name, reporter: SelfReporter, metrics: SourceMetrics) -> Result<(), Fault> {
        let result = reporter.report(self.r#type, &source, &self.data, self.incident).await;
        if result.is_ok() {
            metrics.gap_events.inc_by(self.lost_events);
        }
        if let Some(committed) = self.committed {
            // The source may be gone.
            let _gone = committed.send(result.clone());
        }
        result
    }
}

/// Without milliseconds, unless there is nothing else.
fn rounded(duration: Duration) -> String {
    let seconds = Duration::from_secs(duration.as_secs());
    print_duration(if seconds.is_zero() { duration } else { seconds })
}
