//! How long to wait before the next attempt. Knows how long connections lasted, and no clock.

use std::time::Duration;

use crate::backoff::Backoff;

/// A connection that lasted this long worked: the failures before it no longer count.
const STEADY: Duration = Duration::from_secs(60);

/// The waits between attempts to connect to one peer.
pub(super) struct Pace {
    backoff: Backoff,
    waits: Box<dyn Iterator<Item = Duration> + Send>,
    /// Whether the one immediate retry has been used since the last steady connection.
    immediate_used: bool,
}

impl Pace {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self { backoff, waits: Box::new(backoff.waits()), immediate_used: false }
    }

    /// A connection was lost that had lasted for `up`. The first loss is retried at once; a peer that keeps accepting
    /// and dropping connections is treated as one that does not accept.
    pub(super) fn after_loss(&mut self, up: Duration) -> Duration {
        if up >= STEADY {
            *self = Self::new(self.backoff);
        }
        if !self.immediate_used {
            self.immediate_used = true;
            return Duration::ZERO;
        }
        self.after_failure()
    }

    /// An attempt to connect failed.
    pub(super) fn after_failure(&mut self) -> Duration {
        self.immediate_used = true;
        self.waits.next().unwrap_or(self.backoff.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(8);

    fn pace() -> Pace {
        Pace::new(Backoff { first: FIRST, max: MAX })
    }

    #[test]
    fn the_first_attempt_after_a_loss_is_immediate_and_the_next_ones_are_not() {
        let mut pace = pace();
        assert_eq!(pace.after_loss(STEADY), Duration::ZERO);
        assert!(pace.after_failure() >= FIRST);
        assert!(pace.after_failure() > FIRST);
    }

    #[test]
    fn a_peer_that_accepts_and_drops_is_not_retried_in_a_busy_loop() {
        let mut pace = pace();
        let waits: Vec<_> = (0..10).map(|_| pace.after_loss(Duration::from_millis(1))).collect();
        assert_eq!(waits.first(), Some(&Duration::ZERO));
        assert!(waits.iter().skip(1).all(|wait| (FIRST..=MAX).contains(wait)), "{waits:?}");
        assert_eq!(waits.last(), Some(&MAX));
    }

    #[test]
    fn a_steady_minute_resets_the_backoff() {
        let mut pace = pace();
        for _ in 0..10 {
            pace.after_failure();
        }
        assert_eq!(pace.after_loss(STEADY), Duration::ZERO);
        assert!(pace.after_failure() < FIRST * 2 + FIRST, "the waits start over");
    }

    #[test]
    fn a_loss_right_after_failures_waits() {
        let mut pace = pace();
        pace.after_failure();
        assert!(pace.after_loss(Duration::from_secs(3)) >= FIRST);
    }
}
