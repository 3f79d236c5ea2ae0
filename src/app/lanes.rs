//! The rate limits of the lanes.

use crate::delivery::{Lane, RateLimits, RelayPreparation};
use crate::sinks::{AnySink, Sink};
use crate::sources::AnySource;

pub(super) type SinkLane = Lane<AnySink, RelayPreparation<AnySource>>;

pub(super) fn set_rate_limits(lanes: &mut [SinkLane]) {
    let mut rate_limits = RateLimits::default();
    let mut rate_limit = |lane: &SinkLane| {
        let traits = lane.destination.traits();
        let rate = lane.config.rate.unwrap_or(traits.rate)?;
        Some(rate_limits.share(&traits.destination, rate, traits.burst))
    };
    // Sinks with the same destination share one limit, so all limits are known before the first lane gets its own.
    for lane in lanes.iter() {
        rate_limit(lane);
    }
    for lane in lanes {
        lane.rate_limit = rate_limit(lane);
    }
}
