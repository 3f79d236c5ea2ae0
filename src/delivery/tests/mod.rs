//! Whole lanes between a real queue and a scripted receiver. Real time, for the queue's threads know no other.

mod bundles;
mod memory;
mod trouble;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::config_reader::{ConfigReader, Item, Node};
use crate::event::{Body, Event, EventId, Name};
use crate::fault::Fault;
use crate::message::{Message, Receipt, SendError};
use crate::metrics::Metrics;
use crate::outbox::{Arrival, Outbox};
use crate::relay::{Relay, Relays, Silences};
use crate::sinks::{Audience, Sink, SinkTraits};
use crate::sources::Source;
use crate::stop::Stop;
use crate::store::{Entry, EventFilter, Policy, Route, Store};
use crate::supervisor::Supervisor;

/// Generous: only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A receiver that keeps what it gets, and answers by script, or well.
#[derive(Debug)]
struct Scripted {
    traits: SinkTraits,
    got: watch::Sender<Vec<Message>>,
    /// How many messages came with each request.
    requests: Mutex<Vec<usize>>,
    answers: Mutex<VecDeque<Result<Receipt, SendError>>>,
}

impl Scripted {
    fn new(traits: SinkTraits) -> Self {
        Self { traits, got: watch::channel(Vec::new()).0, requests: Mutex::default(), answers: Mutex::default() }
    }

    fn chat() -> Self {
        Self::new(SinkTraits { audience: Audience::Chat, ..SinkTraits::plain("here".to_owned()) })
    }

    fn will_answer(self, answers: impl IntoIterator<Item = Result<Receipt, SendError>>) -> Self {
        self.answers.lock().expect("unpoisoned").extend(answers);
        self
    }

    fn take(&self, message: &Message) -> Result<Receipt, SendError> {
        self.got.send_modify(|got| got.push(message.clone()));
        self.answers.lock().expect("unpoisoned").pop_front().unwrap_or_else(|| Ok(Receipt::default()))
    }

    async fn wait_for(&self, many: usize) -> Vec<Message> {
        let mut seen = self.got.subscribe();
        let enough = tokio::time::timeout(PATIENCE, seen.wait_for(|got| got.len() >= many)).await;
        enough.unwrap_or_else(|_| panic!("only {:?}", self.texts())).expect("the sender is here").clone()
    }

    fn texts(&self) -> Vec<String> {
        self.got.borrow().iter().map(|message| message.text.clone()).collect()
    }
}

impl Sink for Scripted {
    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        self.requests.lock().expect("unpoisoned").push(1);
        self.take(message)
    }

    async fn send_all(&self, messages: &[&Message]) -> Vec<Result<Receipt, SendError>> {
        self.requests.lock().expect("unpoisoned").push(messages.len());
        messages.iter().map(|message| self.take(message)).collect()
    }

    fn traits(&self) -> SinkTraits {
        self.traits.clone()
    }
}

#[derive(Debug)]
struct Nowhere;

impl Source for Nowhere {
    async fn run(&self, _out: &Outbox, _stop: &Stop) -> Result<(), Fault> {
        Ok(())
    }

    async fn look_up(&self, reference: &str) -> Result<Value, Fault> {
        Ok(json!({ "name": reference }))
    }
}

/// A queue with one sink, `ops`, and the relays of a file.
struct Stage {
    store: Store,
    relays: Arc<Relays>,
    silences: Silences,
    sink: Arc<Scripted>,
    habits: LaneConfig,
    pace: Option<Arc<RateLimit>>,
    said: usize,
    told: tokio::sync::mpsc::Receiver<Arrival>,
    ours: Outbox,
    _folder: TempDir,
}

impl Stage {
    fn new(relays: &str, sink: Scripted) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("tidings.db"), Policy::default()).expect("it opens");
        let (arrivals, told) = tokio::sync::mpsc::channel(64);
        let (ours, _pulse) = Outbox::new("tidings".into(), "tidings".into(), arrivals);
        let retry = crate::backoff::Backoff { first: Duration::from_millis(1), max: Duration::from_millis(5) };
        Self {
            store,
            relays: Arc::new(read(relays)),
            silences: Silences::default(),
            sink: Arc::new(sink),
            habits: LaneConfig { retry, ..LaneConfig::default() },
            pace: None,
            said: 0,
            told,
            ours,
            _folder: folder,
        }
    }

    /// So many a second, one at a time.
    fn paced(self, times: u32) -> Self {
        let pace = RateLimit::new(crate::config_reader::Rate { times, per: Duration::from_secs(1) }, 1);
        Self { pace: Some(Arc::new(pace)), ..self }
    }

    /// Events of these types, for the first relay; each has its number and the type's last word as its subject.
    async fn say(&mut self, types: impl IntoIterator<Item = &str>) {
        let relay = self.relays.get(0).name.clone();
        let entry = |r#type: &str| {
            self.said += 1;
            let event = Event {
                id: EventId::fresh(Timestamp::now()),
                source: "prod".into(),
                kind: "tutum".into(),
                r#type: r#type.into(),
                time: Timestamp::now(),
                subject: r#type.rsplit('.').next().unwrap_or_default().into(),
                data: Body::from_value(&json!({ "n": self.said })),
            };
            let routes = vec![Route { relay: relay.clone(), sink: "ops".into() }];
            Entry { event: Arc::new(event), routes, cursor: None, incident: None }
        };
        let entries = types.into_iter().map(entry).collect();
        self.store.commit(entries).await.expect("committed");
    }

    /// A life of the lane, for as long as `story` takes.
    async fn live<T>(&self, story: impl Future<Output = T>) -> T {
        let (stop, metrics) = (Stop::new(), Metrics::new());
        let lane = Lane {
            name: "ops".into(),
            kind: "slack",
            sink: Arc::clone(&self.sink),
            habits: self.habits,
            pace: self.pace.clone(),
            relays: Arc::clone(&self.relays),
            silences: self.silences.clone(),
            fetcher: Arc::new(Fetcher::new(
                [(Name::from("prod"), Arc::new(Nowhere), FetchConfig::default())],
                &metrics,
            )),
            store: self.store.clone(),
            ours: self.ours.clone(),
            metrics: metrics.sink(&"ops".into()),
            state: watch::channel(LaneState::default()).0,
        };
        let mut house = Supervisor::new(stop.clone());
        house.run("lane", lane.run(stop.clone()));
        let told = story.await;
        stop.trigger();
        house.drain(PATIENCE).await;
        self.store.flush().await.expect("written");
        told
    }

    /// How many deliveries are in each state, by its word.
    async fn states(&self) -> Vec<(&'static str, usize)> {
        let rows = self.store.events(EventFilter { limit: 10_000, ..EventFilter::default() }).await.expect("readable");
        let mut states: Vec<(&'static str, usize)> = Vec::new();
        for row in rows.iter().flat_map(|row| &row.deliveries) {
            match states.iter_mut().find(|(word, _)| *word == row.state.name()) {
                Some((_, count)) => *count += 1,
                None => states.push((row.state.name(), 1)),
            }
        }
        states.sort_unstable();
        states
    }

    /// Until nothing is pending.
    async fn settled(&self) {
        let all = async {
            while self.store.backlog().await.expect("readable").iter().any(|sink| sink.pending > 0) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.expect("everything is settled");
    }
}

fn read(file: &str) -> Relays {
    let reading = ConfigReader::new(file, &|_| None);
    let tree = reading.tree();
    let mut relays = Vec::new();
    if let Node::Table(members) = &tree.node {
        for item in members.iter().filter(|(key, _)| key.name == "relay").flat_map(|(_, list)| items(list)) {
            relays.extend(Relay::read(&crate::config_reader::TableReader::new(&reading, "relay", item)));
        }
    }
    assert!(!reading.has_errors(), "{file}");
    Relays::compile(relays)
}

fn items(list: &Item) -> &[Item] {
    match &list.node {
        Node::List(items) => items,
        _ => &[],
    }
}

const ALL: &str = r#"
[[relay]]
name = "all"
text = "{{ data.n }}"
"#;

fn later(reason: &'static str, maybe: bool) -> SendError {
    let lane = reason == "rate_limited";
    SendError::Later { wait: None, lane, maybe, cause: Fault::new(reason, reason).with_reply("the answer") }
}
