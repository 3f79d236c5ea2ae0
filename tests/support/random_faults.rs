//! Random faults for a stand-in, the same for the same seed.

use std::time::Duration;

use tidings::demo::standins::{InjectedFault, Injection};

/// The probabilities exclude each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct RandomFaults {
    pub(crate) p500: f64,
    pub(crate) p429: f64,
    /// The `Retry-After` of a 429, in seconds.
    pub(crate) retry_after: Option<u32>,
    pub(crate) p_reset_before: f64,
    pub(crate) p_reset_after: f64,
    /// How much later every answer is sent.
    pub(crate) latency: Duration,
    pub(crate) seed: u64,
}

impl RandomFaults {
    /// For `StandIn::inject`.
    pub(crate) fn source(self) -> impl FnMut() -> Injection + Send + 'static {
        let mut random = fastrand::Rng::with_seed(self.seed);
        move || Injection { fault: self.draw(&mut random), latency: self.latency }
    }

    fn draw(&self, random: &mut fastrand::Rng) -> InjectedFault {
        let mut left = random.f64();
        let mut falls_in = |probability: f64| {
            left -= probability;
            left < 0.0
        };
        if falls_in(self.p500) {
            InjectedFault::Status(500)
        } else if falls_in(self.p429) {
            InjectedFault::Throttled { retry_after: self.retry_after }
        } else if falls_in(self.p_reset_before) {
            InjectedFault::ResetBefore
        } else if falls_in(self.p_reset_after) {
            InjectedFault::ResetAfter
        } else {
            InjectedFault::None
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_same_seed_gives_the_same_faults() {
        use super::{InjectedFault, RandomFaults};

        let drawn = || {
            let faults = RandomFaults { p500: 0.3, p429: 0.2, p_reset_before: 0.2, seed: 7, ..RandomFaults::default() };
            std::iter::repeat_with(faults.source()).take(200).map(|next| next.fault).collect::<Vec<_>>()
        };
        let faults = drawn();
        assert_eq!(faults, drawn());
        for kind in
            [InjectedFault::Status(500), InjectedFault::Throttled { retry_after: None }, InjectedFault::ResetBefore]
        {
            assert!(faults.contains(&kind), "{kind:?}");
        }
        assert!(!faults.contains(&InjectedFault::ResetAfter));
    }
}
