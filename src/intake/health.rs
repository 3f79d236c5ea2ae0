//! When a source counts as lost, silent and recovered. Decides; moments are handed in.
//!
//! Only `steady` ends an outage, so a flapping source alerts once.

use std::time::Duration;

use tokio::time::Instant;

use super::source_state::{SourceHealthConfig, SourceState};
use crate::outbox::LinkState;

/// A change to report.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum HealthChange {
    Lost { why: String, after: Duration },
    Silent { after: Duration },
    Recovered { after: Duration },
}

#[derive(Debug)]
pub(super) struct Health {
    config: SourceHealthConfig,
    link: LinkState,
    up_since: Option<Instant>,
    /// Not read, because nothing can be stored: that is no silence of the source.
    held: bool,
    last_event: Instant,
    outage: Option<Outage>,
}

#[derive(Debug, PartialEq)]
struct Outage {
    since: Instant,
    why: String,
    alerted: bool,
    /// A silence ends with the next event, not with a connection.
    silence: bool,
}

impl Health {
    /// A source that is not up yet is on its way into an outage. `alerted`: an alert was open when the daemon last stopped,
    /// whether for silence, and why.
    pub(super) fn new(config: SourceHealthConfig, now: Instant, alerted: Option<(bool, String)>) -> Self {
        let open = alerted.is_some();
        let (silence, why) = alerted.unwrap_or((false, "it has not come up".to_owned()));
        let outage = Outage { since: now, why, alerted: open, silence };
        Self { config, link: LinkState::Connecting, up_since: None, held: false, last_event: now, outage: Some(outage) }
    }

    /// The source reported how its connection is.
    pub(super) fn link_changed(&mut self, now: Instant, link: LinkState) {
        match &link {
            LinkState::Up => {
                self.up_since.get_or_insert(now);
            }
            LinkState::Connecting => self.up_since = None,
            LinkState::Down(why) => {
                self.up_since = None;
                let begun = Outage { since: now, why: String::new(), alerted: false, silence: false };
                let outage = self.outage.get_or_insert(begun);
                if !outage.silence {
                    outage.why = why.to_string();
                }
            }
        }
        self.link = link;
    }

    /// Whether the source is held back at `now`.
    pub(super) fn set_held(&mut self, now: Instant, held: bool) {
        if std::mem::replace(&mut self.held, held) && !held {
            self.last_event = self.last_event.max(now);
        }
    }

    /// Connected and read.
    pub(super) fn is_reading(&self) -> bool {
        self.link == LinkState::Up && !self.held
    }

    /// An event was received.
    pub(super) fn event_received(&mut self, at: Instant) {
        self.last_event = self.last_event.max(at);
    }

    /// The change that is due at `now`. Call again until there is none.
    pub(super) fn due(&mut self, now: Instant) -> Option<HealthChange> {
        let due = self.next().is_some_and(|(at, _)| at <= now);
        let (_, deadline) = self.next().filter(|_| due)?;
        match deadline {
            Deadline::Alert => {
                let outage = self.outage.as_mut()?;
                outage.alerted = true;
                Some(HealthChange::Lost { why: outage.why.clone(), after: now - outage.since })
            }
            Deadline::Steady => {
                let outage = self.outage.take()?;
                // Silence counts from here again: nothing could be received during the outage.
                self.last_event = self.last_event.max(now);
                let recovered = outage.alerted.then(|| HealthChange::Recovered { after: now - outage.since });
                recovered.or_else(|| self.due(now))
            }
            Deadline::Silence => {
                let since = self.last_event;
                self.outage = Some(Outage { since, why: "no event was received".into(), alerted: true, silence: true });
                Some(HealthChange::Silent { after: now - since })
            }
        }
    }

    /// Whether the next event ends an outage.
    pub(super) fn is_silent(&self) -> bool {
        self.outage.as_ref().is_some_and(|outage| outage.silence)
    }

    /// When something is due, if nothing changes until then.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next().map(|(at, _)| at)
    }

    fn next(&self) -> Option<(Instant, Deadline)> {
        match (&self.outage, self.up_since) {
            (Some(outage), Some(_)) if outage.silence => {
                (self.last_event > outage.since).then_some((self.last_event, Deadline::Steady))
            }
            (Some(_), Some(up)) => Some((up + self.config.steady, Deadline::Steady)),
            (Some(outage), None) if !outage.alerted => Some((outage.since + self.config.grace, Deadline::Alert)),
            (_, None) => None,
            (None, Some(_)) if self.held => None,
            (None, Some(up)) => {
                self.config.expect_every.map(|every| (self.last_event.max(up) + every, Deadline::Silence))
            }
        }
    }

    /// The state, its reason, and whether an alert is open.
    pub(super) fn condition(&self) -> (SourceState, Option<String>, bool) {
        let alerted = self.outage.as_ref().is_some_and(|outage| outage.alerted);
        let why = self.outage.as_ref().map(|outage| outage.why.clone());
        match (&self.link, &self.outage) {
            (LinkState::Up, _) if self.held => (SourceState::Held, Some("nothing can be stored".to_owned()), alerted),
            (LinkState::Up, Some(outage)) if outage.silence => (SourceState::Silent, why, alerted),
            (LinkState::Up, _) => (SourceState::Up, None, alerted),
            (LinkState::Connecting, _) => (SourceState::Connecting, None, alerted),
            (LinkState::Down(_), _) => (SourceState::Lost, why, alerted),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Deadline {
    Alert,
    Steady,
    Silence,
}

#[cfg(test)]
mod tests;
