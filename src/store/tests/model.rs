//! Random histories against a plain model in memory.

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
    NewLine(usize),
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
        1 => (0..SINKS.len()).prop_map(Step::NewLine),
    ]
}

#[derive(Debug, Clone, PartialEq)]
struct Known {
    event: usize,
    sink: usize,
    state: State,
    attempts: u32,
    tries: usize,
    why: Option<&'static str>,
    reply: Option<String>,
    taken: bool,
}

impl Known {
    /// The outcome `how` for this one, and what must come of it.
    fn settle(&mut self, how: u8) -> Outcome {
        let due = Timestamp::from_second(2_000_000_000).unwrap();
        let attempts = self.attempts + 1;
        // Not every attempt is answered.
        let reply = (attempts % 2 == 1).then(|| format!("answer {attempts}"));
        let outcome = match how {
            0 => Outcome::Delivered { receipt: None },
            1 => Outcome::Delivered { receipt: Some("ts".to_owned()) },
            2 => Outcome::Postponed { due, attempts, why: "503".to_owned(), reply },
            3 => Outcome::Dead { attempts, why: "400".to_owned(), reply },
            _ => Outcome::Suppressed { why: "muted".to_owned() },
        };
        self.expect(&outcome);
        outcome
    }

    /// What is settled stays as it is.
    fn expect(&mut self, outcome: &Outcome) {
        if self.state != State::Pending {
            return;
        }
        match outcome {
            Outcome::Delivered { .. } => (self.state, self.attempts) = (State::Delivered, self.attempts + 1),
            Outcome::Postponed { attempts, reply, .. } => self.failed(*attempts, "503", reply.as_ref()),
            Outcome::Dead { attempts, reply, .. } => {
                self.failed(*attempts, "400", reply.as_ref());
                self.state = State::Dead;
            }
            Outcome::Suppressed { .. } => (self.state, self.why) = (State::Suppressed, Some("muted")),
        }
    }

    fn failed(&mut self, attempts: u32, why: &'static str, reply: Option<&String>) {
        self.tries += usize::from(attempts > self.attempts);
        self.reply = reply.or(self.reply.as_ref()).cloned();
        (self.attempts, self.why) = (attempts, Some(why));
    }
}

struct World {
    path: std::path::PathBuf,
    store: Store,
    lines: Vec<DeliveryStream>,
    model: BTreeMap<i64, Known>,
    notes: BTreeMap<(usize, String), String>,
    next: i64,
    events: usize,
}

impl World {
    fn lines(store: &Store) -> Vec<DeliveryStream> {
        SINKS.iter().map(|sink| store.line(sink)).collect()
    }

    fn know(&mut self, event: usize, sink: usize) {
        let state = State::Pending;
        let known = Known { event, sink, state, attempts: 0, tries: 0, why: None, reply: None, taken: false };
        self.model.insert(self.next, known);
        self.next += 1;
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Commit(routes) => {
                let mut entries = Vec::new();
                for sinks in routes {
                    let names: Vec<_> = sinks.iter().map(|sink| SINKS[*sink]).collect();
                    entries.push(to(&names, event(self.events)));
                    for sink in sinks {
                        self.know(self.events, sink);
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
                let got = taken(&mut self.lines[sink], count).await;
                for (id, delivery) in expected.iter().zip(&got) {
                    let known = self.model.get_mut(id).unwrap();
                    assert_eq!((delivery.id.0, number(delivery)), (*id, known.event));
                    assert_eq!(delivery.attempts, known.attempts);
                    assert_eq!(delivery.due.is_some(), known.tries > 0);
                    known.taken = true;
                }
            }
            Step::Settle(which, how) => {
                let open: Vec<_> = self.model.iter().filter(|(_, known)| known.taken).map(|(id, _)| *id).collect();
                let Some(id) = open.get(which % open.len().max(1)).copied() else { return };
                let outcome = self.model.get_mut(&id).unwrap().settle(how);
                self.store.settle(DeliveryId(id), outcome).await.unwrap();
                self.store.flush().await.unwrap();
            }
            Step::SettleAll { sink, from, many, how, note: (name, value) } => {
                let open = self.model.iter().filter(|(_, known)| known.taken && known.sink == sink);
                let mut ids: Vec<_> = open.map(|(id, _)| *id).skip(from).take(many).collect();
                // In whatever order a lane has them, and one of them twice.
                ids.reverse();
                ids.extend(ids.first().copied());
                // One count of attempts for all, as a message that says them all has one.
                let all = ids.iter().filter_map(|id| self.model.get(id));
                let mut model = all.max_by_key(|known| known.attempts).cloned();
                let outcome = model.as_mut().map_or_else(delivered, |known| known.settle(how));
                let meant: std::collections::BTreeSet<_> = ids.iter().copied().collect();
                for id in meant {
                    self.model.get_mut(&id).unwrap().expect(&outcome);
                }
                let name = format!("thread:{name}");
                let value = value.map(|value| format!("ts {value}"));
                match value.clone() {
                    Some(value) => self.notes.insert((sink, name.clone()), value),
                    None => self.notes.remove(&(sink, name.clone())),
                };
                let note = Note { name, value, until: Timestamp::from_second(4_000_000_000).unwrap() };
                let ids = ids.into_iter().map(DeliveryId).collect();
                self.store.settle_all(ids, outcome, vec![(SINKS[sink].into(), note)]).await.unwrap();
                self.store.flush().await.unwrap();
            }
            Step::Replay(sink) => {
                let name = SINKS.get(sink).map(|name| (*name).to_owned());
                let replayed = self.store.replay(DeadFilter { sink: name, ..DeadFilter::default() }).await.unwrap();
                let meant = |known: &Known| known.state == State::Dead && (known.sink == sink || sink == SINKS.len());
                let dead: Vec<_> = self.model.iter().filter(|(_, known)| meant(known)).map(|(id, _)| *id).collect();
                assert_eq!(replayed, dead.len());
                for id in dead {
                    let known = self.model.get_mut(&id).unwrap();
                    known.state = State::Replayed;
                    let (event, sink) = (known.event, known.sink);
                    self.know(event, sink);
                }
            }
            Step::Drop => {
                let dropped =
                    self.store.drop_dead(DeadFilter { limit: Some(1), ..DeadFilter::default() }).await.unwrap();
                let first = self.model.values_mut().find(|known| known.state == State::Dead);
                assert_eq!(dropped, usize::from(first.is_some()));
                if let Some(known) = first {
                    known.state = State::Dropped;
                }
            }
            Step::Reopen => {
                self.store.close().await.unwrap();
                self.store = opened(&self.path);
                self.lines = Self::lines(&self.store);
                self.model.values_mut().for_each(|known| known.taken = false);
            }
            Step::NewLine(sink) => {
                self.lines[sink] = self.store.line(SINKS[sink]);
                let of_sink = self.model.values_mut().filter(|known| known.sink == sink);
                of_sink.for_each(|known| known.taken = false);
            }
        }
    }

    fn untaken(&self, sink: usize) -> Vec<i64> {
        let open = |known: &Known| known.sink == sink && known.state == State::Pending && !known.taken;
        self.model.iter().filter(|(_, known)| open(known)).map(|(id, _)| *id).collect()
    }

    async fn compare(&mut self) {
        let ask = EventFilter { limit: 10_000, ..EventFilter::default() };
        let mut stored = BTreeMap::new();
        for row in self.store.events(ask).await.unwrap() {
            for delivery in row.deliveries {
                let DeliveryRow { id, sink, state, attempts, tries, why, reply, .. } = delivery;
                assert!(tries.is_sorted());
                stored.insert(id.0, (sink.to_string(), state, attempts, tries.len(), why, reply));
            }
        }
        let expected = self.model.iter().map(|(id, known)| {
            let Known { state, attempts, tries, reply, .. } = known.clone();
            (*id, (SINKS[known.sink].to_owned(), state, attempts, tries, known.why.map(str::to_owned), reply))
        });
        assert_eq!(stored, expected.collect());
        for (sink, name) in SINKS.iter().enumerate() {
            let count = |state| {
                let of = self.model.values().filter(|known| known.sink == sink && known.state == state);
                of.count() as u64
            };
            assert_eq!(backlog(&self.store, name).await, (count(State::Pending), count(State::Dead)));
            let notes = self.store.notes(name).await.unwrap().into_iter();
            let notes: Vec<_> = notes.map(|note| (note.name, note.value.unwrap())).collect();
            let known = self.notes.iter().filter(|((of, _), _)| *of == sink);
            assert_eq!(notes, known.map(|((_, name), value)| (name.clone(), value.clone())).collect::<Vec<_>>());
            let rest = self.untaken(sink);
            let got: Vec<_> = taken(&mut self.lines[sink], rest.len()).await.iter().map(|one| one.id.0).collect();
            assert_eq!(got, rest);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_ends_as_the_model_says(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = folder();
            let path = file(&folder);
            let store = opened(&path);
            let lines = World::lines(&store);
            let (model, notes) = (BTreeMap::new(), BTreeMap::new());
            let mut world = World { path, store, lines, model, notes, next: 1, events: 0 };
            for step in steps {
                world.step(step).await;
            }
            world.compare().await;
        });
    }
}
