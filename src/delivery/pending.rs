//! The messages that a lane holds in memory, in order, and which of them may be sent next. Decides; sends nothing.

mod gathering;
mod payload;
#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::bundle::BundleKind;
use crate::event::Name;
use crate::store::DeliveryId;

pub(super) use payload::{Payload, PendingMessage};

/// What a lane may do at this moment.
#[derive(Debug)]
pub(super) enum NextAction<T> {
    Send(T),
    /// Nothing may be sent before this moment.
    WaitUntil(Instant),
    /// Nothing may be sent until something else happens.
    Wait,
}

#[derive(Debug)]
pub(super) struct Pending {
    /// In the order of [`PendingMessage::position`].
    messages: VecDeque<PendingMessage>,
    /// Keys of messages that are being sent right now.
    under_way: HashMap<u64, u32>,
    ordering: Ordering,
    limits: Limits,
    /// When each relay's latest digest was sent.
    last_digests: HashMap<Name, Instant>,
    /// Bundles that accept more members, and their positions; of two of the same kind the newer.
    open: HashMap<(Name, BundleKind), DeliveryId>,
    /// How many messages are open bundles.
    open_count: usize,
    /// How many messages are postponed.
    postponed: usize,
    /// Deliveries in bundles.
    members: usize,
}

/// In which order a lane's messages are sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ordering {
    /// With one post at a time, how long a failed message holds those behind it, for order.
    pub holds_for: Option<Duration>,
    /// Whether messages of one key keep their order; documents for an archive need no order.
    pub keeps_keys: bool,
    /// Whether a digest accepts what opens or closes an incident.
    pub sums_up_incidents: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Messages in memory; the rest of a backlog stays in the store.
    pub capacity: usize,
    /// More than this many pending from one relay become one message; 0: never.
    pub digest: usize,
}

/// Up to this many messages that are postponed, or stand behind a postponed one of their key, do not count against the
/// capacity: they must not block the others.
const MAX_UNCOUNTED: usize = 1000;

impl Pending {
    pub(super) fn new(ordering: Ordering, limits: Limits) -> Self {
        Self {
            messages: VecDeque::new(),
            under_way: HashMap::new(),
            ordering,
            limits,
            last_digests: HashMap::new(),
            open: HashMap::new(),
            open_count: 0,
            postponed: 0,
            members: 0,
        }
    }

    /// How many deliveries to read from the store beside `preparing` others, if it is worth a read.
    pub(super) fn room(&mut self, preparing: usize) -> Option<usize> {
        let taken = self.len() + preparing;
        let room = self.limits.capacity.saturating_sub(taken);
        ((taken == 0 || room >= self.limits.capacity / 4) && !self.is_heavy()).then_some(room)
    }

    /// The messages that count against the capacity: those that can be sent once it is their turn. Open bundles do not.
    pub(super) fn len(&self) -> usize {
        let closed = self.messages.len() - self.open_count;
        if self.postponed == 0 {
            return closed;
        }
        let postponed = self.messages.iter().filter(|message| message.not_before.is_some());
        let held: HashSet<u64> = postponed.flat_map(|message| message.keys.iter().copied()).collect();
        let uncounted = |message: &&PendingMessage| {
            message.not_before.is_some() || message.keys.iter().any(|key| held.contains(key))
        };
        let uncounted = self.messages.iter().filter(|message| !message.is_open()).filter(uncounted).count();
        closed - uncounted.min(MAX_UNCOUNTED)
    }

    pub(super) fn push(&mut self, message: PendingMessage) {
        self.count_in(&message);
        self.messages.push_back(message);
    }

    /// The first that may be sent now. It counts as under way until [`Pending::ended`].
    pub(super) fn next(&mut self, now: Instant) -> NextAction<PendingMessage> {
        let mut held_keys: HashSet<u64> = HashSet::new();
        let mut earliest: Option<Instant> = None;
        let mut sooner = |at: Instant| earliest = Some(earliest.map_or(at, |earliest| earliest.min(at)));
        let mut chosen = None;
        for (at, message) in self.messages.iter().enumerate() {
            if let Some(until) = message.gathers_until.filter(|until| *until > now) {
                // It blocks no other message.
                sooner(until);
                continue;
            }
            let held = self.ordering.keeps_keys
                && message.keys.iter().any(|key| held_keys.contains(key) || self.under_way.contains_key(key));
            match message.not_before.filter(|due| *due > now) {
                None if !held => {
                    chosen = Some(at);
                    break;
                }
                None => {}
                Some(due) => {
                    let held_until = self.holds_the_lane_until(message, now).filter(|until| *until > now);
                    sooner(held_until.map_or(due, |until| until.min(due)));
                    if held_until.is_some() {
                        break;
                    }
                }
            }
            held_keys.extend(&message.keys);
        }
        let Some(message) = chosen.and_then(|at| self.messages.remove(at)) else {
            return earliest.map_or(NextAction::Wait, NextAction::WaitUntil);
        };
        self.count_out(&message);
        for key in &message.keys {
            *self.under_way.entry(*key).or_default() += 1;
        }
        NextAction::Send(message)
    }

    /// The attempt is over, however it went.
    pub(super) fn ended(&mut self, message: &PendingMessage) {
        for key in &message.keys {
            if let Entry::Occupied(mut count) = self.under_way.entry(*key) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }

    /// Into its position in the order.
    pub(super) fn insert(&mut self, message: PendingMessage) {
        self.count_in(&message);
        let at = self.messages.partition_point(|other| other.position() < message.position());
        self.messages.insert(at, message);
    }

    /// Takes out those for which `is_expired` holds, in order.
    pub(super) fn take_expired(&mut self, is_expired: impl Fn(&PendingMessage) -> bool) -> Vec<PendingMessage> {
        let (out, kept): (Vec<_>, Vec<_>) = self.messages.drain(..).partition(is_expired);
        self.messages = kept.into();
        for message in &out {
            self.count_out(message);
        }
        out
    }

    fn count_in(&mut self, message: &PendingMessage) {
        self.open_count += usize::from(message.is_open());
        self.postponed += usize::from(message.not_before.is_some());
        if let Payload::Many(bundle) = &message.payload {
            self.members += bundle.len();
            if message.is_open() && !bundle.is_full() {
                self.open.insert((bundle.relay.clone(), bundle.kind.clone()), message.position());
            }
        }
    }

    fn count_out(&mut self, message: &PendingMessage) {
        self.open_count -= usize::from(message.is_open());
        self.postponed -= usize::from(message.not_before.is_some());
        if let Payload::Many(bundle) = &message.payload {
            self.members -= bundle.len();
            self.close(&bundle.relay, &bundle.kind, message.position());
        }
    }

    /// It accepts no more members.
    fn close(&mut self, relay: &Name, kind: &BundleKind, position: DeliveryId) {
        if let Entry::Occupied(open) = self.open.entry((relay.clone(), kind.clone()))
            && *open.get() == position
        {
            open.remove();
        }
    }

    /// When a message that fails alone lets those behind it pass.
    fn holds_the_lane_until(&self, message: &PendingMessage, now: Instant) -> Option<Instant> {
        self.ordering.holds_for.map(|limit| message.failing_since.unwrap_or(now) + limit)
    }
}
