//! What was said and what arrived, entry by entry.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use tidings::demo::standins::{Attempt, Log, Outcome, Tutum};

use super::AT_ONCE;
use crate::daemon::{Daemon, sqlite};

/// What keeps its order: containers are created, services fail and recover and wake somebody.
const CONTAINERS: usize = 50;
pub(super) const SERVICES: usize = 10;
pub(super) const SERVICE_EVERY: usize = 20;

/// What was said on the stream: the place is the event's number, the entry its key.
#[derive(Default)]
pub(super) struct Spanned(Vec<String>);

impl Spanned {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn say(&mut self, tutum: &Tutum, kind: &str, which: usize, action: &str) {
        let uri = format!("/api/v1/{kind}/{which}/");
        let n = self.0.len();
        tutum.stream.send(&json!({ "type": kind, "action": action, "resource_uri": uri, "n": n }));
        self.0.push(uri);
    }

    pub(super) fn say_many(&mut self, tutum: &Tutum, many: usize) {
        for n in self.0.len()..self.0.len() + many {
            let (service, turn) = (n / SERVICE_EVERY % SERVICES, n / SERVICE_EVERY / SERVICES);
            match n % SERVICE_EVERY {
                0 => self.say(tutum, "service", service, if turn % 2 == 0 { "fail" } else { "recover" }),
                _ => self.say(tutum, "container", n % CONTAINERS, "create"),
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

/// What a lane may have under way, or answered with the verdict not yet on disk, of what the state file calls pending:
/// after a kill these may come twice.
pub(super) fn add_doubtful(doubtful: &mut HashMap<String, usize>, daemon: &Daemon) {
    let question = "select sink, count(*) from delivery where state = 0 group by sink";
    for line in sqlite(&daemon.state_file(), question).lines() {
        let (sink, pending) = line.split_once('|').expect("two columns");
        let most = 2 * at_once(sink) - 1;
        *doubtful.entry(sink.to_owned()).or_default() += most.min(pending.parse().expect("a number"));
    }
}

/// What one sink took, by number and in order.
pub(super) struct Arrived {
    pub(super) sink: &'static str,
    pub(super) numbers: Vec<usize>,
    resets_after: usize,
}

impl Arrived {
    pub(super) fn new(sink: &'static str, numbers: Vec<usize>, attempts: &Log<Attempt>) -> Self {
        let is_taken = |attempt: &&Attempt| attempt.outcome == Outcome::Reset { taken: true };
        let resets_after = attempts.all().iter().filter(is_taken).count();
        Self { sink, numbers, resets_after }
    }

    /// `lapses` is how often it may have begun again from further back.
    pub(super) fn check(&self, said: &Spanned, due: &HashSet<usize>, doubtful: usize, lapses: usize, seed: u64) {
        let Self { sink, numbers, resets_after } = self;
        let mut there = HashSet::new();
        let first_times: Vec<_> = numbers.iter().copied().filter(|n| there.insert(*n)).collect();
        let twice = numbers.len() - first_times.len();
        let bound = doubtful + resets_after;
        println!("{sink}: {} due, {} arrived, {twice} came twice (at most {bound} may)", due.len(), there.len());
        let missing: Vec<_> = due.difference(&there).collect();
        assert!(missing.is_empty(), "{sink}: {} were accepted and never came, seed {seed}: {missing:?}", missing.len());
        assert!(twice <= bound, "{sink}: {twice} came twice, more than {bound}, seed {seed}");
        let mut latest: HashMap<&str, usize> = HashMap::new();
        for n in first_times {
            let before = latest.insert(&said.0[n], n);
            assert!(before.is_none_or(|before| before < n), "{sink}: {before:?} came before {n}, seed {seed}");
        }
        // One at a time: nothing overtakes, and what comes again comes at once.
        let back = numbers.windows(2).filter(|two| two[0] > two[1]).count();
        assert!(at_once(sink) > 1 || back <= lapses, "{sink}: out of order, {back} times, seed {seed}");
    }
}
