//! The whole source against an Engine behind a real socket, so no clock is frozen.

mod config;
mod engine;

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
use crate::websocket::peer::soon;
use engine::{BEGINNING, Engine as Fake};

fn read(text: &str) -> (Option<Config>, Vec<String>) {
    let reading = ConfigReader::new(text, &|_| None);
    let tree = reading.tree();
    let table = TableReader::new(&reading, "source.docker", &tree);
    let config = Config::read(&table);
    table.finish();
    (config, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
}

fn docker(engine: &Fake, rest: &str) -> Docker {
    let (config, problems) = read(&format!("url = \"unix://{}\"\n{rest}", engine.path().display()));
    assert_eq!(problems, Vec::<String>::new());
    let mut config = config.expect("right");
    config.habits.retry = Backoff { first: Duration::from_millis(1), max: Duration::from_millis(5) };
    config.habits.refused = Duration::from_millis(5);
    Docker::open(config, &Outbound::new())
}

/// The intake's end: what arrives is committed when the test takes it.
struct House {
    out: Outbox,
    status: SourceStatus,
    arrivals: mpsc::Receiver<Arrival>,
}

enum Heard {
    Event(String),
    Gap(Gap),
}

impl House {
    fn new() -> Self {
        let (sender, arrivals) = mpsc::channel(8);
        let (out, status) = Outbox::new(Name::from("host"), Name::from("docker"), sender);
        Self { out, status, arrivals }
    }

    fn commit(arrival: Arrival) -> Vec<Event> {
        let Arrival { group, cursor, committed } = arrival;
        cursor.into_iter().for_each(crate::outbox::Cursor::moved);
        committed.expect("somebody waits").send(Ok(())).unwrap_or_default();
        Arrival { group, cursor: None, committed: None }.into_events()
    }

    /// The next things that happen: events as `type subject`, holes as they are.
    async fn next(&mut self, count: usize) -> Vec<Heard> {
        let mut heard = Vec::new();
        while heard.len() < count {
            tokio::select! {
                arrival = soon(self.arrivals.recv()) => {
                    let events = Self::commit(arrival.expect("the source lives"));
                    heard.extend(events.iter().map(|event| Heard::Event(format!("{} {}", event.r#type, event.subject))));
                }
                gap = self.status.gaps.recv() => {
                    let mut gap = gap.expect("the source lives");
                    gap.told.take().expect("somebody waits").send(Ok(())).expect("still waiting");
                    heard.push(Heard::Gap(gap));
                }
            }
        }
        assert_eq!(heard.len(), count, "more than was expected");
        heard
    }

    async fn events(&mut self, count: usize) -> Vec<String> {
        let heard = self.next(count).await.into_iter();
        heard
            .map(|heard| match heard {
                Heard::Event(event) => event,
                Heard::Gap(gap) => panic!("{gap:?}"),
            })
            .collect()
    }

    async fn gap(&mut self) -> Gap {
        match self.next(1).await.remove(0) {
            Heard::Gap(gap) => gap,
            Heard::Event(event) => panic!("{event}"),
        }
    }

    /// Commits what arrives without events until the line is as wanted.
    async fn line(&mut self, wanted: impl Fn(&LinkState) -> bool) -> LinkState {
        loop {
            if wanted(&self.status.line.borrow_and_update()) {
                return self.status.line.borrow().clone();
            }
            tokio::select! {
                changed = soon(self.status.line.changed()) => changed.expect("the source lives"),
                Some(arrival) = self.arrivals.recv() => assert!(Self::commit(arrival).is_empty()),
            }
        }
    }

    async fn up(&mut self) {
        self.line(|line| *line == LinkState::Up).await;
    }

    async fn down(&mut self) -> Fault {
        match self.line(|line| matches!(line, LinkState::Down(_))).await {
            LinkState::Down(fault) => fault,
            line => panic!("{line:?}"),
        }
    }
}

/// Runs the source until `script` is done, then stops it, which must work.
async fn with(docker: &Docker, house: &mut House, script: impl AsyncFnOnce(&mut House)) {
    let (stop, out) = (Stop::new(), house.out.clone());
    let (ran, ()) = join!(
        Box::pin(docker.run(&out, &stop)),
        Box::pin(async {
            script(house).await;
            stop.trigger();
        })
    );
    assert_eq!(ran, Ok(()));
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(BEGINNING * 1000 + millis).expect("a time")
}

#[tokio::test]
async fn what_happens_is_heard_and_asked_for_with_the_filters() {
    let (engine, mut house) = (Fake::start(), House::new());
    engine.happens(-5000, "create", "before-our-time");
    let docker = docker(&engine, "filters = { type = \"container\", label = [\"env=prod\", \"a\"] }");
    with(&docker, &mut house, async |house| {
        house.up().await;
        engine.happens(100, "start", "web");
        engine.happens(100, "exec_create: sh -c x", "web");
        let heard = house.events(2).await;
        assert_eq!(heard, ["container.start web", "container.exec_create web"]);
    })
    .await;
    let asked = engine.asked();
    assert_eq!(asked.first().map(String::as_str), Some("/_ping"));
    let filters = "%7B%22label%22%3A%5B%22env%3Dprod%22%2C%22a%22%5D%2C%22type%22%3A%5B%22container%22%5D%7D";
    assert_eq!(asked[1], format!("/v1.44/events?since={BEGINNING}.000000000&filters={filters}"));
}

#[tokio::test]
async fn after_a_kill_of_the_engine_nothing_is_lost_and_nothing_is_told_twice() {
    let (mut engine, mut house) = (Fake::start(), House::new());
    let docker = docker(&engine, "");
    with(&docker, &mut house, async |house| {
        house.up().await;
        engine.happens(100, "start", "a");
        engine.happens(100, "start", "b");
        assert_eq!(house.events(2).await, ["container.start a", "container.start b"]);
        for round in 1..4 {
            engine.kill();
            house.down().await;
            engine.happens(100 + round, "die", "a");
            engine.restart();
            assert_eq!(house.events(1).await, ["container.die a"]);
            engine.happens(200 + round, "start", "a");
            assert_eq!(house.events(1).await, ["container.start a"]);
        }
    })
    .await;
}

#[tokio::test]
async fn another_life_of_the_daemon_goes_on_where_the_last_one_was() {
    let (engine, mut house) = (Fake::start(), House::new());
    with(&docker(&engine, ""), &mut house, async |house| {
        house.up().await;
        engine.happens(100, "start", "a");
        assert_eq!(house.events(1).await, ["container.start a"]);
    })
    .await;
    let place = house.out.cursor();
    engine.happens(150, "die", "a");
    let mut house = House::new();
    house.out.resume_at(place);
    with(&docker(&engine, ""), &mut house, async |house| {
        assert_eq!(house.events(1).await, ["container.die a"]);
    })
    .await;
}

#[tokio::test]
async fn what_could_not_be_written_down_comes_again() {
    let (engine, mut house) = (Fake::start(), House::new());
    with(&docker(&engine, ""), &mut house, async |house| {
        house.up().await;
        engine.happens(100, "start", "a");
        let refused = soon(house.arrivals.recv()).await.expect("an event");
        let full = Fault::new("disk", "the disk is full");
        refused.committed.expect("somebody waits").send(Err(full.clone())).expect("still waiting");
        assert_eq!(house.down().await, full);
        assert_eq!(house.events(1).await, ["container.start a"]);
    })
    .await;
}

#[tokio::test]
async fn what_was_heard_before_the_end_of_the_stream_is_written_down_though_the_engine_forgets_it() {
    let (mut engine, mut house) = (Fake::start(), House::new());
    with(&docker(&engine, ""), &mut house, async |house| {
        house.up().await;
        engine.happens(0, "start", "first");
        let under_way = soon(house.arrivals.recv()).await.expect("an event");
        for number in 0..300 {
            engine.happens(100 + number, "start", "b");
        }
        engine.says("nonsense\n");
        let all_is_read = async {
            while house.status.skipped.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(all_is_read).await;
        engine.kill();
        engine.restart();
        // Nothing may be lost in either order; this lets the end of the stream come before that of the commit.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(House::commit(under_way).len(), 1);
        assert_eq!(house.events(300).await.len(), 300, "the Engine says no more than 256 of them again");
        engine.happens(500, "start", "c");
        assert_eq!(house.events(1).await, ["container.start c"]);
    })
    .await;
}

#[tokio::test]
async fn what_waits_behind_what_could_not_be_written_down_comes_again_with_it() {
    let (engine, mut house) = (Fake::start(), House::new());
    with(&docker(&engine, ""), &mut house, async |house| {
        house.up().await;
        engine.happens(100, "start", "a");
        let refused = soon(house.arrivals.recv()).await.expect("an event");
        engine.happens(200, "start", "b");
        engine.says("nonsense\n");
        let all_is_read = async {
            while house.status.skipped.load(Ordering::Relaxed) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(all_is_read).await;
        let full = Fault::new("disk", "the disk is full");
        refused.committed.expect("somebody waits").send(Err(full)).expect("still waiting");
        assert_eq!(house.events(2).await, ["container.start a", "container.start b"]);
    })
    .await;
}

#[tokio::test]
async fn what_the_engine_no_longer_remembers_is_told_as_a_gap() {
    let (mut engine, mut house) = (Fake::start(), House::new());
    with(&docker(&engine, ""), &mut house, async |house| {
        house.up().await;
        engine.happens(100, "start", "a");
        house.events(1).await;
        engine.kill();
        house.down().await;
        for number in 0..300 {
            engine.happens(200 + number, "start", "b");
        }
        engine.restart();
        let gap = house.gap().await;
        assert_eq!((gap.from, gap.to, gap.events), (at(100), at(244), None));
        assert_eq!(house.events(256).await.len(), 256);
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_was_started_anew_has_forgotten_and_that_is_told_once() {
    let (mut engine, mut house) = (Fake::start(), House::new());
    with(&docker(&engine, "ping = \"300ms\""), &mut house, async |house| {
        house.up().await;
        engine.happens(100, "start", "a");
        house.events(1).await;
        for is_told in [true, false] {
            engine.kill();
            house.down().await;
            engine.forget();
            engine.restart();
            if is_told {
                let gap = house.gap().await;
                assert!(gap.why.contains("started anew"), "{}", gap.why);
            }
            house.up().await;
        }
        engine.happens(300, "start", "c");
        assert_eq!(house.events(1).await, ["container.start c"]);
    })
    .await;
}

#[tokio::test]
async fn rubbish_and_what_is_huge_cost_nothing_else() {
    let (engine, mut house) = (Fake::start(), House::new());
    with(&docker(&engine, "max_frame = \"64KiB\""), &mut house, async |house| {
        house.up().await;
        for text in ["nonsense\n", "[1,2]\n", "{}\n", "{\"Action\":\n[}\n"] {
            engine.says(text);
        }
        engine.happens(100, "start", "a");
        assert_eq!(house.events(1).await, ["container.start a"]);
        assert_eq!(house.status.skipped.load(Ordering::Relaxed), 4);
        engine.says(&format!("{{\"Type\":\"container\",\"Action\":\"start\",\"x\":\"{}\"}}\n", "x".repeat(1 << 20)));
        let gap = house.gap().await;
        assert_eq!((gap.from, gap.events), (at(100), Some(1)));
        engine.happens(200, "start", "b");
        assert_eq!(house.events(1).await, ["container.start b"]);
    })
    .await;
}

#[tokio::test]
async fn a_dead_engine_is_found_by_its_missing_pongs_and_a_silent_one_is_left_alone() {
    let (engine, mut house) = (Fake::start(), House::new());
    with(&docker(&engine, "ping = \"500ms\""), &mut house, async |house| {
        house.up().await;
        let pings = || engine.asked().iter().filter(|path| *path == "/_ping").count();
        let thrice = async {
            while pings() < 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(thrice).await;
        assert_eq!(*house.status.line.borrow(), LinkState::Up);
        engine.be_mute();
        assert_eq!(house.down().await.reason(), "dead_peer");
    })
    .await;
}

#[tokio::test]
async fn refusals_and_missing_sockets_are_said_in_plain_words() {
    let (mut engine, mut house) = (Fake::start(), House::new());
    engine.refuse(Some(403));
    with(&docker(&engine, ""), &mut house, async |house| {
        let fault = house.down().await;
        assert_eq!((fault.reason(), fault.to_string().as_str()), (REFUSED, "the Engine answers 403: not you"));
        engine.refuse(None);
        house.up().await;
        engine.kill();
        let gone = house.line(|line| matches!(line, LinkState::Down(fault) if fault.reason() == "no_socket")).await;
        assert!(format!("{gone:?}").contains("is Docker running here"), "{gone:?}");
    })
    .await;
}

#[tokio::test]
async fn what_an_event_names_can_be_looked_at() {
    let engine = Fake::start();
    let docker = docker(&engine, "");
    let found = soon(docker.look_up("container/web")).await.expect("found");
    assert_eq!(found["State"]["ExitCode"], 137);
    let missing = soon(docker.look_up("container/other")).await.expect_err("unknown");
    assert_eq!((missing.reason(), missing.to_string().as_str()), ("status", "404"));
    let before = engine.asked().len();
    assert_eq!(docker.look_up("container/../../secrets").await.expect_err("refused").reason(), "refused");
    assert_eq!(engine.asked().len(), before, "nothing was asked for");
}
