//! Injected faults: a script for the next requests, a source of further faults, and the vendor's own rate limit.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InjectedFault {
    /// No fault: for a script in which the first request succeeds and the second fails.
    None,
    /// The vendor answers with this status. The message is not taken.
    Status(u16),
    /// The vendor's own answer to too many requests. The message is not taken.
    Throttled { retry_after: Option<u32> },
    /// The connection is reset before the message is taken.
    ResetBefore,
    /// The message is taken, but the connection is reset instead of an answer.
    ResetAfter,
    /// The message is not taken, and no answer is sent.
    Stall,
    /// A 500 whose body never ends. The message is not taken.
    Endless,
}

/// A fault, if any, and how much later the answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Injection {
    pub fault: InjectedFault,
    pub latency: Duration,
}

/// What the vendor allows: requests per second, and how many at once after a pause.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VendorLimit {
    pub per_second: f64,
    pub burst: f64,
}

pub(super) type FaultSource = Box<dyn FnMut() -> Injection + Send>;

#[derive(Default)]
pub(super) struct Faults {
    pub(super) script: VecDeque<InjectedFault>,
    pub(super) source: Option<FaultSource>,
    pub(super) limit: Option<TokenBucket>,
}

#[derive(Debug)]
pub struct TokenBucket {
    limit: VendorLimit,
    tokens: f64,
    at: Instant,
}

impl Faults {
    /// For the next request: the script comes first, then the source; the limit applies to what has no fault.
    pub(super) fn next(&mut self) -> Injection {
        let mut next = match &mut self.source {
            Some(source) => source(),
            None => Injection { fault: InjectedFault::None, latency: Duration::ZERO },
        };
        next.fault = self.script.pop_front().unwrap_or(next.fault);
        if let (InjectedFault::None, Some(bucket)) = (next.fault, &mut self.limit)
            && !bucket.take()
        {
            next.fault = InjectedFault::Throttled { retry_after: Some(1) };
        }
        next
    }
}

impl TokenBucket {
    pub fn new(limit: VendorLimit) -> Self {
        Self { limit, tokens: limit.burst, at: Instant::now() }
    }

    /// False if the request exceeds the limit.
    pub fn take(&mut self) -> bool {
        let now = Instant::now();
        let added = now.duration_since(self.at).as_secs_f64() * self.limit.per_second;
        self.tokens = (self.tokens + added).min(self.limit.burst);
        self.at = now;
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_comes_before_the_source() {
        let mut faults = Faults::default();
        faults.script.extend([InjectedFault::Stall, InjectedFault::None]);
        let latency = Duration::from_secs(1);
        faults.source = Some(Box::new(move || Injection { fault: InjectedFault::Status(500), latency }));
        let next = [faults.next(), faults.next(), faults.next()];
        assert_eq!(
            next.map(|injection| injection.fault),
            [InjectedFault::Stall, InjectedFault::None, InjectedFault::Status(500)]
        );
        assert!(next.iter().all(|injection| injection.latency == latency));
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_lets_a_burst_through_and_then_its_rate() {
        let limit = TokenBucket::new(VendorLimit { per_second: 1.0, burst: 2.0 });
        let mut faults = Faults { limit: Some(limit), ..Faults::default() };
        let mut passes = || faults.next().fault == InjectedFault::None;
        assert_eq!([passes(), passes(), passes()], [true, true, false]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!([passes(), passes()], [true, false]);
    }
}
