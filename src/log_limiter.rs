//! Limits how often a repeated warning is logged.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

/// So that a peer that sends nothing but invalid messages causes one line a minute.
const INTERVAL: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub struct LogLimiter {
    /// Since the last line.
    count: u64,
    last_logged: Option<Instant>,
}

impl LogLimiter {
    /// Logs at most once a minute, with the count since the last line and the latest `why`.
    pub fn note(&mut self, name: &str, what: &str, why: impl fmt::Display) {
        debug!(source = name, %why, "{what}");
        self.count += 1;
        if self.last_logged.is_none_or(|at| at.elapsed() >= INTERVAL) {
            warn!(source = name, count = self.count, last = %why, "{what}");
            *self = Self { count: 0, last_logged: Some(Instant::now()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn warnings_are_logged_once_a_minute_with_the_count_of_the_rest() {
        let mut log = LogLimiter::default();
        for _ in 0..3 {
            log.note("prod", "skipped", "x");
        }
        assert_eq!(log.count, 2);
        tokio::time::advance(INTERVAL).await;
        log.note("prod", "skipped", "x");
        assert_eq!(log.count, 0);
    }
}
