//! Random histories against a plain model in memory. Of ids it assumes only that those of one sink rise.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const SINKS: [&str; 3] = ["ops", "room", "pager"];

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<Vec<usize>>),
    Take(usize, usize),
    Settle(usize, u8),
    /// Some of a sink's, with one verdict, and a note beside it.
    SettleAll {
        sink: usize,
        from: usize,
        many: usize,
        how: u8,
        note: (u8, Option<u8>),
    },
    Replay(usize),
    Drop,
    Reopen,
    NewStream(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let routes = prop::collection::vec(0..SINKS.len(), 0..4);
    prop_oneof![
        4 => prop::collection::vec(routes, 1..6).prop_map(Step::Commit),
        4 => (0..SINKS.len(), 1usize..5).prop_map(|(sink, max)| Step::Take(sink, max)),
        8 => (0usize..40, 0u8..5).prop_map(|(which, how)| Step::Settle(which, how)),
        4 => (0..SINKS.len(), 0usize..4, 0usize..8, 0u8..5, (0u8..3, prop::option::of(0u8..9))).prop_map(
            |(sink, from, many, how, note)| Step::SettleAll { sink, from, many, how, note }
        ),
        1 => (0..=SINKS.len()).prop_map(Step::Replay),
        1 => Just(Step::Drop),
        1 => Just(Step::Reopen),
        1 => (0..SINKS.len()).prop_map(Step::NewStream),
    ]
}

#[derive(Debug, Clone, PartialEq)]
struct Modelled {
    /// Modelled once it was taken.
    id: Option<DeliveryId>,
    event: usize,
    sink: usize,
    state: DeliveryState,
    attempts: u32,
    tries: usize,
    why: Option<&'static str>,
    reply: Option<String>,
    taken: bool,
}

impl Modelled {
    /// The outcome `how` for this one, applied to the model.
    fn settle(&mut self, how: u8) -> Outcome {
        let due = Timestamp::from_second(2_000_000_000).unwrap();
        let attempts = self.attempts + 1;
        // Not every attempt gets a reply.
        let reply = (attempts % 2 == 1).then(|| format!("answer {attempts}"));
        let outcome = match how {
            0 => Outcome::Delivered { receipt: None },
            1 => Outcome::Delivered { receipt: Some("ts".to_owned()) },
            2 => Outcome::Postponed { due, attempts, why: "503".to_owned(), reply },
            3 => Outcome::Dead { attempts, why: "400".to_owned(), reply },
            _ => Outcome::Suppressed { why: "muted".to_owned() },
        };
        self.apply(&outcome);
        outcome
    }

    /// What is settled does not change.
    fn apply(&mut self, outcome: &Outcome) {
        if self.state != DeliveryState::Pending {
            return;
        }
        match outcome {
            Outcome::Delivered { .. } => (self.state, self.attempts) = (DeliveryState::Delivered, self.attempts + 1),
            Outcome::Postponed { attempts, reply, .. } => self.failed(*attempts, "503", reply.as_ref()),
            Outcome::Dead { attempts, reply, .. } => {
                self.failed(*attempts, "400", reply.as_ref());
                self.state = DeliveryState::Dead;
            }
            Outcome::Suppressed { .. } => (self.state, self.why) = (DeliveryState::Suppressed, Some("muted")),
        }
    }

    fn failed(&mut self, attempts: u32, why: &'static str, reply: Option<&String>) {
        self.tries += usize::from(attempts > self.attempts);
        self.reply = reply.or(self.reply.as_ref()).cloned();
        (self.attempts, self.why) = (attempts, Some(why));
    }
}

/// The store under test, and what must be in it.
struct Tested<F> {
    fixture: F,
    store: Store,
    streams: Vec<DeliveryStream>,
    /// Deliveries in the order in which they were accepted.
    model: BTreeMap<usize, Modelled>,
    notes: BTreeMap<(usize, String), String>,
    events: usize,
}

impl<F: Fixture> Tested<F> {
    fn streams(store: &Store) -> Vec<DeliveryStream> {
        SINKS.iter().map(|sink| store.stream(sink)).collect()
    }

    fn add(&mut self, event: usize, sink: usize) {
        let (id, state) = (None, DeliveryState::Pending);
        let new = Modelled { id, event, sink, state, attempts: 0, tries: 0, why: None, reply: None, taken: false };
        self.model.insert(self.model.len(), new);
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Commit(routes) => {
                let mut entries = Vec::new();
                for sinks in routes {
                    let names: Vec<_> = sinks.iter().map(|sink| SINKS[*sink]).collect();
                    entries.push(to(&names, event(self.events)));
                    for sink in sinks {
                        self.add(self.events, sink);
                    }
                    self.events += 1;
                }
                self.store.commit(entries).await.unwrap();
            }
            Step::Take(sink, max) => {
                let expected = self.untaken(sink);
                if expected.is_empty() {
                    return;
                }
                let count = max.min(expected.len());
                let got = taken(&mut self.streams[sink], count).await;
                for (key, delivery) in expected.iter().zip(&got) {
                    let known = self.model.get_mut(key).unwrap();
                    assert_eq!(number(delivery), known.event);
                    assert_eq!(known.id.get_or_insert(delivery.id), &delivery.id);
                    assert_eq!(delivery.attempts, known.attempts);
                    assert_eq!(delivery.due.is_some(), known.tries > 0);
                    known.taken = true;
                }
            }
            Step::Settle(which, how) => {
                let open: Vec<_> = self.model.iter().filter(|(_, known)| known.taken).map(|(key, _)| *key).collect();
                let Some(key) = open.get(which % open.len().max(1)) else { return };
                let known = self.model.get_mut(key).unwrap();
                let outcome = known.settle(how);
                self.store.settle(known.id.unwrap(), outcome).await.unwrap();
                self.store.flush().await.unwrap();
            }
            Step::SettleAll { sink, from, many, how, note: (name, value) } => {
                let open = self.model.iter().filter(|(_, known)| known.taken && known.sink == sink);
                let mut keys: Vec<_> = open.map(|(key, _)| *key).skip(from).take(many).collect();
                // In any order, and one of them twice.
                keys.reverse();
                keys.extend(keys.first().copied());
                let ids = keys.iter().filter_map(|key| self.model[key].id).collect();
                // One count of attempts for all, because they share one message.
                let all = keys.iter().filter_map(|key| self.model.get(key));
                let mut model = all.max_by_key(|known| known.attempts).cloned();
                let outcome = model.as_mut().map_or_else(delivered, |known| known.settle(how));
                for key in keys.into_iter().collect::<std::collections::BTreeSet<_>>() {
                    self.model.get_mut(&key).unwrap().apply(&outcome);
                }
                let name = format!("thread:{name}");
                let value = value.map(|value| format!("ts {value}"));
                match value.clone() {
                    Some(value) => self.notes.insert((sink, name.clone()), value),
                    None => self.notes.remove(&(sink, name.clone())),
                };
                let note = Note { name, value, until: Timestamp::from_second(4_000_000_000).unwrap() };
                self.store.settle_all(ids, outcome, vec![(SINKS[sink].into(), note)]).await.unwrap();
                self.store.flush().await.unwrap();
            }
            Step::Replay(sink) => {
                let name = SINKS.get(sink).map(|name| (*name).to_owned());
                let replayed = self.store.replay(DeadFilter { sink: name, ..DeadFilter::default() }).await.unwrap();
                let selected = |known: &Modelled| {
                    known.state == DeliveryState::Dead && (known.sink == sink || sink == SINKS.len())
                };
                let dead: Vec<_> =
                    self.model.iter().filter(|(_, known)| selected(known)).map(|(key, _)| *key).collect();
                assert_eq!(replayed, dead.len());
                for key in dead {
                    let known = self.model.get_mut(&key).unwrap();
                    known.state = DeliveryState::Replayed;
                    let (event, sink) = (known.event, known.sink);
                    self.add(event, sink);
                }
            }
            Step::Drop => {
                let dropped =
                    self.store.drop_dead(DeadFilter { limit: Some(1), ..DeadFilter::default() }).await.unwrap();
                let first = self.model.values_mut().find(|known| known.state == DeliveryState::Dead);
                assert_eq!(dropped, usize::from(first.is_some()));
                if let Some(known) = first {
                    known.state = DeliveryState::Dropped;
                }
            }
            Step::Reopen => {
                self.store.close().await.unwrap();
                self.store = self.fixture.open();
                self.streams = Self::streams(&self.store);
                self.model.values_mut().for_each(|known| known.taken = false);
            }
            Step::NewStream(sink) => {
                self.streams[sink] = self.store.stream(SINKS[sink]);
                let of_sink = self.model.values_mut().filter(|known| known.sink == sink);
                of_sink.for_each(|known| known.taken = false);
            }
        }
    }

    fn untaken(&self, sink: usize) -> Vec<usize> {
        let open = |known: &Modelled| known.sink == sink && known.state == DeliveryState::Pending && !known.taken;
        self.model.iter().filter(|(_, known)| open(known)).map(|(key, _)| *key).collect()
    }

    async fn compare(&mut self) {
        let filter = EventFilter { limit: 10_000, ..EventFilter::default() };
        let mut stored: BTreeMap<String, BTreeMap<DeliveryId, _>> = BTreeMap::new();
        for row in self.store.events(filter).await.unwrap() {
            let event = row.event.data.value()["number"].as_u64();
            for delivery in row.deliveries {
                let DeliveryRow { id, sink, state, attempts, tries, why, reply, .. } = delivery;
                assert!(tries.is_sorted());
                let of_sink = stored.entry(sink.to_string()).or_default();
                assert!(of_sink.insert(id, (event, state, attempts, tries.len(), why, reply)).is_none());
            }
        }
        for (sink, name) in SINKS.iter().enumerate() {
            let of_sink = self.model.values().filter(|known| known.sink == sink);
            let expected: Vec<_> = of_sink
                .map(|known| {
                    let Modelled { state, attempts, tries, reply, .. } = known.clone();
                    (Some(known.event as u64), state, attempts, tries, known.why.map(str::to_owned), reply)
                })
                .collect();
            let stored = stored.remove(*name).unwrap_or_default();
            let ids: Vec<_> = stored.keys().copied().collect();
            assert_eq!(stored.into_values().collect::<Vec<_>>(), expected);
            let of_sink = self.model.values_mut().filter(|known| known.sink == sink);
            for (known, id) in of_sink.zip(ids) {
                assert_eq!(*known.id.get_or_insert(id), id);
            }
            let count = |state| {
                let of = self.model.values().filter(|known| known.sink == sink && known.state == state);
                of.count() as u64
            };
            assert_eq!(backlog(&self.store, name).await, (count(DeliveryState::Pending), count(DeliveryState::Dead)));
            let notes = self.store.notes(name).await.unwrap().into_iter();
            let notes: Vec<_> = notes.map(|note| (note.name, note.value.unwrap())).collect();
            let known = self.notes.iter().filter(|((of, _), _)| *of == sink);
            assert_eq!(notes, known.map(|((_, name), value)| (name.clone(), value.clone())).collect::<Vec<_>>());
            let rest: Vec<_> = self.untaken(sink).iter().filter_map(|key| self.model[key].id).collect();
            let got: Vec<_> = taken(&mut self.streams[sink], rest.len()).await.iter().map(|one| one.id).collect();
            assert_eq!(got, rest);
        }
        assert!(stored.is_empty());
    }
}

pub(super) async fn every_history_ends_as_the_model_predicts<F: Fixture>(_: F) {
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() };
    let histories = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        proptest!(config, |(steps in prop::collection::vec(step(), 1..60))| {
            runtime.block_on(async {
                let fixture = F::new();
                let store = fixture.open();
                let streams = Tested::<F>::streams(&store);
                let (model, notes) = (BTreeMap::new(), BTreeMap::new());
                let mut tested = Tested { fixture, store, streams, model, notes, events: 0 };
                for step in steps {
                    tested.step(step).await;
                }
                tested.compare().await;
            });
        });
    };
    tokio::task::block_in_place(histories);
}
