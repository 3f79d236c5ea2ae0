//! When to try again. Pure: knows how long connections stood, and no clock.

use std::time::Duration;

use crate::backoff::Backoff;

/// A connection that stood so long was a good one; what happens next has nothing to do with what was before.
pub(super) const STEADY: Duration = Duration::from_secs(60);

/// The waits between tries to connect to one peer.
pub struct ReconnectPace {
    backoff: Backoff,
    waits: Box<dyn Iterator<Item = Duration> + Send>,
    /// Whether the one try that needs no wait has been had since the last steady connection.
    spent: bool,
}

impl ReconnectPace {
    pub fn new(backoff: Backoff) -> Self {
        Self { backoff, waits: Box::new(backoff.waits()), spent: false }
    }

    /// A connection was lost that had stood for `up`. The first loss costs no time; a peer that accepts and drops
    /// again and again is treated as one that does not accept.
    pub fn after_loss(&mut self, up: Duration) -> Duration {
        if up >= STEADY {
            *self = Self::new(self.backoff);
        }
        if !self.spent {
            self.spent = true;
            return Duration::ZERO;
        }
        self.after_failure()
    }

    /// A try did not even make a connection.
    pub fn after_failure(&mut self) -> Duration {
        self.spent = true;
        self.waits.next().unwrap_or(self.backoff.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(8);

    fn pace() -> ReconnectPace {
        ReconnectPace::new(Backoff { first: FIRST, max: MAX })
    }

    #[test]
    fn the_first_try_after_a_loss_is_at_once_and_the_next_ones_are_not() {
        let mut pace = pace();
        assert_eq!(pace.after_loss(STEADY), Duration::ZERO);
        assert!(pace.after_failure() >= FIRST);
        assert!(pace.after_failure() > FIRST);
    }

    #[test]
    fn a_peer_that_accepts_and_drops_does_not_make_us_spin() {
        let mut pace = pace();
        let waits: Vec<_> = (0..10).map(|_| pace.after_loss(Duration::from_millis(1))).collect();
        assert_eq!(waits.first(), Some(&Duration::ZERO));
        assert!(waits.iter().skip(1).all(|wait| (FIRST..=MAX).contains(wait)), "{waits:?}");
        assert_eq!(waits.last(), Some(&MAX));
    }

    #[test]
    fn a_steady_minute_forgives_everything() {
        let mut pace = pace();
        for _ in 0..10 {
            pace.after_failure();
        }
        assert_eq!(pace.after_loss(STEADY), Duration::ZERO);
        assert!(pace.after_failure() < FIRST * 2 + FIRST, "the row of waits began anew");
    }

    #[test]
    fn a_loss_right_after_failures_waits() {
        let mut pace = pace();
        pace.after_failure();
        assert!(pace.after_loss(Duration::from_secs(3)) >= FIRST);
    }
}
