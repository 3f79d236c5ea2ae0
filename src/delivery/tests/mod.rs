//! Whole lanes between a real store and a scripted receiver. In real time, because the store's threads know no other.

mod bundles;
mod destinations;
mod failures;
mod quiet;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use super::*;
use crate::backoff::Backoff;
use crate::config_reader::{ConfigReader, Item, Node, Rate, TableReader};
use crate::event::{Body, Event, EventId};
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

/// A receiver that keeps what it gets and answers by script, at its end with success.
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

/// Every reference exists and is named after itself.
#[derive(Debug)]
struct Echo;

impl Source for Echo {
    async fn run(&self, _out: &Outbox, _stop: &Stop) -> Result<(), Fault> {
        Ok(())
    }

    async fn look_up(&self, reference: &str) -> Result<Value, Fault> {
        Ok(json!({ "name": reference }))
    }
}

/// A store with one sink, `ops`, and the relays of a file.
struct Harness {
    store: Store,
    relays: Arc<Relays>,
    silences: Silences,
    sink: Arc<Scripted>,
    config: LaneConfig,
    rate_limit: Option<Arc<RateLimit>>,
    /// How many events were committed.
    committed: usize,
    arrivals: tokio::sync::mpsc::Receiver<Arrival>,
    outbox: Outbox,
    _folder: TempDir,
}

impl Harness {
    fn new(relays: &str, sink: Scripted) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("tidings.db"), Policy::default()).expect("it opens");
        let (arrivals_in, arrivals) = tokio::sync::mpsc::channel(64);
        let (outbox, _status) = Outbox::new("tidings".into(), "tidings".into(), arrivals_in);
        let retry = Backoff { first: Duration::from_millis(1), max: Duration::from_millis(5) };
        Self {
            store,
            relays: Arc::new(read(relays)),
            silences: Silences::default(),
            sink: Arc::new(sink),
            config: LaneConfig { retry, ..LaneConfig::default() },
            rate_limit: None,
            committed: 0,
            arrivals,
            outbox,
            _folder: folder,
        }
    }

    /// Limited to so many messages a second, one at a time.
    fn limited(self, times: u32) -> Self {
        let limit = RateLimit::new(Rate { times, per: Duration::from_secs(1) }, 1);
        Self { rate_limit: Some(Arc::new(limit)), ..self }
    }

    /// Events of these types, for the first relay; each has its number and the type's last word as its subject.
    async fn commit(&mut self, types: impl IntoIterator<Item = &str>) {
        let relay = self.relays.get(0).name.clone();
        let entry = |r#type: &str| {
            self.committed += 1;
            let event = Event {
                id: EventId::fresh(Timestamp::now()),
                source: "prod".into(),
                kind: "tutum".into(),
                r#type: r#type.into(),
                time: Timestamp::now(),
                subject: r#type.rsplit('.').next().unwrap_or_default().into(),
                data: Body::from_value(&json!({ "n": self.committed })),
            };
            let routes = vec![Route { relay: relay.clone(), sink: "ops".into() }];
            Entry { event: Arc::new(event), routes, cursor: None, incident: None }
        };
        let entries = types.into_iter().map(entry).collect();
        self.store.commit(entries).await.expect("committed");
    }

    /// Runs the sink's lane for as long as `story` takes.
    async fn run<T>(&self, story: impl Future<Output = T>) -> T {
        let sources = [("prod".into(), Arc::new(Echo), FetchConfig::default())];
        let preparation = RelayPreparation {
            relays: Arc::clone(&self.relays),
            fetcher: Arc::new(Fetcher::new(sources, &Metrics::new())),
            markup: self.sink.traits.markup,
            kind: "slack",
        };
        self.run_to(&self.sink, preparation, story).await
    }

    /// Runs a lane to any destination for as long as `story` takes.
    async fn run_to<D: Destination, P: Preparation, T>(
        &self,
        destination: &Arc<D>,
        preparation: P,
        story: impl Future<Output = T>,
    ) -> T {
        let stop = Stop::new();
        let lane = Lane {
            name: "ops".into(),
            kind: "slack",
            destination: Arc::clone(destination),
            config: self.config,
            rate_limit: self.rate_limit.clone(),
            preparation: Arc::new(preparation),
            silences: self.silences.clone(),
            store: self.store.clone(),
            outbox: self.outbox.clone(),
            metrics: Metrics::new().sink(&"ops".into()),
            state: watch::channel(LaneState::default()).0,
        };
        let mut supervisor = Supervisor::new(stop.clone());
        supervisor.run("lane", lane.run(stop.clone()));
        let result = story.await;
        stop.trigger();
        supervisor.drain(PATIENCE).await;
        self.store.flush().await.expect("written");
        result
    }

    /// How many deliveries are in each state, by name.
    async fn states(&self) -> Vec<(&'static str, usize)> {
        let rows = self.store.events(EventFilter { limit: 10_000, ..EventFilter::default() }).await.expect("readable");
        let mut states: Vec<(&'static str, usize)> = Vec::new();
        for row in rows.iter().flat_map(|row| &row.deliveries) {
            match states.iter_mut().find(|(name, _)| *name == row.state.name()) {
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
    let reader = ConfigReader::new(file, &|_| None);
    let tree = reader.tree();
    let mut relays = Vec::new();
    if let Node::Table(members) = &tree.node {
        for item in members.iter().filter(|(key, _)| key.value == "relay").flat_map(|(_, list)| items(list)) {
            relays.extend(Relay::read(&TableReader::new(&reader, "relay", item)));
        }
    }
    assert!(!reader.has_errors(), "{file}");
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
