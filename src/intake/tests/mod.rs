//! Groups and cursors, from the outbox to the state file. Real files and threads, no frozen clock.

mod gaps;
mod webhook;

use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::config_reader::{ConfigReader, Node, TableReader};
use crate::event::{Body, EventId};
use crate::outbox::{INTAKE, Outbox, SourceStatus};
use crate::relay::{Relay, with_compiler_stack};
use crate::store::{DeliveryStream, Policy};

struct Harness {
    out: Outbox,
    store: Store,
    stop: Stop,
    intake: JoinHandle<Result<(), Fault>>,
    status: SourceStatus,
    reporter: SelfReporter,
    metrics: Metrics,
    recent: Arc<Recent>,
    _folder: TempDir,
}

/// Takes `wanted`, and nothing else, to the sink `ops`.
fn relays() -> Relays {
    with_compiler_stack(|| {
        let text = "[relay]\nname = \"all\"\nmatch = { type = \"wanted\" }\ntext = \"x\"\nto = \"ops\"";
        let reading = ConfigReader::new(text, &|_| None);
        let tree = reading.tree();
        let Node::Table(members) = &tree.node else { panic!("a file is a table") };
        let mut relay = Relay::read(&TableReader::new(&reading, "relay", &members[0].1)).expect("a relay");
        relay.sinks = vec!["ops".into()];
        Relays::compile(vec![relay])
    })
}

impl Harness {
    fn new(policy: Policy) -> Self {
        let (harness, run) = Self::not_started(policy);
        harness.started(run)
    }

    /// One whose intake takes nothing until it is [`started`](Harness::started).
    fn not_started(policy: Policy) -> (Self, Intake) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("tidings.db"), policy).expect("a state file");
        let (arrivals, other_end) = mpsc::channel(INTAKE);
        let (out, status) = Outbox::new("shop".into(), "webhook".into(), arrivals);
        let (reporter, self_events) = SelfReporter::new();
        let (metrics, recent) = (Metrics::new(), Arc::<Recent>::default());
        let intake = Intake::new(
            other_end,
            self_events,
            Arc::new(relays()),
            store.clone(),
            metrics.clone(),
            Arc::clone(&recent),
        );
        let (stop, placeholder) = (Stop::new(), idle());
        let harness =
            Self { out, store, stop, intake: placeholder, status, reporter, metrics, recent, _folder: folder };
        (harness, intake)
    }

    #[expect(clippy::disallowed_methods, reason = "the test owns the intake's task")]
    fn started(self, intake: Intake) -> Self {
        let intake = tokio::spawn(intake.run(self.stop.clone()));
        Self { intake, ..self }
    }

    async fn cursor(&self) -> Option<String> {
        self.store.cursor("shop").await.expect("a readable state file")
    }

    /// The numbers of all committed events, in order.
    async fn committed(&self, line: &mut DeliveryStream) -> Vec<u64> {
        let mut numbers = Vec::new();
        let pending = self.store.backlog().await.expect("counts").first().map_or(0, |ops| ops.pending);
        while numbers.len() < usize::try_from(pending).expect("few") {
            let more = line.take(1000).await.expect("an open queue");
            numbers.extend(more.iter().map(|delivery| delivery.event.data.value()["n"].as_u64().expect("a number")));
        }
        numbers
    }
}

#[expect(clippy::disallowed_methods, reason = "it ends at once")]
fn idle() -> JoinHandle<Result<(), Fault>> {
    tokio::spawn(async { Ok(()) })
}

fn event(r#type: &str, n: u64, size: usize) -> Event {
    Event {
        id: EventId::fresh(Timestamp::now()),
        source: "shop".into(),
        kind: "webhook".into(),
        r#type: r#type.into(),
        time: Timestamp::now(),
        subject: "".into(),
        data: Body::from_value(&json!({ "n": n, "filler": "x".repeat(size) })),
    }
}

fn wanted(numbers: std::ops::Range<u64>, size: usize) -> Vec<Event> {
    numbers.map(|n| event("wanted", n, size)).collect()
}

fn small_disk() -> Policy {
    Policy { max_size: Some(200 * 4096), ..Policy::default() }
}

/// More than the small disk holds.
const TOO_MUCH: usize = 4000;

#[tokio::test]
async fn a_group_is_committed_whole_in_order_and_with_its_cursor() {
    let harness = Harness::new(Policy::default());
    let mut line = harness.store.stream("ops");
    assert_eq!(harness.out.cursor(), None);
    harness.out.put_all(wanted(0..1000, 0), Some("a".into())).await.expect("taken");
    assert_eq!((harness.out.cursor().as_deref(), harness.cursor().await.as_deref()), (Some("a"), Some("a")));
    assert_eq!(harness.committed(&mut line).await, (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cursor_moves_also_with_unwanted_events_and_without_any() {
    let harness = Harness::new(Policy::default());
    harness.out.put(event("unwanted", 0, 0), Some("a".into())).await.expect("taken");
    assert_eq!(harness.cursor().await.as_deref(), Some("a"));
    let mixed = vec![event("unwanted", 0, 0), event("wanted", 1, 0), event("unwanted", 2, 0)];
    harness.out.put_all(mixed, Some("b".into())).await.expect("taken");
    assert_eq!(harness.cursor().await.as_deref(), Some("b"));
    harness.out.put_all(vec![event("unwanted", 3, 0)], Some("c".into())).await.expect("taken");
    assert_eq!(harness.cursor().await.as_deref(), Some("c"));
    harness.out.put_all(Vec::new(), Some("d".into())).await.expect("taken");
    assert_eq!((harness.out.cursor().as_deref(), harness.cursor().await.as_deref()), (Some("d"), Some("d")));
    harness.out.put_all(Vec::new(), None).await.expect("nothing to do");
    harness.out.put(event("wanted", 4, 0), None).await.expect("taken");
    assert_eq!(harness.out.cursor().as_deref(), Some("d"), "what comes without a cursor moves none");
    assert_eq!(harness.committed(&mut harness.store.stream("ops")).await, [1, 4]);
}

#[tokio::test]
async fn a_refused_group_is_refused_whole_and_nothing_overtakes_it_with_its_cursor() {
    let harness = Harness::new(small_disk());
    harness.out.put_all(wanted(0..10, 0), Some("a".into())).await.expect("taken");
    let other = harness.out.clone();
    let (large, behind, bare) = tokio::join!(
        harness.out.put_all(wanted(10..500, TOO_MUCH), Some("b".into())),
        other.put_all(wanted(500..501, 0), Some("c".into())),
        other.put(event("wanted", 501, 0), None),
    );
    assert_eq!(large.expect_err("it does not fit").reason(), "state_file");
    assert_eq!(behind.expect_err("it would move the cursor past the refused group").reason(), "state_file");
    assert_eq!((harness.out.cursor().as_deref(), harness.cursor().await.as_deref()), (Some("a"), Some("a")));
    // A source that goes on from the cursor is accepted again as soon as there is room.
    while harness.out.put_all(wanted(10..20, 0), Some("b".into())).await.is_err() {}
    assert_eq!((harness.out.cursor().as_deref(), harness.cursor().await.as_deref()), (Some("b"), Some("b")));
    let mut committed = harness.committed(&mut harness.store.stream("ops")).await;
    committed.retain(|n| *n != 501);
    assert_eq!(committed, (0..20).collect::<Vec<_>>());
    drop(bare);
}

#[tokio::test]
async fn events_of_a_stream_that_the_disk_refused_wait_in_front_in_order() {
    let harness = Harness::new(small_disk());
    for n in 0..400 {
        harness.out.offer(event("wanted", n, TOO_MUCH)).await.expect("room in the intake");
    }
    let mut line = harness.store.stream("ops");
    let refusing = async {
        while !matches!(harness.store.health(), crate::store::Health::Refusing(_)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refusing).await.expect("the disk is small");
    let committed = harness.committed(&mut line).await;
    assert_eq!(committed, (0..committed.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_put_whose_caller_is_gone_moves_the_cursor_all_the_same() {
    let (harness, intake) = Harness::not_started(Policy::default());
    let given_up =
        tokio::time::timeout(Duration::from_millis(1), harness.out.put_all(wanted(0..3, 0), Some("a".into())));
    given_up.await.expect_err("the intake is not started");
    let harness = harness.started(intake);
    harness.out.put_all(wanted(3..4, 0), None).await.expect("taken");
    assert_eq!((harness.out.cursor().as_deref(), harness.cursor().await.as_deref()), (Some("a"), Some("a")));
    harness.stop.trigger();
    harness.intake.await.expect("no panic").expect("a planned end");
}

#[tokio::test]
async fn a_put_with_a_timeout_is_refused_before_anything_was_taken() {
    let (harness, intake) = Harness::not_started(Policy::default());
    for n in 0..INTAKE {
        harness.out.offer(event("wanted", n as u64, 0)).await.expect("room in the intake");
    }
    let impatient = harness.out.with_timeout(Duration::from_millis(5));
    assert_eq!(impatient.put(event("wanted", 9999, 0), None).await.expect_err("full").reason(), "busy");
    let harness = harness.started(intake);
    impatient.put(event("wanted", INTAKE as u64, 0), None).await.expect("taken");
    let committed = harness.committed(&mut harness.store.stream("ops")).await;
    assert_eq!(committed, (0..=INTAKE as u64).collect::<Vec<_>>());
}
