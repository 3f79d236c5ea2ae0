//! Counters, gauges and histograms for Prometheus. Every family exists from the start, at 0.
//!
//! Handles are made once for each source, sink and relay, so that counting needs no label lookup.

mod families;
mod text;

use std::sync::Arc;

use jiff::Timestamp;
pub use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::histogram::Histogram;

use crate::event::Name;
pub use families::Seconds;
use families::{Families, Labels};

/// Cheap to clone; all clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Families>);

/// Handles of one source. `fetch_*` count fetches of relays from it.
#[derive(Debug, Clone)]
pub struct SourceMetrics {
    pub up: Gauge,
    pub last_event_timestamp: Seconds,
    pub reconnects: Counter,
    pub gap_events: Counter,
    pub skipped_messages: Counter,
    pub received: Counter,
    pub unmatched: Counter,
    pub fetch_hit: Counter,
    pub fetch_ok: Counter,
    pub fetch_failed: Counter,
}

/// Handles of one sink.
#[derive(Debug, Clone)]
pub struct SinkMetrics {
    pub delivered: Counter,
    pub dead_total: Counter,
    /// Not sent, on purpose.
    pub suppressed: Counter,
    pub delivery_seconds: Histogram,
    pub pending: Gauge,
    pub oldest_pending: Seconds,
    pub dead: Gauge,
    pub lane_wait: Seconds,
    sink: Name,
    attempts_failed: Family<Labels<2>, Counter>,
}

/// Handles of one endpoint of a listener.
#[derive(Debug, Clone)]
pub struct EndpointMetrics {
    pub accepted: Counter,
    endpoint: Name,
    requests: Family<Labels<3>, Counter>,
}

/// Handles of one relay.
#[derive(Debug, Clone)]
pub struct RelayMetrics {
    pub matched: Counter,
    pub faults: Counter,
}

impl Metrics {
    pub fn new() -> Self {
        let families = Families::new();
        families.build_info.get_or_create(&[("version", env!("CARGO_PKG_VERSION").to_owned())]).set(1);
        Self(Arc::new(families))
    }

    pub fn source(&self, source: &Name) -> SourceMetrics {
        let (all, labels) = (&*self.0, [("source", source.to_string())]);
        let fetch = |outcome: &str| {
            let labels = [("source", source.to_string()), ("outcome", outcome.to_owned())];
            all.fetches.get_or_create_owned(&labels)
        };
        SourceMetrics {
            up: all.source_up.get_or_create_owned(&labels),
            last_event_timestamp: all.source_last_event.get_or_create_owned(&labels),
            reconnects: all.source_reconnects.get_or_create_owned(&labels),
            gap_events: all.source_gap_events.get_or_create_owned(&labels),
            skipped_messages: all.source_skipped.get_or_create_owned(&labels),
            received: all.events_received.get_or_create_owned(&labels),
            unmatched: all.events_unmatched.get_or_create_owned(&labels),
            fetch_hit: fetch("hit"),
            fetch_ok: fetch("ok"),
            fetch_failed: fetch("failed"),
        }
    }

    pub fn sink(&self, sink: &Name) -> SinkMetrics {
        let (all, labels) = (&*self.0, [("sink", sink.to_string())]);
        let outcome = |outcome: &str| {
            let labels = [("sink", sink.to_string()), ("outcome", outcome.to_owned())];
            all.deliveries.get_or_create_owned(&labels)
        };
        // Reasons are not known in advance; these two apply to every sink.
        for reason in ["timeout", "connect"] {
            all.attempts_failed.get_or_create_owned(&[("sink", sink.to_string()), ("reason", reason.to_owned())]);
        }
        SinkMetrics {
            delivered: outcome("delivered"),
            dead_total: outcome("dead"),
            suppressed: outcome("suppressed"),
            delivery_seconds: all.delivery_seconds.get_or_create_owned(&labels),
            pending: all.queue_pending.get_or_create_owned(&labels),
            oldest_pending: all.queue_oldest.get_or_create_owned(&labels),
            dead: all.dead_letters.get_or_create_owned(&labels),
            lane_wait: all.lane_wait.get_or_create_owned(&labels),
            sink: sink.clone(),
            attempts_failed: all.attempts_failed.clone(),
        }
    }

    /// Of one endpoint of the public listener; an empty name stands for requests that match no endpoint.
    pub fn endpoint(&self, endpoint: &Name) -> EndpointMetrics {
        let requests = self.0.http_requests.clone();
        let accepted = requests.get_or_create_owned(&request_labels(endpoint, 202));
        EndpointMetrics { accepted, endpoint: endpoint.clone(), requests }
    }

    pub fn relay(&self, relay: &Name) -> RelayMetrics {
        let labels = [("relay", relay.to_string())];
        RelayMetrics {
            matched: self.0.events_matched.get_or_create_owned(&labels),
            faults: self.0.relay_faults.get_or_create_owned(&labels),
        }
    }

    /// For [`Supervisor::count_restarts`](crate::supervisor::Supervisor::count_restarts); `more` may be 0.
    pub fn task_restarted(&self, task: &Name, more: u64) {
        self.0.task_restarts.get_or_create(&[("task", task.to_string())]).inc_by(more);
    }

    /// From the request to the response, successful or not.
    pub fn fetch_seconds(&self) -> &Histogram {
        &self.0.fetch_seconds
    }

    /// From the call to the completed sync.
    pub fn commit_seconds(&self) -> &Histogram {
        &self.0.commit_seconds
    }

    /// relays.toml was read and is valid, at the start or at a reload.
    pub fn config_loaded(&self, at: Timestamp) {
        self.0.config_successful.set(1);
        self.0.config_success_time.set(unix_seconds(at));
    }

    /// relays.toml was read again and rejected; the previous one stays active.
    pub fn config_rejected(&self) {
        self.0.config_successful.set(0);
    }

    /// Everything, in Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        text::render(&self.0.registry)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl SinkMetrics {
    /// Counts a failed attempt by the reason of its fault. Failures are rare, so the label lookup does not matter.
    pub fn failed(&self, reason: &'static str) {
        let labels = [("sink", self.sink.to_string()), ("reason", reason.to_owned())];
        self.attempts_failed.get_or_create(&labels).inc();
    }
}

impl EndpointMetrics {
    /// Counts a request by its response status. Most are [`EndpointMetrics::accepted`].
    pub fn answered(&self, status: u16) {
        self.requests.get_or_create(&request_labels(&self.endpoint, status)).inc();
    }
}

fn request_labels(endpoint: &Name, status: u16) -> Labels<3> {
    [("listener", "listen".to_owned()), ("endpoint", endpoint.to_string()), ("code", status.to_string())]
}

/// What `*_timestamp_seconds` gauges hold.
pub fn unix_seconds(at: Timestamp) -> f64 {
    at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const FAMILIES: [&str; 24] = [
        "build_info",
        "commit_seconds",
        "config_last_reload_success_timestamp_seconds",
        "config_last_reload_successful",
        "dead_letters",
        "deliveries_total",
        "delivery_attempts_failed_total",
        "delivery_seconds",
        "http_requests_total",
        "events_matched_total",
        "events_received_total",
        "events_unmatched_total",
        "fetch_seconds",
        "fetch_total",
        "lane_wait_seconds",
        "queue_oldest_pending_seconds",
        "queue_pending",
        "relay_faults_total",
        "source_gap_events_total",
        "source_last_event_timestamp_seconds",
        "source_reconnects_total",
        "source_skipped_messages_total",
        "source_up",
        "task_restarts_total",
    ];

    fn with_one_of_each() -> Metrics {
        let metrics = Metrics::new();
        metrics.source(&"prod".into());
        metrics.sink(&"ops".into());
        metrics.relay(&"services".into());
        metrics.endpoint(&"registry".into());
        metrics.task_restarted(&"source prod".into(), 0);
        metrics
    }

    #[test]
    fn every_family_exists_once_with_help_and_a_sample_at_0() {
        let text = with_one_of_each().render();
        let expected: BTreeSet<_> = FAMILIES.iter().map(|name| format!("tidings_{name}")).collect();
        let named = |head: &str| -> Vec<String> {
            let lines = text.lines().filter_map(|line| line.strip_prefix(head));
            lines.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
        };
        for head in ["# HELP ", "# TYPE "] {
            assert_eq!(named(head).len(), expected.len(), "{text}");
            assert_eq!(named(head).into_iter().collect::<BTreeSet<_>>(), expected);
        }
        let mut seen = BTreeSet::new();
        for sample in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = sample.rsplit_once(' ').expect("a sample is a name and a value");
            assert!(seen.insert(series), "twice: {series}");
            let family = series.split('{').next().expect("a split has a first part");
            let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| family.strip_suffix(end));
            assert!(expected.contains(histogram.unwrap_or(family)), "no family for {series}");
            assert_eq!(value.parse() == Ok(0.0), family != "tidings_build_info", "{sample}");
        }
        for family in &expected {
            assert!(seen.iter().any(|series| series.starts_with(family.as_str())), "no sample of {family}");
        }
    }

    #[test]
    fn handles_of_one_name_count_together() {
        let metrics = with_one_of_each();
        metrics.sink(&"ops".into()).delivered.inc();
        metrics.sink(&"ops".into()).delivered.inc();
        metrics.sink(&"ops".into()).failed("status_500");
        metrics.sink(&"ops".into()).delivery_seconds.observe(0.2);
        metrics.source(&"prod".into()).fetch_hit.inc();
        metrics.config_loaded(Timestamp::from_second(1_700_000_000).expect("a time"));
        let text = metrics.render();
        for line in [
            r#"tidings_deliveries_total{sink="ops",outcome="delivered"} 2"#,
            r#"tidings_delivery_attempts_failed_total{sink="ops",reason="status_500"} 1"#,
            r#"tidings_delivery_seconds_count{sink="ops"} 1"#,
            r#"tidings_fetch_total{source="prod",outcome="hit"} 1"#,
            "tidings_config_last_reload_successful 1",
            "tidings_config_last_reload_success_timestamp_seconds 1700000000.0",
        ] {
            assert!(text.lines().any(|seen| seen == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn names_are_escaped_in_labels() {
        let metrics = Metrics::new();
        metrics.relay(&"a\"} 1\nb\\".into()).matched.inc();
        let text = metrics.render();
        assert!(text.contains(r#"tidings_events_matched_total{relay="a\"} 1\nb\\"} 1"#), "{text}");
    }
}
