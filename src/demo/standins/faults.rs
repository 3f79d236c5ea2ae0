//! Trouble on demand: a script of single faults, a seeded mix of random ones, and the vendor's own limit.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What befalls one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// None: lets a script say "the first goes well, the second does not".
    Nothing,
    /// The vendor is broken and says so with this status. Nothing is taken.
    Status(u16),
    /// Too fast, in the vendor's own words. Nothing is taken.
    Throttled { retry_after: Option<u32> },
    /// The connection is reset before the message is taken.
    ResetBefore,
    /// The message is taken, but the connection is reset instead of an answer.
    ResetAfter,
    /// Nothing is taken, and no answer ever comes.
    Stall,
    /// A 500 whose body never ends. Nothing is taken.
    Endless,
    /// The message is taken at once and answered so much later.
    Slow(Duration),
}

/// Random trouble, the same for the same seed. Probabilities are of 1, and exclude each other.
#[derive(Debug, Clone, Default)]
pub struct Mix {
    pub p500: f64,
    pub p429: f64,
    /// What a 429 asks for, in seconds.
    pub retry_after: Option<u32>,
    pub p_reset_before: f64,
    pub p_reset_after: f64,
    /// How much later every answer comes.
    pub latency: Duration,
    pub seed: u64,
}

/// What the vendor allows: so many a second, and so many at once after a silence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    pub per_second: f64,
    pub burst: f64,
}

/// What awaits the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) trouble: Trouble,
    pub(super) latency: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    script: VecDeque<Trouble>,
    mix: Option<(Mix, fastrand::Rng)>,
    limit: Option<Bucket>,
}

#[derive(Debug)]
pub(super) struct Bucket {
    limit: Limit,
    tokens: f64,
    at: Instant,
}

impl Faults {
    pub(super) fn script(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.state().script.extend(troubles);
    }

    pub(super) fn mix(&self, mix: Option<Mix>) {
        self.state().mix = mix.map(|mix| {
            let dice = fastrand::Rng::with_seed(mix.seed);
            (mix, dice)
        });
    }

    pub(super) fn limit(&self, limit: Option<Limit>) {
        self.state().limit = limit.map(Bucket::new);
    }

    /// The script goes first, then chance, and what both let through must keep to the limit.
    pub(super) fn draw(&self) -> Fate {
        let mut state = self.state();
        let scripted = state.script.pop_front();
        let (chance, latency) = match &mut state.mix {
            Some((mix, dice)) => (mix.draw(dice), mix.latency),
            None => (Trouble::Nothing, Duration::ZERO),
        };
        let mut trouble = scripted.unwrap_or(chance);
        if let (Trouble::Nothing, Some(bucket)) = (trouble, &mut state.limit) {
            trouble = bucket.take();
        }
        Fate { trouble, latency }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mix {
    fn draw(&self, dice: &mut fastrand::Rng) -> Trouble {
        let mut left = dice.f64();
        let mut falls_in = |probability: f64| {
            left -= probability;
            left < 0.0
        };
        if falls_in(self.p500) {
            Trouble::Status(500)
        } else if falls_in(self.p429) {
            Trouble::Throttled { retry_after: self.retry_after }
        } else if falls_in(self.p_reset_before) {
            Trouble::ResetBefore
        } else if falls_in(self.p_reset_after) {
            Trouble::ResetAfter
        } else {
            Trouble::Nothing
        }
    }
}

impl Bucket {
    pub(super) fn new(limit: Limit) -> Self {
        Self { limit, tokens: limit.burst, at: Instant::now() }
    }

    pub(super) fn take(&mut self) -> Trouble {
        let now = Instant::now();
        let grown = now.duration_since(self.at).as_secs_f64() * self.limit.per_second;
        self.tokens = (self.tokens + grown).min(self.limit.burst);
        self.at = now;
        if self.tokens < 1.0 {
            return Trouble::Throttled { retry_after: Some(1) };
        }
        self.tokens -= 1.0;
        Trouble::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_goes_first_and_the_same_seed_gives_the_same_trouble() {
        let drawn = || {
            let faults = Faults::default();
            faults.script([Trouble::Stall, Trouble::Nothing]);
            faults.mix(Some(Mix { p500: 0.3, p429: 0.2, p_reset_before: 0.2, seed: 7, ..Mix::default() }));
            (0..200).map(|_| faults.draw().trouble).collect::<Vec<_>>()
        };
        let troubles = drawn();
        assert_eq!(troubles.first(), Some(&Trouble::Stall));
        assert_eq!(troubles, drawn());
        for kind in [Trouble::Status(500), Trouble::Throttled { retry_after: None }, Trouble::ResetBefore] {
            assert!(troubles.contains(&kind), "{kind:?}");
        }
        assert!(!troubles.contains(&Trouble::ResetAfter));
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_lets_a_burst_through_and_then_its_rate() {
        let faults = Faults::default();
        faults.limit(Some(Limit { per_second: 1.0, burst: 2.0 }));
        let passes = || faults.draw().trouble == Trouble::Nothing;
        assert_eq!([passes(), passes(), passes()], [true, true, false]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!([passes(), passes()], [true, false]);
    }
}
