//! How the history is read, as relays.toml configures it.

use std::time::Duration;

#[derive(Debug, Clone)]
pub(crate) struct ReadOptions {
    pub(crate) from: StartFrom,
    /// How late an event may appear in the history.
    pub(crate) overlap: Duration,
    /// The longest single wait for new events.
    pub(crate) poll: Duration,
    /// The time between canary events; None: no canary.
    pub(crate) canary: Option<Duration>,
    /// Identifies the filter; 0 is none.
    pub(crate) filter: u32,
}

/// Where the very first reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartFrom {
    Now,
    Ago(Duration),
    Beginning,
}
