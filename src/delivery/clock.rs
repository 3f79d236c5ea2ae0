//! Between the calendar, by which deliveries are accepted, and the clock by which a lane waits.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Zero where `then` is over: the machine's calendar may jump.
pub(super) fn time_until(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO)
}

/// `time` and `span`; the end of time where that is too far.
pub(super) fn later(time: Timestamp, span: Duration) -> Timestamp {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// When `time` is on the lane's clock.
pub(super) fn instant_of(time: Timestamp) -> Instant {
    Instant::now() + time_until(time, Timestamp::now())
}
