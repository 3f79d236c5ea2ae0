//! Limits on numbers, sorted, so that only those that hold for a value are visited.

use std::fmt;

use super::bits;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Bound {
    pub(super) fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Less => value < limit,
            Self::AtMost => value <= limit,
            Self::More => value > limit,
            Self::AtLeast => value >= limit,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "less than",
            Self::AtMost => "at most",
            Self::More => "more than",
            Self::AtLeast => "at least",
        })
    }
}

/// The limits of each bound in ascending order, with their relays.
#[derive(Debug, Default)]
pub(super) struct Ranges([Vec<(f64, u32)>; 4]);

impl Ranges {
    pub(super) fn add(&mut self, bound: Bound, limit: f64, relay: usize) {
        self.0[bound as usize].extend(u32::try_from(relay).map(|relay| (limit, relay)));
    }

    pub(super) fn seal(&mut self) {
        for limits in &mut self.0 {
            limits.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        }
    }

    pub(super) fn find(&self, value: f64, found: &mut [u64]) {
        let [less, at_most, more, at_least] = &self.0;
        let above = |limits: &[(f64, u32)], below: fn(f64, f64) -> bool| {
            limits.partition_point(|(limit, _)| below(*limit, value))
        };
        let kept = [
            less.get(above(less, |limit, value| limit <= value)..),
            at_most.get(above(at_most, |limit, value| limit < value)..),
            more.get(..above(more, |limit, value| limit < value)),
            at_least.get(..above(at_least, |limit, value| limit <= value)),
        ];
        // NaN is within no limit.
        let kept = kept.into_iter().filter(|_| !value.is_nan()).flatten().flatten();
        for (_, relay) in kept {
            bits::set(found, *relay as usize);
        }
    }
}
