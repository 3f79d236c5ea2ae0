//! Ids of events.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

/// Given by the source, or made here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EventId {
    /// Given by the source: a repeated event has the same id.
    Given(Box<str>),
    /// Made at arrival where the source gives none: 48 bits of time and 80 bits that are unique.
    Fresh(u128),
}

/// The lower bits of fresh ids: a random start, then a counter, so that a process never repeats one.
static ARRIVALS: AtomicU64 = AtomicU64::new(0);

impl EventId {
    pub fn fresh(now: Timestamp) -> Self {
        let mut arrival = ARRIVALS.fetch_add(1, Ordering::Relaxed);
        if arrival == 0 {
            // The first arrival adds the random start. A race skips numbers and never repeats one.
            ARRIVALS.fetch_add(fastrand::u64(1..1 << 62), Ordering::Relaxed);
            arrival = ARRIVALS.fetch_add(1, Ordering::Relaxed);
        }
        let millis = u128::try_from(now.as_millisecond()).unwrap_or(0) & 0xffff_ffff_ffff;
        Self::Fresh(millis << 80 | u128::from(arrival))
    }

    /// Parses the printed form.
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix("t-").map(|hex| u128::from_str_radix(hex, 16)) {
            Some(Ok(number)) if text.len() == 34 => Self::Fresh(number),
            _ => Self::Given(text.into()),
        }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(id) => f.write_str(id),
            Self::Fresh(number) => write!(f, "t-{number:032x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_ids_differ_and_survive_being_printed() {
        let now = Timestamp::UNIX_EPOCH;
        let (a, b) = (EventId::fresh(now), EventId::fresh(now));
        assert_ne!(a, b);
        assert_eq!(EventId::parse(&a.to_string()), a);
        assert_eq!(EventId::parse("t-beef"), EventId::Given("t-beef".into()));
    }
}
