//! What is missing for good is told: by the source that knows, or by the watch over a line that was down.

use serde_json::Value;

use super::*;

impl World {
    /// Lets a watch follow the source, and gives what is left.
    #[expect(clippy::disallowed_methods, reason = "the test's runtime ends the watch")]
    fn watched(self, catches_up: bool) -> (Outbox, Metrics, Arc<Recent>) {
        let Self { out, status, reporter, metrics, recent, stop, _folder: folder, .. } = self;
        let (shown, _) = tokio::sync::watch::channel(Condition::new(State::Connecting));
        let habits = SourceHealthConfig::default();
        let watch = HealthMonitor {
            source: "shop".into(),
            habits,
            catches_up,
            open: None,
            reporter,
            metrics: metrics.source(&"shop".into()),
            shown,
        };
        let _watching = tokio::spawn(async move {
            let _folder = folder;
            watch.run(status, stop).await
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
async fn a_gap_that_the_source_tells_is_an_event_and_counted() {
    let (out, metrics, recent) = World::new(Policy::default()).watched(true);
    let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(60));
    out.gap(from, to, Some(12), "the other side forgot").await.expect("written down");
    out.gap(from, to, None, "nobody knows").await.expect("written down");
    let said = json!({ "why": "the other side forgot", "from": "1970-01-01T00:00:00Z",
                       "to": "1970-01-01T00:01:00Z", "events": 12 });
    let told = gaps(&recent);
    assert_eq!((told.len(), &told[1]), (2, &said));
    assert_eq!(told[0]["events"], Value::Null);
    assert_eq!(counted(&metrics), 12);
}

#[tokio::test]
async fn a_line_that_was_down_is_a_gap_unless_the_source_catches_up() {
    for (catches_up, expected) in [(false, 1), (true, 0)] {
        let (out, _metrics, recent) = World::new(Policy::default()).watched(catches_up);
        for _ in 0..2 {
            out.up();
            // Whoever tells a gap is heard only when the watch has seen the line.
            out.gap(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, None, "a sign").await.expect("written down");
            out.down(Fault::new("reset", "connection reset"));
            out.gap(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, None, "a sign").await.expect("written down");
        }
        let told = gaps(&recent).into_iter().filter(|gap| gap["why"] != "a sign").count();
        assert_eq!(told, expected, "{catches_up}");
    }
}
