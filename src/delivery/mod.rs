//! From the store to the destinations: each sink has its own lane.
//!
//! A [`Lane`] takes its deliveries in order, has them prepared (fetched for and rendered), and sends them at the rate that
//! the receiver allows. It knows retries and clocks, so that sinks need not. It does not know what a destination or a
//! preparation is beyond two small traits, so a chat can have lanes as well.
//!
//! ```text
//!  store ─▶ Feed ─▶ Preparations ─▶ QuietFilter ─▶ Pending ─▶ RateLimit, Breaker ─▶ Destination
//!    ▲                                  │                                               │ verdict
//!    ╰── Settler ◀──────────────────────┴───────────────────────────────────────────────╯
//! ```
//!
//! `worker` connects the parts; each of them owns its state and knows no other.

mod attempt;
mod breaker;
mod bundle;
mod clock;
mod config;
mod delay_note;
mod destination;
mod feed;
mod fetcher;
mod lane;
mod pending;
mod preparation;
mod quiet_filter;
mod rate_limit;
mod reporter;
mod settler;
mod threads;
mod ttl_map;
mod worker;

#[cfg(test)]
mod tests;

pub use config::LaneConfig;
pub use destination::Destination;
pub use fetcher::{FetchConfig, Fetcher};
pub use lane::Lane;
pub use preparation::{Content, Preparation, Prepared, Preparing, RelayPreparation};
pub use rate_limit::{RateLimit, RateLimits};
pub use reporter::LaneState;
