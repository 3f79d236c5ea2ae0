//! The circuit breaker of a lane: pauses after failures of the destination, and the stop until a person changes something.
//! Decides; moments are handed in.

use std::time::Duration;

use tokio::time::Instant;

use super::delay_note::DelayCause;
use crate::backoff::Backoff;

#[derive(Debug)]
pub(super) struct Breaker {
    retry: Backoff,
    /// Failures of the destination in a row; several attempts that fail together count once.
    failures: u32,
    pause: Option<Pause>,
    stopped: bool,
    /// Why pending messages are late, if they are.
    delay: Option<DelayCause>,
}

#[derive(Debug, Clone, Copy)]
struct Pause {
    since: Instant,
    until: Instant,
}

/// What a failure of the destination changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trip {
    /// The lane was sending, and pauses now.
    First,
    /// The first attempt after a pause failed as well.
    Again,
    /// The lane pauses already: one of several attempts that failed together.
    Known,
}

impl Breaker {
    pub(super) fn new(retry: Backoff) -> Self {
        Self { retry, failures: 0, pause: None, stopped: false, delay: None }
    }

    /// When messages may be sent again; None: now.
    pub(super) fn paused_until(&self, now: Instant) -> Option<Instant> {
        self.pause.map(|pause| pause.until).filter(|until| *until > now)
    }

    /// How long a message waits after it alone failed for the `attempts`th time.
    pub(super) fn pause_after(&self, attempts: u32, wanted: Option<Duration>) -> Duration {
        wanted.unwrap_or_else(|| self.retry.after(attempts, fastrand::f64()))
    }

    /// The destination failed; `wanted` is the pause that it asked for. Gives how long the lane or the message pauses.
    pub(super) fn trip(&mut self, now: Instant, wanted: Option<Duration>, cause: DelayCause) -> (Duration, Trip) {
        let pause = self.pause_after(self.failures.saturating_add(1), wanted);
        self.delay = Some(cause);
        if let Some(paused) = self.pause.as_mut().filter(|paused| paused.until > now) {
            if wanted.is_some() {
                paused.until = paused.until.max(now + pause);
            }
            return (pause, Trip::Known);
        }
        self.failures = self.failures.saturating_add(1);
        self.pause = Some(Pause { since: now, until: now + pause });
        (pause, if self.failures == 1 { Trip::First } else { Trip::Again })
    }

    /// An attempt that began at `began` was answered. True: this ends a row of failures. An answer to an attempt from before the
    /// pause proves nothing.
    pub(super) fn answered(&mut self, began: Instant) -> bool {
        if self.pause.is_some_and(|pause| began < pause.since) {
            return false;
        }
        self.pause = None;
        std::mem::take(&mut self.failures) > 0
    }

    /// Nothing is sent any more. True: this is new.
    pub(super) fn stop(&mut self) -> bool {
        !std::mem::replace(&mut self.stopped, true)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// A message waits for the rate limit.
    pub(super) fn rate_limited(&mut self) {
        self.delay.get_or_insert(DelayCause::RateLimit);
    }

    /// Everything that may be sent has been sent: what comes next is not late.
    pub(super) fn caught_up(&mut self) {
        self.delay = None;
    }

    pub(super) fn delay(&self) -> Option<DelayCause> {
        self.delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> Breaker {
        Breaker::new(Backoff { first: 60 * SECOND, max: 60 * SECOND })
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_that_fail_together_are_one_failure() {
        let (mut breaker, now) = (breaker(), Instant::now());
        assert_eq!(breaker.paused_until(now), None);
        assert_eq!(breaker.trip(now, Some(2 * SECOND), DelayCause::Unreachable), (2 * SECOND, Trip::First));
        assert_eq!(breaker.trip(now, None, DelayCause::Unreachable).1, Trip::Known);
        assert_eq!(breaker.paused_until(now), Some(now + 2 * SECOND), "a pause of our own does not prolong it");
        assert_eq!(breaker.trip(now, Some(5 * SECOND), DelayCause::Unreachable).1, Trip::Known);
        assert_eq!(breaker.paused_until(now), Some(now + 5 * SECOND), "one that the receiver asks for does");
        let later = now + 5 * SECOND;
        assert_eq!(breaker.paused_until(later), None);
        assert_eq!(breaker.trip(later, None, DelayCause::Unreachable).1, Trip::Again);
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_attempt_that_began_after_the_failure_ends_the_pause() {
        let (mut breaker, now) = (breaker(), Instant::now());
        breaker.trip(now + SECOND, Some(60 * SECOND), DelayCause::Unreachable);
        assert!(!breaker.answered(now), "it was sent before the failure");
        assert!(breaker.paused_until(now + SECOND).is_some());
        assert!(breaker.answered(now + SECOND));
        assert_eq!(breaker.paused_until(now + SECOND), None);
        assert!(!breaker.answered(now + SECOND), "there was no failure to end");
        assert_eq!(breaker.trip(now + SECOND, None, DelayCause::Unreachable).1, Trip::First);
    }

    #[test]
    fn pauses_grow_with_the_failures_unless_the_receiver_names_one() {
        let breaker = Breaker::new(Backoff { first: SECOND, max: 300 * SECOND });
        assert!((0..100).all(|_| breaker.pause_after(1, None) <= SECOND));
        assert!((0..100).any(|_| breaker.pause_after(10, None) > SECOND));
        assert_eq!(breaker.pause_after(10, Some(7 * SECOND)), 7 * SECOND);
    }

    #[test]
    fn a_stop_is_new_once() {
        let mut breaker = breaker();
        assert!(!breaker.is_stopped());
        assert!(breaker.stop() && breaker.is_stopped() && !breaker.stop());
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_late_until_the_lane_has_caught_up() {
        let mut breaker = breaker();
        breaker.rate_limited();
        assert_eq!(breaker.delay(), Some(DelayCause::RateLimit));
        breaker.trip(Instant::now(), None, DelayCause::Unreachable);
        breaker.rate_limited();
        assert_eq!(breaker.delay(), Some(DelayCause::Unreachable), "the failure is the reason, whatever follows");
        breaker.caught_up();
        assert_eq!(breaker.delay(), None);
    }
}
