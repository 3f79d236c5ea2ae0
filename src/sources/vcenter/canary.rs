//! An event of our own that must come back. What does not is the surest sign of deafness there is.

use std::time::Duration;

use tokio::time::Instant;

use crate::config_reader::print_duration;
use crate::fault::Fault;
use crate::vsphere::Element;

/// vCenter writes events down within seconds, also when it is busy. A canary more often than that has half its time.
const BACK_WITHIN: Duration = Duration::from_secs(120);

pub(super) struct Canary {
    every: Option<Duration>,
    back_within: Duration,
    /// How all of this source's begin.
    words: String,
    next: Instant,
    /// The one under way, and when it is missed.
    flying: Option<(String, Instant)>,
    /// One was missed, and none has come back since.
    missed: bool,
}

impl Canary {
    pub(super) fn new(every: Option<Duration>, source: &str) -> Self {
        let words = format!("tidings listens for its own voice ({source}) ");
        let back_within = every.map_or(BACK_WITHIN, |every| BACK_WITHIN.min(every / 2));
        Self { every, back_within, words, next: Instant::now(), flying: None, missed: false }
    }

    pub(super) fn due_in(&self) -> Duration {
        let at = match (&self.flying, self.every) {
            (Some((_, missed_at)), _) => *missed_at,
            (None, Some(_)) => self.next,
            (None, None) => return Duration::MAX,
        };
        at.saturating_duration_since(Instant::now())
    }

    /// What to send now, if it is time.
    pub(super) fn next(&mut self) -> Option<String> {
        let every = self.every.filter(|_| self.flying.is_none() && self.due_in().is_zero())?;
        let words = format!("{}{:016x}", self.words, fastrand::u64(..));
        self.next = Instant::now() + every;
        self.flying = Some((words.clone(), Instant::now() + self.back_within));
        Some(words)
    }

    /// True when this is the one under way, and an earlier one had been missed.
    pub(super) fn hear(&mut self, element: &Element) -> bool {
        let back = self.flying.as_ref().is_some_and(|(words, _)| says(element, words));
        if back {
            self.flying = None;
        }
        back && std::mem::take(&mut self.missed)
    }

    /// Whether this is one of ours, of whatever day.
    pub(super) fn is_ours(&self, element: &Element) -> bool {
        says(element, &self.words)
    }

    pub(super) fn is_missed(&self) -> bool {
        self.missed
    }

    pub(super) fn is_overdue(&self) -> bool {
        self.flying.as_ref().is_some_and(|(_, missed_at)| Instant::now() >= *missed_at)
    }

    /// It did not come back: said once for each, and the next one flies at once.
    pub(super) fn miss(&mut self) -> Option<Fault> {
        if !self.is_overdue() {
            return None;
        }
        self.flying = None;
        self.missed = true;
        self.next = Instant::now();
        let waited = print_duration(self.back_within);
        let said = format!("vCenter answers, but an event written into it did not come back within {waited}");
        Some(Fault::new("canary", said))
    }

    /// It was not sent, or nobody knows: another one is, as soon as there is a line.
    pub(super) fn did_not_fly(&mut self) {
        self.flying = None;
        self.next = Instant::now();
    }

    /// vCenter takes none.
    pub(super) fn give_up(&mut self) {
        (self.every, self.flying, self.missed) = (None, None, false);
    }
}

fn says(element: &Element, words: &str) -> bool {
    element.class.as_deref() == Some("GeneralUserEvent")
        && ["message", "fullFormattedMessage"]
            .iter()
            .any(|name| element.text_of(name).is_some_and(|text| text.contains(words)))
}
