//! The vendor's rate limit, respected before it is hit.
//!
//! The generic cell rate algorithm in a few lines. The `governor` crate does the same on a clock of its
//! own, which tests cannot freeze.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config_reader::Rate;

/// One destination's limit, shared by all lanes that lead there.
#[derive(Debug)]
pub struct RateLimit {
    /// Time between two sends.
    interval: Duration,
    /// How far ahead of the even rate a burst may run.
    tolerance: Duration,
    /// When the next send would be due at an even rate.
    next: Mutex<Instant>,
}

impl RateLimit {
    pub fn new(rate: Rate, burst: u32) -> Self {
        let interval = rate.per / rate.times.max(1);
        Self { interval, tolerance: interval * burst.max(1).saturating_sub(1), next: Mutex::new(Instant::now()) }
    }

    /// Takes a permit if there is one; otherwise gives the time of the next one.
    pub fn take(&self, now: Instant) -> Result<(), Instant> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let due = (*next).max(now);
        match due.checked_sub(self.tolerance) {
            Some(earliest) if earliest > now => Err(earliest),
            _ => {
                *next = due + self.interval;
                Ok(())
            }
        }
    }
}

/// The limits of all destinations. Sinks with the same destination share the strictest one, so ask for every sink once
/// before using any.
#[derive(Debug, Default)]
pub struct RateLimits(HashMap<String, Arc<RateLimit>>);

impl RateLimits {
    pub fn share(&mut self, destination: &str, rate: Rate, burst: u32) -> Arc<RateLimit> {
        let wanted = RateLimit::new(rate, burst);
        if let Some(limit) = self.0.get(destination).filter(|limit| limit.interval >= wanted.interval) {
            return Arc::clone(limit);
        }
        let limit = Arc::new(wanted);
        self.0.insert(destination.to_owned(), Arc::clone(&limit));
        limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_sent_at_once_and_then_the_rate_is_even() {
        let limit = RateLimit::new(Rate { times: 1, per: Duration::from_secs(1) }, 3);
        let start = Instant::now();
        let mut sent = Vec::new();
        while sent.len() < 6 {
            match limit.take(Instant::now()) {
                Ok(()) => sent.push(start.elapsed().as_secs()),
                Err(later) => tokio::time::sleep_until(later).await,
            }
        }
        assert_eq!(sent, [0, 0, 0, 1, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_time_earns_no_more_than_the_burst() {
        let limit = RateLimit::new(Rate { times: 2, per: Duration::from_secs(1) }, 2);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let now = Instant::now();
        assert_eq!([limit.take(now).is_ok(), limit.take(now).is_ok(), limit.take(now).is_ok()], [true, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_destination_has_one_limit() {
        let rate = Rate { times: 1, per: Duration::from_secs(1) };
        let mut limits = RateLimits::default();
        let (a, b, c) =
            (limits.share("space", rate, 1), limits.share("space", rate, 1), limits.share("other", rate, 1));
        let now = Instant::now();
        assert!(a.take(now).is_ok());
        assert!(b.take(now).is_err(), "the same space was just used");
        assert!(c.take(now).is_ok());
    }
}
