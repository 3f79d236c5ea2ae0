//! The families: their names, what they mean, and their buckets.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use super::Seconds;

pub(super) type Labels<const N: usize> = [(&'static str, String); N];

/// From a healthy network to an evening's outage.
const DELIVERY: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0];
const FETCH: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Good disks answer within a millisecond; bad ones stop everything for seconds.
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
        entered(r, "build_info", "Which tidings this is; always 1", build);
        Self {
            source_up: entered(
                r,
                "source_up",
                "Whether the source is connected, or its last poll was answered",
                empty(),
            ),
            source_last_event: entered(
                r,
                "source_last_event_timestamp_seconds",
                "When the source last gave an event; 0 before its first",
                empty(),
            ),
            source_reconnects: entered(r, "source_reconnects", "Connections made again after a loss", empty()),
            source_gap_events: entered(r, "source_gap_events", "Events known to be missing", empty()),
            source_skipped: entered(r, "source_skipped_messages", "Messages that were not JSON", empty()),
            http_requests: entered(
                r,
                "http_requests",
                "HTTP requests by listener, endpoint and status; an empty endpoint: no such path",
                empty(),
            ),
            events_received: entered(r, "events_received", "Events taken in", empty()),
            events_matched: entered(r, "events_matched", "Events that the relay wanted", empty()),
            events_unmatched: entered(r, "events_unmatched", "Events that no relay wanted", empty()),
            deliveries: entered(
                r,
                "deliveries",
                "Deliveries that came to an end: delivered, dead, or suppressed on purpose",
                empty(),
            ),
            attempts_failed: entered(r, "delivery_attempts_failed", "Attempts to deliver that failed", empty()),
            delivery_seconds: entered(
                r,
                "delivery_seconds",
                "From accepting an event to the receipt of its delivery",
                Family::new_with_constructor(|| Histogram::new(DELIVERY)),
            ),
            queue_pending: entered(r, "queue_pending", "Deliveries waiting", empty()),
            queue_oldest: entered(r, "queue_oldest_pending_seconds", "How long the oldest of them waits", empty()),
            dead_letters: entered(r, "dead_letters", "Dead letters not yet replayed or dropped", empty()),
            lane_wait: entered(r, "lane_wait_seconds", "How long the lane holds back before its next attempt", empty()),
            fetch_seconds: entered(r, "fetch_seconds", "Looking up what an event refers to", Histogram::new(FETCH)),
            fetches: entered(r, "fetch", "Look-ups, from memory (hit), done (ok) or failed", empty()),
            commit_seconds: entered(r, "commit_seconds", "Writing to the state file", Histogram::new(COMMIT)),
            relay_faults: entered(r, "relay_faults", "Expressions of the relay that failed", empty()),
            task_restarts: entered(r, "task_restarts", "Tasks started again after they fell", empty()),
            config_successful: entered(
                r,
                "config_last_reload_successful",
                "Whether relays.toml was in order when last read",
                Gauge::default(),
            ),
            config_success_time: entered(
                r,
                "config_last_reload_success_timestamp_seconds",
                "When relays.toml was last read and in order",
                Seconds::default(),
            ),
            registry,
        }
    }
}

fn empty<const N: usize, M: Default>() -> Family<Labels<N>, M> {
    Family::default()
}

fn entered<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}
