//! Exponential backoff with jitter, for connections and for deliveries.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use crate::config_reader::{Problem, TableReader};

/// `retry = { first = "1s", max = "5m" }`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    pub first: Duration,
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), max: Duration::from_secs(300) }
    }
}

impl Backoff {
    /// `retry = { first, max }` of a source or sink; missing values have defaults.
    pub fn read(table: &TableReader) -> Self {
        let default = Self::default();
        let Some(retry) = table.table("retry") else { return default };
        let first = retry.wait("first").unwrap_or(default.first);
        let max = retry.wait("max").unwrap_or(default.max.max(first));
        if first > max {
            retry.reader.problem(Problem::error(retry.span.clone(), "`first` is longer than `max`"));
        }
        retry.finish();
        Self { first, max: max.max(first) }
    }

    /// The endless sequence of waits between attempts to connect: doubled each time, with jitter, at most `max`.
    pub fn waits(&self) -> impl Iterator<Item = Duration> + Send + use<> {
        let max = self.max;
        ExponentialBuilder::default()
            .with_min_delay(self.first.min(max))
            .with_max_delay(max)
            .with_jitter()
            .without_max_times()
            .build()
            .map(move |wait| wait.min(max))
    }

    /// The wait after the failed attempt number `attempt` (from 1) of a delivery, with full jitter: `draw` is uniform in
    /// 0..1. A pure function, because its result is stored.
    pub fn after(&self, attempt: u32, draw: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let ceiling = self.first.saturating_mul(1 << doublings).min(self.max);
        ceiling.mul_f64(draw.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivery_waits_double_up_to_the_ceiling() {
        let backoff = Backoff::default();
        let ceilings: Vec<_> = [1, 2, 3, 9, 10, 4_000_000].map(|n| backoff.after(n, 1.0).as_secs()).into();
        assert_eq!(ceilings, [1, 2, 4, 256, 300, 300]);
        assert_eq!(backoff.after(5, 0.0), Duration::ZERO);
    }

    #[test]
    fn connection_waits_never_end_and_never_exceed_the_ceiling() {
        let backoff = Backoff { first: Duration::from_millis(10), max: Duration::from_millis(80) };
        let waits: Vec<_> = backoff.waits().take(1000).collect();
        assert_eq!(waits.len(), 1000);
        assert!(waits.iter().all(|wait| (10..=80).contains(&wait.as_millis())));
    }
}
