//! From the queue to the sinks: every sink has its own lane.
//!
//! A lane takes its deliveries in order, has them prepared (what a relay fetches, the wording), and
//! sends them at the pace the receiver allows. It knows retries and clocks, so that sinks need not.

mod bundle;
mod fetch;
mod gate;
mod lane;
mod lasting;
mod memory;
mod prepare;
mod rate_limit;
mod remarks;
mod turn;
mod verdicts;
mod window;

use std::time::Duration;

use crate::backoff::Backoff;
use crate::config_reader::{Rate, TableReader};

pub use fetch::{FetchConfig, Fetcher};
pub use lane::{Lane, LaneState};
pub use rate_limit::{RateLimit, RateLimits};

/// The keys that every sink has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaneConfig {
    pub retry: Backoff,
    /// None: the vendor's limit. `Some(None)`: no limit at all.
    pub rate: Option<Option<Rate>>,
    /// Posts under way at the same time. With more than one, order is kept for each key only.
    pub concurrency: u32,
    /// How long after it was accepted a message is tried.
    pub give_up: Duration,
    /// More than this many waiting from one relay become one message; None: as many as the sink's kind bears.
    pub digest: Option<u32>,
    /// Whether what may have arrived is sent again where the receiver would not notice.
    pub repeat: bool,
}

impl Default for LaneConfig {
    fn default() -> Self {
        let give_up = Duration::from_secs(24 * 3600);
        Self { retry: Backoff::default(), rate: None, concurrency: 1, give_up, digest: None, repeat: true }
    }
}

impl LaneConfig {
    pub fn read(table: &TableReader) -> Self {
        let default = Self::default();
        Self {
            retry: Backoff::read(table),
            rate: table.rate("rate"),
            concurrency: table.count("concurrency", 1).unwrap_or(default.concurrency).min(MOST_AT_ONCE),
            give_up: table.duration("give_up").unwrap_or(default.give_up),
            digest: table.count("digest", 0).map(|many| many.min(LARGEST_DIGEST)),
            repeat: table.flag("repeat").unwrap_or(default.repeat),
        }
    }
}

/// Before so many wait, everybody wants a digest; and so many must fit into a lane's memory.
const LARGEST_DIGEST: u32 = 1000;
/// More posts at once than this help no receiver and would only hold memory.
const MOST_AT_ONCE: u32 = 256;

#[cfg(test)]
mod tests;
