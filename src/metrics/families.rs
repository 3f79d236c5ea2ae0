//! The families: their names, help texts and buckets.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

/// A gauge with a fraction: seconds, or a point in time as seconds since 1970.
pub type Seconds = Gauge<f64, AtomicU64>;

pub(super) type Labels<const N: usize> = [(&'static str, String); N];

/// From a healthy network to an outage of hours.
const DELIVERY: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0];
const FETCH: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Good disks need under a millisecond; bad ones block for seconds.
const COMMIT: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

pub(super) struct Families {
    pub(super) registry: Registry,
    pub(super) source_up: Family<Labels<1>, Gauge>,
    pub(super) source_last_event: Family<Labels<1>, Seconds>,
    pub(super) source_reconnects: Family<Labels<1>, Counter>,
    pub(super) source_gap_events: Family<Labels<1>, Counter>,
    pub(super) source_skipped: Family<Labels<1>, Counter>,
    pub(super) http_requests: Family<Labels<3>, Counter>,
    pub(super) events_received: Family<Labels<1>, Counter>,
    pub(super) events_matched: Family<Labels<1>, Counter>,
    pub(super) events_unmatched: Family<Labels<1>, Counter>,
    pub(super) deliveries: Family<Labels<2>, Counter>,
    pub(super) attempts_failed: Family<Labels<2>, Counter>,
    pub(super) delivery_seconds: Family<Labels<1>, Histogram, fn() -> Histogram>,
    pub(super) queue_pending: Family<Labels<1>, Gauge>,
    pub(super) queue_oldest: Family<Labels<1>, Seconds>,
    pub(super) dead_letters: Family<Labels<1>, Gauge>,
    pub(super) lane_wait: Family<Labels<1>, Seconds>,
    pub(super) fetch_seconds: Histogram,
    pub(super) fetches: Family<Labels<2>, Counter>,
    pub(super) commit_seconds: Histogram,
    pub(super) relay_faults: Family<Labels<1>, Counter>,
    pub(super) task_restarts: Family<Labels<1>, Counter>,
    pub(super) config_successful: Gauge,
    pub(super) config_success_time: Seconds,
}

impl Families {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("tidings");
        let r = &mut registry;
        let build: Family<Labels<1>, Gauge> = Family::default();
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION").to_owned())]).set(1);
        registered(r, "build_info", "The version of tidings; always 1", build);
        Self {
            source_up: registered(
                r,
                "source_up",
                "Whether the source is connected, or its last poll succeeded",
                empty(),
            ),
            source_last_event: registered(
                r,
                "source_last_event_timestamp_seconds",
                "Time of the source's last event; 0 before the first",
                empty(),
            ),
            source_reconnects: registered(r, "source_reconnects", "Reconnects after a lost connection", empty()),
            source_gap_events: registered(r, "source_gap_events", "Events known to be missing", empty()),
            source_skipped: registered(
                r,
                "source_skipped_messages",
                "Messages skipped because they were not JSON",
                empty(),
            ),
            http_requests: registered(
                r,
                "http_requests",
                "HTTP requests by listener, endpoint and status code; the endpoint is empty for unknown paths",
                empty(),
            ),
            events_received: registered(r, "events_received", "Events received", empty()),
            events_matched: registered(r, "events_matched", "Events that the relay wanted", empty()),
            events_unmatched: registered(r, "events_unmatched", "Events that no relay wanted", empty()),
            deliveries: registered(
                r,
                "deliveries",
                "Finished deliveries: delivered, dead, or suppressed on purpose",
                empty(),
            ),
            attempts_failed: registered(r, "delivery_attempts_failed", "Failed delivery attempts", empty()),
            delivery_seconds: registered(
                r,
                "delivery_seconds",
                "Time from accepting an event to its delivery",
                Family::new_with_constructor(|| Histogram::new(DELIVERY)),
            ),
            queue_pending: registered(r, "queue_pending", "Pending deliveries", empty()),
            queue_oldest: registered(r, "queue_oldest_pending_seconds", "Age of the oldest pending delivery", empty()),
            dead_letters: registered(r, "dead_letters", "Dead letters not yet replayed or dropped", empty()),
            lane_wait: registered(r, "lane_wait_seconds", "Time until the lane's next attempt", empty()),
            fetch_seconds: registered(
                r,
                "fetch_seconds",
                "Duration of fetches of related resources",
                Histogram::new(FETCH),
            ),
            fetches: registered(r, "fetch", "Fetches: from the cache (hit), successful (ok) or failed", empty()),
            commit_seconds: registered(r, "commit_seconds", "Duration of commits to the store", Histogram::new(COMMIT)),
            relay_faults: registered(r, "relay_faults", "Failed expressions of the relay", empty()),
            task_restarts: registered(r, "task_restarts", "Restarts of failed tasks", empty()),
            config_successful: registered(
                r,
                "config_last_reload_successful",
                "Whether relays.toml was valid when last read",
                Gauge::default(),
            ),
            config_success_time: registered(
                r,
                "config_last_reload_success_timestamp_seconds",
                "When a valid relays.toml was last read",
                Seconds::default(),
            ),
            registry,
        }
    }
}

fn empty<const N: usize, M: Default>() -> Family<Labels<N>, M> {
    Family::default()
}

fn registered<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}
