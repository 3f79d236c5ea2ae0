//! Events that are lost for good are reported: by the source that knows, or by the monitor of a connection that was down,
//! also in an earlier life.

use serde_json::Value;

use super::*;

/// One run of a source: in the next one only the store is the same.
struct Life {
    out: Outbox,
    stop: Stop,
    shown: tokio::sync::watch::Receiver<SourceCondition>,
    monitoring: JoinHandle<Result<(), Fault>>,
}

impl Harness {
    #[expect(clippy::disallowed_methods, reason = "the test ends the monitor, or its runtime does")]
    fn monitor(&self, status: SourceStatus, catches_up: bool, connects: bool) -> Life {
        let (shown, condition) = tokio::sync::watch::channel(SourceCondition::new(SourceState::Connecting));
        let monitor = HealthMonitor {
            source: "shop".into(),
            config: SourceHealthConfig::default(),
            catches_up,
            connects,
            open: None,
            reporter: self.reporter.clone(),
            metrics: self.metrics.source(&"shop".into()),
            store: self.store.clone(),
            shown,
        };
        let stop = Stop::new();
        let monitoring = tokio::spawn(monitor.run(status, stop.clone()));
        Life { out: self.out.clone(), stop, shown: condition, monitoring }
    }

    /// Starts a health monitor for the harness's own source.
    fn monitored(&mut self, catches_up: bool) -> Life {
        let (_, placeholder) = Outbox::new("shop".into(), "webhook".into(), mpsc::channel(1).0);
        let status = std::mem::replace(&mut self.status, placeholder);
        self.monitor(status, catches_up, true)
    }

    /// Another life of the source.
    fn life(&self, catches_up: bool) -> Life {
        let (out, status) = Outbox::new("shop".into(), "websocket".into(), mpsc::channel(1).0);
        Life { out, ..self.monitor(status, catches_up, true) }
    }

    fn types(&self) -> Vec<String> {
        self.recent.list().into_iter().rev().map(|event| event.r#type.to_string()).collect()
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let met = async {
            while !condition(self) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let types = || self.types();
        tokio::time::timeout(Duration::from_secs(15), met)
            .await
            .unwrap_or_else(|_| panic!("never {what}: {:?}", types()));
    }

    /// Until the store knows whether the source is up.
    async fn recorded(&self, up: bool) {
        let recorded = async {
            while self.store.up_until("shop").await.expect("readable").is_none_or(|now| now.ended.is_none() != up) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(15), recorded).await.expect("it is recorded");
    }
}

impl Life {
    async fn stop(self) {
        self.stop.trigger();
        self.monitoring.await.expect("no panic").expect("a planned end");
    }

    /// As by SIGKILL.
    fn kill(self) {
        self.monitoring.abort();
    }
}

fn lost() -> Fault {
    Fault::new("reset", "connection reset")
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
    let mut harness = Harness::new(Policy::default());
    let Life { out, .. } = harness.monitored(true);
    let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(60));
    out.gap(from, to, Some(12), "the other side forgot").await.expect("written down");
    out.gap(from, to, None, "unknown").await.expect("written down");
    let expected = json!({ "why": "the other side forgot", "from": "1970-01-01T00:00:00Z",
                       "to": "1970-01-01T00:01:00Z", "events": 12 });
    let reported = gaps(&harness.recent);
    assert_eq!((reported.len(), &reported[1]), (2, &expected));
    assert_eq!(reported[0]["events"], Value::Null);
    assert_eq!(counted(&harness.metrics), 12);
}

#[tokio::test]
async fn an_outage_is_a_gap_unless_the_source_catches_up() {
    for (catches_up, expected) in [(false, 1), (true, 0)] {
        let mut harness = Harness::new(Policy::default());
        let Life { out, .. } = harness.monitored(catches_up);
        for _ in 0..2 {
            out.up();
            // A gap is committed only after the monitor has seen the link change.
            out.gap(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, None, "a sign").await.expect("written down");
            out.down(lost());
            out.gap(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, None, "a sign").await.expect("written down");
        }
        let reported = gaps(&harness.recent).into_iter().filter(|gap| gap["why"] != "a sign").count();
        assert_eq!(reported, expected, "{catches_up}");
    }
}

#[tokio::test]
async fn a_monitor_that_was_busy_reports_every_loss() {
    let mut harness = Harness::new(Policy::default());
    let Life { out, .. } = harness.monitored(false);
    for _ in 0..5 {
        out.up();
        out.down(lost());
    }
    out.up();
    harness.until("five gaps", |harness| gaps(&harness.recent).len() == 5).await;
    assert_eq!(harness.metrics.source(&"shop".into()).reconnects.get(), 5);
}

#[tokio::test]
async fn connections_are_events_at_once_and_failed_attempts_are_none() {
    let harness = Harness::new(Policy::default());
    let life = harness.life(true);
    for _ in 0..3 {
        life.out.down(lost());
        life.out.up();
        life.out.up();
        life.out.down(lost());
    }
    let expected: Vec<_> = (0..3).flat_map(|_| ["source.connected", "source.disconnected"]).collect();
    harness.until("all", |harness| harness.types().len() == expected.len()).await;
    assert_eq!(harness.types(), expected);
    let last = harness.recent.list().remove(0);
    assert_eq!((&*last.subject, &last.data.value()["why"]), ("shop", &json!("connection reset")));

    let (out, status) = Outbox::new("posted".into(), "webhook".into(), mpsc::channel(1).0);
    harness.monitor(status, true, false);
    out.up();
    out.gap(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, None, "a sign").await.expect("written down");
    assert_eq!(harness.types().len(), expected.len() + 1, "a source that is posted to connects to nothing");
}

#[tokio::test]
async fn every_life_reports_what_was_missed_since_the_one_before() {
    let harness = Harness::new(Policy::default());
    let began = Timestamp::now();
    let first = harness.life(false);
    first.out.up();
    harness.recorded(true).await;
    assert_eq!(gaps(&harness.recent), [Value::Null; 0], "a new source has no gap");
    first.kill();

    // This one is not connected before it is killed too, and then its successor stops as planned.
    harness.life(false).kill();
    let third = harness.life(false);
    third.out.down(lost());
    third.stop().await;
    assert_eq!(gaps(&harness.recent), [Value::Null; 0]);
    let fourth = harness.life(false);
    fourth.out.up();
    harness.until("the kill's gap", |harness| gaps(&harness.recent).len() == 1).await;
    harness.recorded(true).await;
    let stopped = Timestamp::now();
    fourth.stop().await;
    let fifth = harness.life(false);
    fifth.out.up();
    harness.until("the stop's gap", |harness| gaps(&harness.recent).len() == 2).await;
    harness.recorded(true).await;
    let lost_at = Timestamp::now();
    fifth.out.down(lost());
    harness.recorded(false).await;
    fifth.kill();
    let sixth = harness.life(false);
    sixth.out.up();
    harness.until("the loss's gap", |harness| gaps(&harness.recent).len() == 3).await;

    let reported = gaps(&harness.recent);
    let time = |gap: &Value, name: &str| gap[name].as_str().expect("a time").parse::<Timestamp>().expect("a time");
    for (gap, why, not_before) in [
        (&reported[2], "the daemon was killed", began),
        // In this test all lives are one process.
        (&reported[1], "a reload restarted the source", stopped),
        (&reported[0], "the connection had been lost (connection reset)", lost_at),
    ] {
        assert!(gap["why"].as_str().expect("a text").contains(why), "{gap}");
        // The store keeps microseconds.
        assert!(time(gap, "from").as_microsecond() >= not_before.as_microsecond(), "{gap}");
        assert!(time(gap, "from") <= time(gap, "to"), "{gap}");
    }
    let other = Harness::new(Policy::default());
    for _ in 0..2 {
        let life = other.life(true);
        life.out.up();
        other.until("connected", |other| !other.types().is_empty()).await;
        life.stop().await;
    }
    assert_eq!(gaps(&other.recent), [Value::Null; 0], "it catches up");
}

#[tokio::test]
async fn events_show_until_when_a_killed_source_was_up() {
    let mut harness = Harness::new(Policy::default());
    let life = harness.monitored(false);
    life.out.up();
    harness.recorded(true).await;
    // Commits move the time only after a second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let sent = Timestamp::now();
    life.out.put(event("wanted", 1, 0), None).await.expect("taken");
    let up = harness.store.up_until("shop").await.expect("readable").expect("recorded");
    assert!(up.until.as_microsecond() >= sent.as_microsecond() && up.ended.is_none(), "{up:?}, {sent}");
    life.out.down(lost());
    harness.recorded(false).await;
    let down = harness.store.up_until("shop").await.expect("readable").expect("recorded");
    life.out.put(event("wanted", 2, 0), None).await.expect("taken");
    let still = harness.store.up_until("shop").await.expect("readable").expect("recorded");
    assert_eq!(still, down, "what was read before the loss is no sign of life");
}

#[tokio::test]
async fn refused_deliveries_are_one_gap_for_some_minutes() {
    let harness = Harness::new(Policy::default());
    let life = harness.life(true);
    let out = life.out.clone();
    for n in 0..3 {
        out.refused(format!("1.2 MiB is more than `max_body`, {n}"));
    }
    harness.until("a gap", |harness| !gaps(&harness.recent).is_empty()).await;
    for _ in 0..2 {
        out.refused("another");
    }
    out.gap(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, None, "a sign").await.expect("written down");
    assert_eq!(gaps(&harness.recent).len(), 2, "not so soon again");
    // What is not reported yet is reported before the end.
    life.stop().await;
    let reported = gaps(&harness.recent);
    let counts: Vec<_> = reported.iter().rev().map(|gap| gap["events"].clone()).collect();
    assert_eq!(counts, [json!(3), Value::Null, json!(2)]);
    assert!(reported[2]["why"].as_str().expect("a text").ends_with("more than `max_body`, 2"), "{reported:?}");
    assert_eq!(counted(&harness.metrics), 5);
}

#[tokio::test]
async fn a_stream_that_the_disk_refuses_is_held() {
    let mut harness = Harness::new(small_disk());
    let mut life = harness.monitored(false);
    life.out.up();
    let out = life.out.clone();
    let offering = async {
        for n in 0.. {
            out.offer(event("wanted", n, TOO_MUCH)).await.expect("room in the intake");
        }
    };
    let held = tokio::time::timeout(
        Duration::from_secs(30),
        life.shown.wait_for(|condition| condition.state == SourceState::Held),
    );
    tokio::select! {
        () = offering => unreachable!("the disk is small"),
        held = held => assert!(held.expect("in time").expect("it is shown").why.is_some()),
    }
}
