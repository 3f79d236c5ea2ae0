//! The latest events, wanted or not, for `explain` and the admin API.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::event::{Event, EventId};

/// How many are kept, and how many bytes of bodies at the most.
const EVENTS: usize = 256;
const BYTES: usize = 512 << 10;

/// A bounded ring in memory. Written by the intake, read by the admin API.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
}

impl Recent {
    pub fn push(&self, event: Arc<Event>) {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.bytes += event.data.text().len();
        ring.events.push_back(event);
        while ring.events.len() > EVENTS || (ring.bytes > BYTES && ring.events.len() > 1) {
            if let Some(oldest) = ring.events.pop_front() {
                ring.bytes -= oldest.data.text().len();
            }
        }
    }

    /// Newest first.
    pub fn list(&self) -> Vec<Arc<Event>> {
        let ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.events.iter().rev().cloned().collect()
    }

    /// When the source's latest event in here happened.
    pub fn last_of(&self, source: &str) -> Option<Timestamp> {
        self.list().into_iter().find(|event| &*event.source == source).map(|event| event.time)
    }

    pub fn find(&self, id: &EventId) -> Option<Arc<Event>> {
        self.list().into_iter().find(|event| event.id == *id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_ring_is_bounded_in_count_and_bytes() {
        let recent = Recent::default();
        let event = |text: &str| Arc::new(Event::ours("x.y", "z", Timestamp::UNIX_EPOCH, &json!(text)));
        for _ in 0..1000 {
            recent.push(event("small"));
        }
        assert_eq!(recent.list().len(), EVENTS);
        for _ in 0..10 {
            recent.push(event(&"large ".repeat(20_000)));
        }
        let kept = recent.list();
        assert!(kept.iter().map(|event| event.data.text().len()).sum::<usize>() <= BYTES);
        assert!(recent.find(&kept[0].id).is_some());
    }
}
