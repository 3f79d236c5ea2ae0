//! How a source is: the keys that judge it, and what is shown of it.

use std::time::Duration;

use jiff::Timestamp;

use crate::config_reader::TableReader;

/// `grace`, `steady`, `expect_every`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceHealthConfig {
    /// An outage shorter than this raises no alert.
    pub grace: Duration,
    /// How long a source must be up again for the outage to be over.
    pub steady: Duration,
    /// Without an event for this long the source counts as silent; None where that is normal.
    pub expect_every: Option<Duration>,
}

impl Default for SourceHealthConfig {
    fn default() -> Self {
        Self { grace: Duration::from_secs(30), steady: Duration::from_secs(10), expect_every: None }
    }
}

impl SourceHealthConfig {
    pub fn read(table: &TableReader) -> Self {
        let default = Self::default();
        Self {
            grace: table.duration("grace").unwrap_or(default.grace),
            steady: table.duration("steady").unwrap_or(default.steady),
            expect_every: table.duration("expect_every"),
        }
    }
}

/// What is shown of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceCondition {
    pub state: SourceState,
    pub since: Timestamp,
    pub why: Option<String>,
    /// Whether an alert is open.
    pub alerted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceState {
    Connecting,
    Up,
    /// Connected, but not read, because nothing can be stored.
    Held,
    Lost,
    Silent,
}

impl SourceCondition {
    pub fn new(state: SourceState) -> Self {
        Self { state, since: Timestamp::now(), why: None, alerted: false }
    }
}

impl SourceState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Up => "up",
            Self::Held => "held",
            Self::Lost => "lost",
            Self::Silent => "silent",
        }
    }
}
