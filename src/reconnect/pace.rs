//! How long to wait before the next attempt. Knows how connections ended; moments are handed in.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::Backoff;

/// A connection that lasted this long worked, even if there was nothing to deliver.
const STEADY: Duration = Duration::from_secs(60);
/// The shortest time between two connections that are made at once, for a peer that delivers and hangs up in turns.
const INTERVAL: Duration = Duration::from_secs(1);

/// The waits between attempts to connect to one peer.
pub(super) struct Pace {
    backoff: Backoff,
    waits: Box<dyn Iterator<Item = Duration> + Send>,
    /// Whether the one immediate retry has been used since the last connection that worked.
    immediate_used: bool,
    /// When a connection was last to be made at once.
    last_immediate: Option<Instant>,
}

impl Pace {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self { backoff, waits: Box::new(backoff.waits()), immediate_used: false, last_immediate: None }
    }

    /// A connection was lost that had lasted for `up`. One that had delivered something is made again at once, but not
    /// more often than once a second. Of those that had not, only the first is retried at once: a peer that keeps
    /// accepting and dropping connections is treated as one that does not accept.
    pub(super) fn after_loss(&mut self, up: Duration, delivered: bool, now: Instant) -> Duration {
        if delivered || up >= STEADY {
            self.waits = Box::new(self.backoff.waits());
            self.immediate_used = true;
            // Whoever wants to wait less after failures does not want to wait longer after a delivery.
            let interval = INTERVAL.min(self.backoff.first);
            let wait = self.last_immediate.map_or(Duration::ZERO, |last| (last + interval).duration_since(now));
            self.last_immediate = Some(now + wait);
            return wait;
        }
        if !self.immediate_used {
            self.immediate_used = true;
            self.last_immediate = Some(now);
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
    const MOMENT: Duration = Duration::from_millis(1);

    fn pace() -> Pace {
        Pace::new(Backoff { first: FIRST, max: MAX })
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_attempt_after_a_loss_is_immediate_and_the_next_ones_are_not() {
        let mut pace = pace();
        assert_eq!(pace.after_loss(STEADY, false, Instant::now()), Duration::ZERO);
        assert!(pace.after_failure() >= FIRST);
        assert!(pace.after_failure() > FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_accepts_and_drops_is_not_retried_in_a_busy_loop() {
        let mut pace = pace();
        let waits: Vec<_> = (0..10).map(|_| pace.after_loss(MOMENT, false, Instant::now())).collect();
        assert_eq!(waits.first(), Some(&Duration::ZERO));
        assert!(waits.iter().skip(1).all(|wait| (FIRST..=MAX).contains(wait)), "{waits:?}");
        assert_eq!(waits.last(), Some(&MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_delivers_each_time_is_connected_at_once_and_at_most_once_a_second() {
        let mut pace = pace();
        let start = Instant::now();
        let mut now = start;
        for _ in 0..10 {
            now += Duration::from_millis(1700);
            assert_eq!(pace.after_loss(Duration::from_millis(1700), true, now), Duration::ZERO);
        }
        let mut connections = 0;
        while now < start + Duration::from_secs(117) {
            now += MOMENT;
            now += pace.after_loss(MOMENT, true, now);
            connections += 1;
        }
        assert!((99..=101).contains(&connections), "{connections} within 100 s");
    }

    #[tokio::test(start_paused = true)]
    async fn connections_that_deliver_nothing_grow_the_pause_until_one_delivers() {
        let mut pace = pace();
        let now = Instant::now();
        assert_eq!(pace.after_loss(MOMENT, true, now), Duration::ZERO);
        let waits: Vec<_> = (0..5).map(|_| pace.after_loss(MOMENT, false, now)).collect();
        assert!(waits[0] >= FIRST && waits.is_sorted() && waits[4] == MAX, "{waits:?}");
        let later = now + Duration::from_secs(60);
        assert_eq!(pace.after_loss(MOMENT, true, later), Duration::ZERO);
        assert!(pace.after_failure() < FIRST * 3, "the waits start over");
    }

    #[tokio::test(start_paused = true)]
    async fn a_steady_minute_resets_the_backoff() {
        let mut pace = pace();
        for _ in 0..10 {
            pace.after_failure();
        }
        assert_eq!(pace.after_loss(STEADY, false, Instant::now()), Duration::ZERO);
        assert!(pace.after_failure() < FIRST * 2 + FIRST, "the waits start over");
    }

    #[tokio::test(start_paused = true)]
    async fn a_loss_right_after_failures_waits_unless_something_was_delivered() {
        let mut pace = pace();
        pace.after_failure();
        assert!(pace.after_loss(Duration::from_secs(3), false, Instant::now()) >= FIRST);
        assert_eq!(pace.after_loss(Duration::from_secs(3), true, Instant::now()), Duration::ZERO);
    }
}
