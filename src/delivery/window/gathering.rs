//! How deliveries come together in one message: digests of a storm, groups, and what a throttle held back.

use tokio::time::Instant;

use super::Window;
use super::cargo::{Cargo, Keys, Waiting, key_of};
use crate::delivery::bundle::{Bundle, BundleKind};
use crate::event::Name;
use crate::message::Message;
use crate::store::{Delivery, Note};

/// More groups than this at a time do not wait for their time: the oldest goes.
const MOST_OPEN: usize = 1024;
/// Members in memory, all bundles together. What is beyond stays in the queue.
const MOST_MEMBERS: usize = 50_000;

impl Window {
    /// Whether bundles have taken in as much as memory is to hold. Then the oldest does not wait for its time.
    pub(in crate::delivery) fn is_heavy(&mut self) -> bool {
        let heavy = self.members >= MOST_MEMBERS || self.open_ones > MOST_OPEN;
        if heavy && let Some(oldest) = self.waiting.iter_mut().find(|waiting| waiting.is_open()) {
            oldest.gathers_until = None;
        }
        heavy
    }

    /// Whether the relay's deliveries are to join a digest.
    pub(in crate::delivery) fn storms(&self, relay: &Name) -> bool {
        !self.open.is_empty() && self.open.contains_key(&(relay.clone(), BundleKind::Digest))
    }

    /// Into the open bundle for this, which begins if there is none; it goes at `until` or later.
    pub(in crate::delivery) fn gather(
        &mut self,
        kind: BundleKind,
        until: Instant,
        delivery: &Delivery,
        message: &Message,
        notes: Vec<Note>,
    ) {
        if let Some(at) = self.find(&delivery.relay, &kind) {
            return self.add(at, delivery, message, notes);
        }
        let mut bundle = Waiting::bundle(Bundle::new(kind, delivery.relay.clone()), until);
        bundle.add(delivery, message, notes);
        self.push(bundle);
    }

    /// Into the relay's open digest. Gives it back where it must go by itself.
    pub(in crate::delivery) fn join_storm(
        &mut self,
        delivery: Delivery,
        message: Box<Message>,
        notes: Vec<Note>,
    ) -> Option<Waiting> {
        match self.find(&delivery.relay, &BundleKind::Digest) {
            Some(at) if self.may_join(at, &message) => {
                self.add(at, &delivery, &message, notes);
                None
            }
            _ => Some(Waiting::one(delivery, message, notes)),
        }
    }

    /// Relays of which more than `most` wait get a digest, which goes at `until` or later; in a window that is full, `room`
    /// messages, whoever fills it most: many relays may do so together, none of them alone.
    pub(in crate::delivery) fn sum_up(&mut self, most: usize, room: usize, until: impl Fn(&Name) -> Instant) {
        let mut before = usize::MAX;
        while let Some((relay, waiting)) = self.fullest_relay() {
            let is_full = self.len() >= room && waiting > 1;
            // What may not be summed up stays; then there is nothing more to gain.
            if waiting >= before || waiting <= most && !is_full {
                return;
            }
            before = waiting;
            self.make_digest(&relay, until(&relay));
        }
    }

    /// The relay that fills this window most, and with how many messages that could as well be summed up.
    fn fullest_relay(&self) -> Option<(Name, usize)> {
        let mut counts: Vec<(&Name, usize)> = Vec::new();
        for waiting in self.waiting.iter().filter(|waiting| self.may_be_summed_up(waiting)) {
            let relay = waiting.cargo.relay();
            match counts.iter_mut().find(|(name, _)| *name == relay) {
                Some((_, count)) => *count += 1,
                None => counts.push((relay, 1)),
            }
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(relay, count)| (relay.clone(), count))
    }

    /// All that waits of this relay becomes one digest, which goes at `until` or later and stays open until then.
    fn make_digest(&mut self, relay: &Name, until: Instant) {
        let joins =
            |window: &Self, waiting: &Waiting| waiting.cargo.relay() == relay && window.may_be_summed_up(waiting);
        let Some(first) = self.waiting.iter().position(|waiting| joins(self, waiting)) else { return };
        let behind = self.waiting.split_off(first);
        for waiting in &behind {
            self.count_out(waiting);
        }
        let mut digest = Some(Waiting::bundle(Bundle::new(BundleKind::Digest, relay.clone()), until));
        for waiting in behind {
            if !joins(self, &waiting) {
                self.push(waiting);
                continue;
            }
            let Waiting { cargo: Cargo::One(delivery), message: Some(message), notes, .. } = waiting else { continue };
            if let Some(mut digest) = digest.take() {
                digest.add(&delivery, &message, notes);
                self.push(digest);
            } else if let Some(alone) = self.join_storm(delivery, message, notes) {
                self.push(alone);
            }
        }
    }

    /// Bundles that hold this message's key go at once, so that it does not pass them. It joins `own`, if that is open.
    pub(in crate::delivery) fn hurry(&mut self, message: &Message, own: Option<&Name>) {
        let Some(key) = key_of(message).filter(|_| self.open_ones > 0) else { return };
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.is_open() && waiting.keys.contains(key)) {
            let joins = |bundle: &Bundle| bundle.kind == BundleKind::Digest && own == Some(&bundle.relay);
            if !matches!(&waiting.cargo, Cargo::Many(bundle) if joins(bundle)) {
                waiting.gathers_until = None;
            }
        }
    }

    fn find(&self, relay: &Name, kind: &BundleKind) -> Option<usize> {
        if self.open.is_empty() {
            return None;
        }
        let place = *self.open.get(&(relay.clone(), kind.clone()))?;
        let at = self.waiting.partition_point(|waiting| waiting.place() < place);
        self.waiting.get(at).filter(|waiting| waiting.place() == place && waiting.is_open()).map(|_| at)
    }

    fn add(&mut self, at: usize, delivery: &Delivery, message: &Message, notes: Vec<Note>) {
        let Some(waiting) = self.waiting.get_mut(at) else { return };
        waiting.add(delivery, message, notes);
        self.members += 1;
        if let Cargo::Many(bundle) = &waiting.cargo
            && bundle.is_full()
        {
            waiting.gathers_until = None;
            let (kind, place) = (bundle.kind.clone(), waiting.place());
            self.close(&delivery.relay, &kind, place);
        }
    }

    /// What triggers or resolves must not pass another that does so to the same incident, nor anything one of its key
    /// that the receiver may know of already.
    fn may_join(&self, digest: usize, message: &Message) -> bool {
        if message.signal.is_some() && !self.manner.sums_up_incidents {
            return false;
        }
        let Some(key) = key_of(message) else { return true };
        let passes = |other: &Waiting| {
            let signals = other.message.as_ref().is_some_and(|other| other.signal.is_some()) || other.is_open();
            other.keys.contains(key) && (signals && message.signal.is_some() || is_tried(other))
        };
        !self.waiting.iter().skip(digest + 1).any(passes)
    }

    fn may_be_summed_up(&self, waiting: &Waiting) -> bool {
        let signals = || waiting.message.as_ref().is_some_and(|message| message.signal.is_some());
        matches!(waiting.cargo, Cargo::One(_)) && !is_tried(waiting) && (self.manner.sums_up_incidents || !signals())
    }
}

impl Waiting {
    fn add(&mut self, delivery: &Delivery, message: &Message, notes: Vec<Note>) {
        if let Cargo::Many(bundle) = &mut self.cargo {
            bundle.add(delivery, message);
            self.notes.extend(notes);
            if let (Keys::Many(keys), Some(key)) = (&mut self.keys, key_of(message)) {
                keys.insert(key);
            }
        }
    }
}

/// The receiver may know of it already, so it can no longer be told in another way.
fn is_tried(waiting: &Waiting) -> bool {
    waiting.attempts > 0 || waiting.maybe || waiting.not_before.is_some()
}
