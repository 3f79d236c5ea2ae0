//! How soon to connect again.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::config_reader::TableReader;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconnectConfig {
    pub retry: Backoff,
    /// The wait after refused credentials: until a person changes something every attempt fails, and many failures
    /// within minutes lock accounts in some systems.
    pub refused: Duration,
}

impl Default for ReconnectConfig {
    fn default() -> Self {
        Self { retry: Backoff::default(), refused: Duration::from_secs(300) }
    }
}

impl ReconnectConfig {
    /// Reads `retry = { first, max }`.
    pub fn read(table: &TableReader) -> Self {
        Self { retry: Backoff::read(table), ..Self::default() }
    }
}
