//! Whether a reader stood still: its events wait for room, the disk is full, or the process itself was stopped or slept.
//!
//! Peers drop what a client does not read for some time, most of them without a word. So a reader that stood still has
//! to find out what it missed, or report it.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// A shorter pause is what a busy machine causes by itself.
pub const STANDSTILL: Duration = Duration::from_secs(2);

/// A time in which nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standstill {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// Ticks at least once a second while its owner reads.
#[derive(Debug)]
pub struct ReadingClock {
    /// Goes on while the machine sleeps.
    wall: Timestamp,
    /// Goes on when the wall clock is set back.
    monotonic: Instant,
}

impl ReadingClock {
    pub fn start() -> Self {
        Self { wall: Timestamp::now(), monotonic: Instant::now() }
    }

    /// The owner reads now. Some: it did not since the last tick, for longer than [`STANDSTILL`].
    pub fn tick(&mut self) -> Option<Standstill> {
        self.tick_at(Timestamp::now(), Instant::now())
    }

    fn tick_at(&mut self, wall: Timestamp, monotonic: Instant) -> Option<Standstill> {
        let before = std::mem::replace(self, Self { wall, monotonic });
        let by_wall = Duration::try_from(wall.duration_since(before.wall)).unwrap_or_default();
        let lasted = by_wall.max(monotonic.saturating_duration_since(before.monotonic));
        (lasted > STANDSTILL).then(|| Standstill { from: before.wall.min(wall), to: wall })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_standstill_is_seen_by_either_clock() {
        let (wall, monotonic) = (Timestamp::UNIX_EPOCH, Instant::now());
        let after = |wall_seconds: i64, seconds: u64| {
            let mut clock = ReadingClock { wall, monotonic };
            let then = wall + SignedDuration::from_secs(wall_seconds);
            clock.tick_at(then, monotonic + Duration::from_secs(seconds)).map(|stood| (stood.from, stood.to == then))
        };
        assert_eq!(after(1, 1), None);
        assert_eq!(after(100, 100), Some((wall, true)), "the process was stopped");
        assert_eq!(after(100, 0), Some((wall, true)), "the machine slept");
        let set_back = wall - SignedDuration::from_secs(50);
        assert_eq!(after(-50, 100), Some((set_back, true)), "the clock was set back meanwhile");
        assert_eq!(after(-50, 1), None);
    }
}
