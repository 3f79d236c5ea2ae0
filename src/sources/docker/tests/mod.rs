//! The whole source against an Engine behind a real socket, so the clock is not paused.

mod config;
mod engine;
mod standstill;

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::join;
use tokio::sync::mpsc;

use super::*;
use crate::backoff::Backoff;
use crate::config_reader::{ConfigReader, TableReader};
use crate::event::{Event, Name};
use crate::outbox::{Arrival, Gap, LinkState, SourceStatus};
use crate::reconnect::REFUSED;
use crate::websocket::peer::soon;
use engine::{FakeEngine, START};

fn read(text: &str) -> (Option<Config>, Vec<String>) {
    let reading = ConfigReader::new(text, &|_| None);
    let tree = reading.tree();
    let table = TableReader::new(&reading, "source.docker", &tree);
    let config = Config::read(&table);
    table.finish();
    (config, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
}

fn docker(engine: &FakeEngine, rest: &str) -> Docker {
    let (config, problems) = read(&format!("url = \"unix://{}\"\n{rest}", engine.path().display()));
    assert_eq!(problems, Vec::<String>::new());
    let mut config = config.expect("a valid configuration");
    config.connection.reconnect.retry = Backoff { first: Duration::from_millis(1), max: Duration::from_millis(5) };
    config.connection.reconnect.refused = Duration::from_millis(5);
    Docker::open(config, &Outbound::new())
}

/// The intake's end of the outbox: events are committed when the test receives them.
struct Harness {
    out: Outbox,
    status: SourceStatus,
    arrivals: mpsc::Receiver<Arrival>,
}

enum Observed {
    Event(String),
    Gap(Gap),
}

impl Harness {
    fn new() -> Self {
        let (sender, arrivals) = mpsc::channel(8);
        let (out, status) = Outbox::new(Name::from("host"), Name::from("docker"), sender);
        Self { out, status, arrivals }
    }

    fn commit(arrival: Arrival) -> Vec<Event> {
        let Arrival { group, cursor, committed } = arrival;
        cursor.into_iter().for_each(crate::outbox::Cursor::moved);
        committed.expect("a put that waits").send(Ok(())).unwrap_or_default();
        Arrival { group, cursor: None, committed: None }.into_events()
    }

    /// The next events, as `type subject`, and gaps.
    async fn next(&mut self, count: usize) -> Vec<Observed> {
        let mut observed = Vec::new();
        while observed.len() < count {
            tokio::select! {
                arrival = soon(self.arrivals.recv()) => {
                    let events = Self::commit(arrival.expect("the source runs"));
                    observed.extend(events.iter().map(|event| Observed::Event(format!("{} {}", event.r#type, event.subject))));
                }
                gap = self.status.gaps.recv() => {
                    let mut gap = gap.expect("the source runs");
                    gap.committed.take().expect("a put that waits").send(Ok(())).expect("the put still waits");
                    observed.push(Observed::Gap(gap));
                }
            }
        }
        assert_eq!(observed.len(), count, "more than expected");
        observed
    }

    async fn events(&mut self, count: usize) -> Vec<String> {
        let observed = self.next(count).await.into_iter();
        observed
            .map(|observed| match observed {
                Observed::Event(event) => event,
                Observed::Gap(gap) => panic!("{gap:?}"),
            })
            .collect()
    }

    async fn gap(&mut self) -> Gap {
        match self.next(1).await.remove(0) {
            Observed::Gap(gap) => gap,
            Observed::Event(event) => panic!("{event}"),
        }
    }

    /// Commits groups without events until the link state is as wanted.
    async fn state(&mut self, wanted: impl Fn(&LinkState) -> bool) -> LinkState {
        loop {
            if wanted(&self.status.link.borrow_and_update()) {
                return self.status.link.borrow().clone();
            }
            tokio::select! {
                changed = soon(self.status.link.changed()) => changed.expect("the source runs"),
                Some(arrival) = self.arrivals.recv() => assert!(Self::commit(arrival).is_empty()),
            }
        }
    }

    async fn up(&mut self) {
        self.state(|line| *line == LinkState::Up).await;
    }

    async fn down(&mut self) -> Fault {
        match self.state(|line| matches!(line, LinkState::Down(_))).await {
            LinkState::Down(fault) => fault,
            line => panic!("{line:?}"),
        }
    }
}

/// Runs the source until `script` is done, then stops it.
async fn with(docker: &Docker, harness: &mut Harness, script: impl AsyncFnOnce(&mut Harness)) {
    let (stop, out) = (Stop::new(), harness.out.clone());
    let (ran, ()) = join!(
        Box::pin(docker.run(&out, &stop)),
        Box::pin(async {
            script(harness).await;
            stop.trigger();
        })
    );
    assert_eq!(ran, Ok(()));
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(START * 1000 + millis).expect("a time")
}

#[tokio::test]
async fn events_are_received_and_requested_with_the_filters() {
    let (engine, mut harness) = (FakeEngine::start(), Harness::new());
    engine.emit(-5000, "create", "before-the-start");
    let docker = docker(&engine, "filters = { type = \"container\", label = [\"env=prod\", \"a\"] }");
    with(&docker, &mut harness, async |harness| {
        harness.up().await;
        engine.emit(100, "start", "web");
        engine.emit(100, "exec_create: sh -c x", "web");
        let events = harness.events(2).await;
        assert_eq!(events, ["container.start web", "container.exec_create web"]);
    })
    .await;
    let requests = engine.requests();
    assert_eq!(requests.first().map(String::as_str), Some("/_ping"));
    let filters = "%7B%22label%22%3A%5B%22env%3Dprod%22%2C%22a%22%5D%2C%22type%22%3A%5B%22container%22%5D%7D";
    assert_eq!(requests[1], format!("/v1.44/events?since={START}.000000000&filters={filters}"));
}

#[tokio::test]
async fn after_a_kill_of_the_engine_no_event_is_lost_or_repeated() {
    let (mut engine, mut harness) = (FakeEngine::start(), Harness::new());
    let docker = docker(&engine, "");
    with(&docker, &mut harness, async |harness| {
        harness.up().await;
        engine.emit(100, "start", "a");
        engine.emit(100, "start", "b");
        assert_eq!(harness.events(2).await, ["container.start a", "container.start b"]);
        for round in 1..4 {
            engine.kill();
            harness.down().await;
            engine.emit(100 + round, "die", "a");
            engine.restart();
            assert_eq!(harness.events(1).await, ["container.die a"]);
            engine.emit(200 + round, "start", "a");
            assert_eq!(harness.events(1).await, ["container.start a"]);
        }
    })
    .await;
}

#[tokio::test]
async fn after_a_restart_of_the_daemon_reading_continues_at_the_cursor() {
    let (engine, mut harness) = (FakeEngine::start(), Harness::new());
    with(&docker(&engine, ""), &mut harness, async |harness| {
        harness.up().await;
        engine.emit(100, "start", "a");
        assert_eq!(harness.events(1).await, ["container.start a"]);
    })
    .await;
    let cursor = harness.out.cursor();
    engine.emit(150, "die", "a");
    let mut harness = Harness::new();
    harness.out.resume_at(cursor);
    with(&docker(&engine, ""), &mut harness, async |harness| {
        assert_eq!(harness.events(1).await, ["container.die a"]);
    })
    .await;
}

#[tokio::test]
async fn events_read_before_the_end_of_the_stream_are_committed_even_if_the_engine_forgets_them() {
    let (mut engine, mut harness) = (FakeEngine::start(), Harness::new());
    with(&docker(&engine, ""), &mut harness, async |harness| {
        harness.up().await;
        engine.emit(0, "start", "first");
        let first = soon(harness.arrivals.recv()).await.expect("an event");
        for number in 0..300 {
            engine.emit(100 + number, "start", "b");
        }
        engine.send("nonsense\n");
        let everything_is_read = async {
            while harness.status.skipped.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(everything_is_read).await;
        engine.kill();
        engine.restart();
        // Nothing may be lost in either order; here the stream ends before the commit.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(Harness::commit(first).len(), 1);
        assert_eq!(harness.events(300).await.len(), 300, "the Engine sends only 256 of them again");
        engine.emit(500, "start", "c");
        assert_eq!(harness.events(1).await, ["container.start c"]);
    })
    .await;
}

#[tokio::test]
async fn what_the_engine_no_longer_remembers_is_reported_as_a_gap() {
    let (mut engine, mut harness) = (FakeEngine::start(), Harness::new());
    with(&docker(&engine, ""), &mut harness, async |harness| {
        harness.up().await;
        engine.emit(100, "start", "a");
        harness.events(1).await;
        engine.kill();
        harness.down().await;
        for number in 0..300 {
            engine.emit(200 + number, "start", "b");
        }
        engine.restart();
        let gap = harness.gap().await;
        assert_eq!((gap.from, gap.to, gap.events), (at(100), at(244), None));
        assert_eq!(harness.events(256).await.len(), 256);
    })
    .await;
}

#[tokio::test]
async fn a_restarted_engine_causes_one_gap() {
    let (mut engine, mut harness) = (FakeEngine::start(), Harness::new());
    with(&docker(&engine, "ping = \"300ms\""), &mut harness, async |harness| {
        harness.up().await;
        engine.emit(100, "start", "a");
        harness.events(1).await;
        for is_reported in [true, false] {
            engine.kill();
            harness.down().await;
            engine.forget();
            engine.restart();
            if is_reported {
                let gap = harness.gap().await;
                assert!(gap.why.contains("it was restarted"), "{}", gap.why);
            }
            harness.up().await;
        }
        engine.emit(300, "start", "c");
        assert_eq!(harness.events(1).await, ["container.start c"]);
    })
    .await;
}

#[tokio::test]
async fn invalid_and_huge_input_affects_no_other_event() {
    let (engine, mut harness) = (FakeEngine::start(), Harness::new());
    with(&docker(&engine, "max_frame = \"64KiB\""), &mut harness, async |harness| {
        harness.up().await;
        for text in ["nonsense\n", "[1,2]\n", "{}\n", "{\"Action\":\n[}\n"] {
            engine.send(text);
        }
        engine.emit(100, "start", "a");
        assert_eq!(harness.events(1).await, ["container.start a"]);
        assert_eq!(harness.status.skipped.load(Ordering::Relaxed), 4);
        engine.send(&format!("{{\"Type\":\"container\",\"Action\":\"start\",\"x\":\"{}\"}}\n", "x".repeat(1 << 20)));
        let gap = harness.gap().await;
        assert_eq!((gap.from, gap.events), (at(100), Some(1)));
        engine.emit(200, "start", "b");
        assert_eq!(harness.events(1).await, ["container.start b"]);
    })
    .await;
}

#[tokio::test]
async fn a_dead_engine_is_detected_by_missing_pongs_and_a_silent_one_stays_up() {
    let (engine, mut harness) = (FakeEngine::start(), Harness::new());
    with(&docker(&engine, "ping = \"500ms\""), &mut harness, async |harness| {
        harness.up().await;
        let pings = || engine.requests().iter().filter(|path| *path == "/_ping").count();
        let three_pings = async {
            while pings() < 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(three_pings).await;
        assert_eq!(*harness.status.link.borrow(), LinkState::Up);
        engine.stop_answering_pings();
        assert_eq!(harness.down().await.reason(), "dead_peer");
    })
    .await;
}

#[tokio::test]
async fn refusals_and_missing_sockets_are_explained() {
    let (mut engine, mut harness) = (FakeEngine::start(), Harness::new());
    engine.refuse(Some(403));
    with(&docker(&engine, ""), &mut harness, async |harness| {
        let fault = harness.down().await;
        assert_eq!((fault.reason(), fault.to_string().as_str()), (REFUSED, "the Engine answers 403: not you"));
        engine.refuse(None);
        harness.up().await;
        engine.kill();
        let gone = harness.state(|line| matches!(line, LinkState::Down(fault) if fault.reason() == "no_socket")).await;
        assert!(format!("{gone:?}").contains("check that Docker is running"), "{gone:?}");
    })
    .await;
}

#[tokio::test]
async fn what_an_event_refers_to_can_be_inspected() {
    let engine = FakeEngine::start();
    let docker = docker(&engine, "");
    let found = soon(docker.look_up("container/web")).await.expect("found");
    assert_eq!(found["State"]["ExitCode"], 137);
    let missing = soon(docker.look_up("container/other")).await.expect_err("unknown");
    assert_eq!((missing.reason(), missing.to_string().as_str()), ("status", "404"));
    let before = engine.requests().len();
    assert_eq!(docker.look_up("container/../../secrets").await.expect_err("refused").reason(), "refused");
    assert_eq!(engine.requests().len(), before, "no request was sent");
}
