//! What a lane holds in memory, in order, and which of it may go next. Decides; does nothing.

mod cargo;
mod gathering;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

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
    waiting: VecDeque<Waiting>,
    /// Keys of messages that are being sent right now.
    under_way: HashMap<u64, u32>,
    /// With one post at a time a failed message holds what is behind it for this long, for order.
    holds_for: Option<Duration>,
    /// Whether messages of one key keep their order; documents for an archive need none.
    ordered: bool,
}

impl Window {
    pub(super) fn new(holds_for: Option<Duration>, ordered: bool) -> Self {
        Self { waiting: VecDeque::new(), under_way: HashMap::new(), holds_for, ordered }
    }

    /// How much room is taken. A bundle is one message, and while it gathers it waits for nobody but its own.
    pub(super) fn len(&self) -> usize {
        self.waiting.iter().filter(|waiting| !waiting.is_open()).count()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
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
            let held = self.ordered
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
        let at = self.waiting.partition_point(|other| other.place() < waiting.place());
        self.waiting.insert(at, waiting);
    }

    /// Takes out whatever `hopeless` says, in order.
    pub(super) fn take_out(&mut self, hopeless: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        let (out, kept) = self.waiting.drain(..).partition(hopeless);
        let out: VecDeque<_> = out;
        self.waiting = kept;
        out.into()
    }

    /// When a message that fails alone steps aside for those behind it.
    fn holds_the_lane_until(&self, waiting: &Waiting, now: Instant) -> Option<Instant> {
        self.holds_for.map(|limit| waiting.failing_since.unwrap_or(now) + limit)
    }
}
