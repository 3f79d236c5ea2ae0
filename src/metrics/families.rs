//! The families: their names, help texts and buckets.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// A gauge with a fraction: seconds, or a point in time as seconds since 1970.
pub type Seconds = Gauge<f64, AtomicU64>;

pub(super) type Labels<const N: usize> = [(&'static str, String); N];

/// From a healthy network to an outage of hours.
const DELIVERY: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0];
const FETCH: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Good disks need under a millisecond; bad ones block for seconds.
const COMMIT: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// Declares, creates and registers each family: its field, type, name and help, and how to create it if not by default.
macro_rules! families {
    ($($field:ident: $type:ty, $name:literal, $help:literal $(, $new:expr)?;)*) => {
        pub(super) struct Families {
            pub(super) registry: Registry,
            $(pub(super) $field: $type,)*
        }

        impl Families {
            pub(super) fn new() -> Self {
                let mut registry = Registry::with_prefix("tidings");
                $(
                    let $field: $type = families!(@new $($new)?);
                    registry.register($name, $help, $field.clone());
                )*
                Self { registry, $($field),* }
            }
        }
    };
    (@new) => { Default::default() };
    (@new $new:expr) => { $new };
}

families! {
    build_info: Family<Labels<1>, Gauge>, "build_info", "The version of tidings; always 1";
    source_up: Family<Labels<1>, Gauge>, "source_up", "Whether the source is connected, or its last poll succeeded";
    source_last_event: Family<Labels<1>, Seconds>, "source_last_event_timestamp_seconds",
        "Time of the source's last event; 0 before the first";
    source_reconnects: Family<Labels<1>, Counter>, "source_reconnects", "Reconnects after a lost connection";
    source_gap_events: Family<Labels<1>, Counter>, "source_gap_events", "Events known to be missing";
    source_skipped: Family<Labels<1>, Counter>, "source_skipped_messages",
        "Messages skipped because they were not JSON";
    http_requests: Family<Labels<3>, Counter>, "http_requests",
        "HTTP requests by listener, endpoint and status code; the endpoint is empty for unknown paths";
    events_received: Family<Labels<1>, Counter>, "events_received", "Events received";
    events_matched: Family<Labels<1>, Counter>, "events_matched", "Events that the relay wanted";
    events_unmatched: Family<Labels<1>, Counter>, "events_unmatched", "Events that no relay wanted";
    deliveries: Family<Labels<2>, Counter>, "deliveries",
        "Finished deliveries: delivered, dead, or suppressed on purpose";
    attempts_failed: Family<Labels<2>, Counter>, "delivery_attempts_failed", "Failed delivery attempts";
    delivery_seconds: Family<Labels<1>, Histogram, fn() -> Histogram>, "delivery_seconds",
        "Time from accepting an event to its delivery", Family::new_with_constructor(|| Histogram::new(DELIVERY));
    queue_pending: Family<Labels<1>, Gauge>, "queue_pending", "Pending deliveries";
    queue_oldest: Family<Labels<1>, Seconds>, "queue_oldest_pending_seconds", "Age of the oldest pending delivery";
    dead_letters: Family<Labels<1>, Gauge>, "dead_letters", "Dead letters not yet replayed or dropped";
    lane_wait: Family<Labels<1>, Seconds>, "lane_wait_seconds", "Time until the lane's next attempt";
    fetch_seconds: Histogram, "fetch_seconds", "Duration of fetches of related resources", Histogram::new(FETCH);
    fetches: Family<Labels<2>, Counter>, "fetch", "Fetches: from the cache (hit), successful (ok) or failed";
    commit_seconds: Histogram, "commit_seconds", "Duration of commits to the store", Histogram::new(COMMIT);
    relay_faults: Family<Labels<1>, Counter>, "relay_faults", "Failed expressions of the relay";
    task_restarts: Family<Labels<1>, Counter>, "task_restarts", "Restarts of failed tasks";
    config_successful: Gauge, "config_last_reload_successful", "Whether relays.toml was valid when last read";
    config_success_time: Seconds, "config_last_reload_success_timestamp_seconds",
        "When a valid relays.toml was last read";
}
