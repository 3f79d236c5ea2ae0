//! How far the history was read: `position` with the events that were `seen`, and the `format` in which it is stored.
//! Here: what identifies an event, and arithmetic with the server's times.

mod format;
mod position;
mod seen;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub(super) use position::Cursor;

/// Time and key of an event. Neither is enough alone: keys restart when a database is restored, and wrap at 2^31; times
/// repeat. The order of keys means nothing.
pub(super) type EventIdentity = (Timestamp, i64);

/// A server clock that is behind what was read by more than this was set back.
pub(super) const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);
/// Some servers store times more coarsely than they show them: a collector that begins exactly at an event may miss it.
pub(super) const TIME_ROUNDING: Duration = Duration::from_secs(1);

/// `time` less `by`, at least the earliest time there is.
pub(super) fn before(time: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}
