//! What was sent and what arrived, event by event.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use tidings::demo::standins::{Attempt, AttemptOutcome, InjectedFault, Log, Tutum};

use super::AT_ONCE;
use crate::daemon::{Daemon, sqlite};

/// Deliveries with the same key keep their order: each container and each service has its key.
const CONTAINERS: usize = 50;
pub(super) const SERVICES: usize = 10;
pub(super) const SERVICE_EVERY: usize = 20;

/// The key of every event that was sent; the index is the event's number.
#[derive(Default)]
pub(super) struct SentEvents(Vec<String>);

impl SentEvents {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn send(&mut self, tutum: &Tutum, kind: &str, which: usize, action: &str) {
        let uri = format!("/api/v1/{kind}/{which}/");
        let n = self.0.len();
        tutum.stream.send(&json!({ "type": kind, "action": action, "resource_uri": uri, "n": n }));
        self.0.push(uri);
    }

    pub(super) fn send_many(&mut self, tutum: &Tutum, many: usize) {
        for n in self.0.len()..self.0.len() + many {
            let (service, turn) = (n / SERVICE_EVERY % SERVICES, n / SERVICE_EVERY / SERVICES);
            match n % SERVICE_EVERY {
                0 => self.send(tutum, "service", service, if turn % 2 == 0 { "fail" } else { "recover" }),
                _ => self.send(tutum, "container", n % CONTAINERS, "create"),
            }
        }
    }

    pub(super) fn is_page(&self, n: usize) -> bool {
        self.0[n].contains("service")
    }
}

fn at_once(sink: &str) -> usize {
    if matches!(sink, "ops" | "dev") { AT_ONCE } else { 1 }
}

/// Of the pending deliveries a lane may have been sending some, and others may have been answered without the verdict
/// on disk. After a kill these may arrive twice.
pub(super) fn add_doubtful(doubtful: &mut HashMap<String, usize>, daemon: &Daemon) {
    let query = "select sink, count(*) from delivery where state = 0 group by sink";
    for line in sqlite(&daemon.state_file(), query).lines() {
        let (sink, pending) = line.split_once('|').expect("two columns");
        let most = 2 * at_once(sink) - 1;
        *doubtful.entry(sink.to_owned()).or_default() += most.min(pending.parse().expect("a number"));
    }
}

/// The numbers that one sink received, in order.
pub(super) struct Arrived {
    pub(super) sink: &'static str,
    pub(super) numbers: Vec<usize>,
    resets_after: usize,
}

impl Arrived {
    pub(super) fn new(sink: &'static str, numbers: Vec<usize>, attempts: &Log<Attempt>) -> Self {
        let is_taken = |attempt: &&Attempt| attempt.outcome == AttemptOutcome::Failed(InjectedFault::ResetAfter);
        let resets_after = attempts.all().iter().filter(is_taken).count();
        Self { sink, numbers, resets_after }
    }

    /// `restarts` is how often it may have started again from further back.
    pub(super) fn check(&self, sent: &SentEvents, due: &HashSet<usize>, doubtful: usize, restarts: usize, seed: u64) {
        let Self { sink, numbers, resets_after } = self;
        let mut arrived = HashSet::new();
        let first_times: Vec<_> = numbers.iter().copied().filter(|n| arrived.insert(*n)).collect();
        let twice = numbers.len() - first_times.len();
        let bound = doubtful + resets_after;
        println!("{sink}: {} due, {} arrived, {twice} twice (at most {bound} may be)", due.len(), arrived.len());
        let missing: Vec<_> = due.difference(&arrived).collect();
        assert!(
            missing.is_empty(),
            "{sink}: {} were accepted and did not arrive, seed {seed}: {missing:?}",
            missing.len()
        );
        assert!(twice <= bound, "{sink}: {twice} arrived twice, more than {bound}, seed {seed}");
        let mut latest: HashMap<&str, usize> = HashMap::new();
        for n in first_times {
            let before = latest.insert(&sent.0[n], n);
            assert!(before.is_none_or(|before| before < n), "{sink}: {before:?} arrived before {n}, seed {seed}");
        }
        // One at a time: nothing overtakes, and a repetition follows at once.
        let back = numbers.windows(2).filter(|two| two[0] > two[1]).count();
        assert!(at_once(sink) > 1 || back <= restarts, "{sink}: out of order, {back} times, seed {seed}");
    }
}
