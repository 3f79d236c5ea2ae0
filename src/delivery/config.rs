//! The keys of relays.toml that every sink has.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::config_reader::{Rate, TableReader};

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaneConfig {
    pub retry: Backoff,
    /// None: the vendor's limit. `Some(None)`: no limit at all.
    pub rate: Option<Option<Rate>>,
    /// Posts at the same time. With more than one, only messages of the same key keep their order.
    pub concurrency: u32,
    /// How long a message is tried, counted from when it was accepted.
    pub give_up: Duration,
    /// More than this many pending from one relay become one message; None: the default of the sink's kind.
    pub digest: Option<u32>,
    /// Whether a message that may have arrived is sent again to a receiver that cannot recognize it.
    pub repeat: bool,
}

/// A digest that begins later than this would not fit into a lane's memory.
const LARGEST_DIGEST: u32 = 1000;
/// More posts at once than this help no receiver and only cost memory.
const MAX_CONCURRENCY: u32 = 256;

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
            concurrency: table.count("concurrency", 1).unwrap_or(default.concurrency).min(MAX_CONCURRENCY),
            give_up: table.duration("give_up").unwrap_or(default.give_up),
            digest: table.count("digest", 0).map(|many| many.min(LARGEST_DIGEST)),
            repeat: table.flag("repeat").unwrap_or(default.repeat),
        }
    }
}
