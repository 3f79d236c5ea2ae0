//! What came and was no event is said in the log, but not as often as it comes.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

/// A peer that sends nothing but rubbish fills one line a minute.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub struct LogLimiter {
    unsaid: u64,
    said: Option<Instant>,
}

impl LogLimiter {
    /// `what` and `why` of one thing that source `name` could not make sense of.
    pub fn note(&mut self, name: &str, what: &str, why: impl fmt::Display) {
        debug!(source = name, %why, "{what}");
        self.unsaid += 1;
        if self.said.is_none_or(|said| said.elapsed() >= BETWEEN_WARNINGS) {
            warn!(source = name, count = self.unsaid, last = %why, "{what}");
            *self = Self { unsaid: 0, said: Some(Instant::now()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn warnings_come_at_most_once_a_minute_and_count_the_rest() {
        let mut skips = LogLimiter::default();
        for _ in 0..3 {
            skips.note("prod", "skipped", "x");
        }
        assert_eq!(skips.unsaid, 2);
        tokio::time::advance(BETWEEN_WARNINGS).await;
        skips.note("prod", "skipped", "x");
        assert_eq!(skips.unsaid, 0);
    }
}
