//! The canary: an event of our own that must return through the history. A missing one is the surest sign that vCenter
//! has stopped recording events although it answers. Here: which one is pending, and when the next one is due.

use std::time::Duration;

use tokio::time::Instant;

use crate::config_reader::print_duration;
use crate::fault::Fault;
use crate::vsphere::Element;

/// vCenter records events within seconds, also when it is busy. A canary with a shorter period has half its period.
const MAX_DELAY: Duration = Duration::from_secs(120);

pub(super) struct Canary {
    every: Option<Duration>,
    max_delay: Duration,
    /// The beginning of every canary message of this source.
    prefix: String,
    next: Instant,
    /// The message on its way, and when it is overdue.
    pending: Option<(String, Instant)>,
    /// One did not return, and none has returned since.
    pub(super) missing: bool,
}

impl Canary {
    pub(super) fn new(every: Option<Duration>, source: &str) -> Self {
        let prefix = format!("tidings canary ({source}) ");
        let max_delay = every.map_or(MAX_DELAY, |every| MAX_DELAY.min(every / 2));
        Self { every, max_delay, prefix, next: Instant::now(), pending: None, missing: false }
    }

    pub(super) fn due_in(&self) -> Duration {
        let at = match (&self.pending, self.every) {
            (Some((_, overdue_at)), _) => *overdue_at,
            (None, Some(_)) => self.next,
            (None, None) => return Duration::MAX,
        };
        at.saturating_duration_since(Instant::now())
    }

    /// The message to send now, if it is time.
    pub(super) fn next(&mut self) -> Option<String> {
        let every = self.every.filter(|_| self.pending.is_none() && self.due_in().is_zero())?;
        let message = format!("{}{:016x}", self.prefix, fastrand::u64(..));
        self.next = Instant::now() + every;
        self.pending = Some((message.clone(), Instant::now() + self.max_delay));
        Some(message)
    }

    /// True when this is the pending one, and an earlier one had been missing.
    pub(super) fn observe(&mut self, element: &Element) -> bool {
        let returned = self.pending.as_ref().is_some_and(|(message, _)| contains(element, message));
        if returned {
            self.pending = None;
        }
        returned && std::mem::take(&mut self.missing)
    }

    /// Whether this is a canary event of this source, of this or an earlier run.
    pub(super) fn sent(&self, element: &Element) -> bool {
        contains(element, &self.prefix)
    }

    pub(super) fn is_overdue(&self) -> bool {
        self.pending.as_ref().is_some_and(|(_, overdue_at)| Instant::now() >= *overdue_at)
    }

    /// The fault of an overdue canary, once for each. The next one is due at once.
    pub(super) fn miss(&mut self) -> Option<Fault> {
        if !self.is_overdue() {
            return None;
        }
        self.send_again();
        self.missing = true;
        let waited = print_duration(self.max_delay);
        let message = format!("vCenter answers, but an event written into it did not come back within {waited}");
        Some(Fault::new("canary", message))
    }

    /// Another one is due at once: the pending one was not sent, or that is unknown.
    pub(super) fn send_again(&mut self) {
        self.pending = None;
        self.next = Instant::now();
    }

    pub(super) fn disable(&mut self) {
        (self.every, self.pending, self.missing) = (None, None, false);
    }
}

fn contains(element: &Element, message: &str) -> bool {
    element.class.as_deref() == Some("GeneralUserEvent")
        && ["message", "fullFormattedMessage"]
            .iter()
            .any(|name| element.text_of(name).is_some_and(|text| text.contains(message)))
}
