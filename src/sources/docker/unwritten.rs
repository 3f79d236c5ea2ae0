//! The events that were read and are not committed yet, in order.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::event::Event;

/// Limits of what waits for the next commit. At the limit reading stops.
const MOST_EVENTS: usize = 4096;
const MOST_BYTES: usize = 16 << 20;
/// The wait before events are handed in again that could not be written.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Unwritten {
    waiting: Vec<Event>,
    /// Of `waiting`.
    bytes: usize,
    /// What is handed in, until it is known to be written.
    under_way: Vec<Event>,
    retry_at: Instant,
}

impl Default for Unwritten {
    fn default() -> Self {
        Self { waiting: Vec::new(), bytes: 0, under_way: Vec::new(), retry_at: Instant::now() }
    }
}

impl Unwritten {
    pub(super) fn push(&mut self, event: Event) {
        self.bytes += event.data.text().len();
        self.waiting.push(event);
    }

    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MOST_EVENTS && self.bytes < MOST_BYTES
    }

    pub(super) fn is_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// Whether events are to be handed in now.
    pub(super) fn is_due(&self) -> bool {
        !self.is_under_way() && !self.waiting.is_empty() && Instant::now() >= self.retry_at
    }

    pub(super) fn retry_at(&self) -> Instant {
        self.retry_at
    }

    /// When the newest event happened.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.waiting.last().map(|event| event.time)
    }

    /// All that wait, to be handed in.
    pub(super) fn take(&mut self) -> Vec<Event> {
        self.under_way = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        self.under_way.clone()
    }

    pub(super) fn written(&mut self) {
        self.under_way.clear();
    }

    /// They wait in front of what was read meanwhile.
    pub(super) fn refused(&mut self) {
        self.bytes += self.under_way.iter().map(|event| event.data.text().len()).sum::<usize>();
        self.under_way.append(&mut self.waiting);
        self.waiting = std::mem::take(&mut self.under_way);
        self.retry_at = Instant::now() + RETRY;
    }
}
