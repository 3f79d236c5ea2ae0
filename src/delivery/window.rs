//! What a lane holds in memory, in order, and which of it may go next. Decides; does nothing.

mod cargo;
mod gathering;
#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::bundle::BundleKind;
use crate::event::Name;
use crate::store::DeliveryId;

pub(super) use cargo::{Cargo, Waiting};

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made and taken apart in one breath")]
pub(super) enum Next {
    Send(Waiting),
    /// Nothing may go before this moment.
    At(Instant),
    /// Nothing may go until something else happens.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Window {
    /// In the order of [`Waiting::place`].
    waiting: VecDeque<Waiting>,
    /// Keys of messages that are being sent right now.
    under_way: HashMap<u64, u32>,
    manner: Manner,
    /// Bundles that take in more, and where they stand; of two of one sort the newer.
    open: HashMap<(Name, BundleKind), DeliveryId>,
    /// Of what waits, how many are open bundles, or wait for a time of their own.
    open_ones: usize,
    parked: usize,
    /// Deliveries in bundles.
    members: usize,
}

/// How a lane's messages go one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// With one post at a time a failed message holds what is behind it for this long, for order.
    pub holds_for: Option<Duration>,
    /// Whether messages of one key keep their order; documents for an archive need none.
    pub ordered: bool,
    /// Whether a digest takes in what opens or closes an incident.
    pub sums_up_incidents: bool,
}

/// Messages that wait for a time of their own, or behind one of their key that does, take no room up to this many: they
/// must not keep the others out.
const ASIDE: usize = 1000;

impl Window {
    pub(super) fn new(manner: Manner) -> Self {
        let (waiting, under_way, open) = (VecDeque::new(), HashMap::new(), HashMap::new());
        Self { waiting, under_way, manner, open, open_ones: 0, parked: 0, members: 0 }
    }

    /// How much room is taken: by what could go, if it were its turn. An open bundle waits for nobody but its own.
    pub(super) fn len(&self) -> usize {
        let closed = self.waiting.len() - self.open_ones;
        if self.parked == 0 {
            return closed;
        }
        let parked = self.waiting.iter().filter(|waiting| waiting.not_before.is_some());
        let held: HashSet<u64> = parked.flat_map(|waiting| waiting.keys.iter()).collect();
        let aside =
            |waiting: &&Waiting| waiting.not_before.is_some() || waiting.keys.iter().any(|key| held.contains(&key));
        let aside = self.waiting.iter().filter(|waiting| !waiting.is_open()).filter(aside).count();
        closed - aside.min(ASIDE)
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        self.count_in(&waiting);
        self.waiting.push_back(waiting);
    }

    /// The first that may go now. It counts as under way until [`Window::ended`].
    pub(super) fn next(&mut self, now: Instant) -> Next {
        let mut held_keys = HashSet::new();
        let mut earliest: Option<Instant> = None;
        let mut sooner = |at: Instant| earliest = Some(earliest.map_or(at, |earliest| earliest.min(at)));
        let mut chosen = None;
        for (at, waiting) in self.waiting.iter().enumerate() {
            if let Some(until) = waiting.gathers_until.filter(|until| *until > now) {
                // It stands in nobody's way.
                sooner(until);
                continue;
            }
            let held = self.manner.ordered
                && waiting.keys.iter().any(|key| held_keys.contains(&key) || self.under_way.contains_key(&key));
            match waiting.not_before.filter(|due| *due > now) {
                None if !held => {
                    chosen = Some(at);
                    break;
                }
                None => {}
                Some(due) => {
                    let held_until = self.holds_the_lane_until(waiting, now).filter(|until| *until > now);
                    sooner(held_until.map_or(due, |until| until.min(due)));
                    if held_until.is_some() {
                        break;
                    }
                }
            }
            held_keys.extend(waiting.keys.iter());
        }
        let Some(waiting) = chosen.and_then(|at| self.waiting.remove(at)) else {
            return earliest.map_or(Next::Nothing, Next::At);
        };
        self.count_out(&waiting);
        for key in waiting.keys.iter() {
            *self.under_way.entry(key).or_default() += 1;
        }
        Next::Send(waiting)
    }

    /// The attempt is over, however it went.
    pub(super) fn ended(&mut self, waiting: &Waiting) {
        for key in waiting.keys.iter() {
            if let Some(count) = self.under_way.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.under_way.remove(&key);
                }
            }
        }
    }

    /// Back to its place in the order, to be tried again.
    pub(super) fn put_back(&mut self, waiting: Waiting) {
        self.count_in(&waiting);
        let at = self.waiting.partition_point(|other| other.place() < waiting.place());
        self.waiting.insert(at, waiting);
    }

    /// Takes out whatever `hopeless` says, in order.
    pub(super) fn take_out(&mut self, hopeless: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        let (out, kept): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(hopeless);
        self.waiting = kept.into();
        for waiting in &out {
            self.count_out(waiting);
        }
        out
    }

    fn count_in(&mut self, waiting: &Waiting) {
        self.open_ones += usize::from(waiting.is_open());
        self.parked += usize::from(waiting.not_before.is_some());
        if let Cargo::Many(bundle) = &waiting.cargo {
            self.members += bundle.len();
            if waiting.is_open() && !bundle.is_full() {
                self.open.insert((bundle.relay.clone(), bundle.kind.clone()), waiting.place());
            }
        }
    }

    fn count_out(&mut self, waiting: &Waiting) {
        self.open_ones -= usize::from(waiting.is_open());
        self.parked -= usize::from(waiting.not_before.is_some());
        if let Cargo::Many(bundle) = &waiting.cargo {
            self.members -= bundle.len();
            self.close(&bundle.relay, &bundle.kind, waiting.place());
        }
    }

    /// It takes in no more.
    fn close(&mut self, relay: &Name, kind: &BundleKind, place: DeliveryId) {
        if let Entry::Occupied(open) = self.open.entry((relay.clone(), kind.clone()))
            && *open.get() == place
        {
            open.remove();
        }
    }

    /// When a message that fails alone steps aside for those behind it.
    fn holds_the_lane_until(&self, waiting: &Waiting, now: Instant) -> Option<Instant> {
        self.manner.holds_for.map(|limit| waiting.failing_since.unwrap_or(now) + limit)
    }
}
