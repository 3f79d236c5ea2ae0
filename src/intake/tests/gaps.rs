//! Events that are lost for good are reported: by the source that knows, or by the monitor of a connection that was down.

use serde_json::Value;

use super::*;

impl Harness {
    /// Starts a health monitor for the source, and gives the rest.
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends the monitor")]
    fn monitored(self, catches_up: bool) -> (Outbox, Metrics, Arc<Recent>) {
        let Self { out, status, reporter, metrics, recent, stop, _folder: folder, .. } = self;
        let (shown, _) = tokio::sync::watch::channel(SourceCondition::new(SourceState::Connecting));
        let config = SourceHealthConfig::default();
        let monitor = HealthMonitor {
            source: "shop".into(),
            config,
            catches_up,
            open: None,
            reporter,
            metrics: metrics.source(&"shop".into()),
            shown,
        };
        let _monitoring = tokio::spawn(async move {
            let _folder = folder;
            monitor.run(status, stop).await
        });
        (out, metrics, recent)
    }
}

fn gaps(recent: &Recent) -> Vec<Value> {
    let gaps = recent.list().into_iter().filter(|event| &*event.r#type == "source.gap");
    gaps.map(|event| event.data.value().as_ref().clone()).collect()
}

fn counted(metrics: &Metrics) -> u64 {
    metrics.source(&"shop".into()).gap_events.get()
}

#[tokio::test]
async fn a_gap_that_the_source_reports_is_an_event_and_counted() {
    let (out, metrics, recent) = Harness::new(Policy::default()).monitored(true);
    let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(60));
    out.gap(from, to, Some(12), "the other side forgot").await.expect("written down");
    out.gap(from, to, None, "unknown").await.expect("written down");
    let expected = json!({ "why": "the other side forgot", "from": "1970-01-01T00:00:00Z",
                       "to": "1970-01-01T00:01:00Z", "events": 12 });
    let reported = gaps(&recent);
    assert_eq!((reported.len(), &reported[1]), (2, &expected));
    assert_eq!(reported[0]["events"], Value::Null);
    assert_eq!(counted(&metrics), 12);
}

#[tokio::test]
async fn an_outage_is_a_gap_unless_the_source_catches_up() {
    for (catches_up, expected) in [(false, 1), (true, 0)] {
        let (out, _metrics, recent) = Harness::new(Policy::default()).monitored(catches_up);
        for _ in 0..2 {
            out.up();
            // A gap is committed only after the monitor has seen the link change.
            out.gap(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, None, "a sign").await.expect("written down");
            out.down(Fault::new("reset", "connection reset"));
            out.gap(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, None, "a sign").await.expect("written down");
        }
        let reported = gaps(&recent).into_iter().filter(|gap| gap["why"] != "a sign").count();
        assert_eq!(reported, expected, "{catches_up}");
    }
}
