//! How deliveries come together in one message: digests of a storm, groups, and what a throttle held back.

use tokio::time::Instant;

use super::Window;
use super::cargo::{Cargo, Keys, Waiting, key_of};
use crate::delivery::bundle::{Bundle, BundleKind};
use crate::event::Name;
use crate::message::Message;
use crate::queue::{Delivery, Note};

/// More groups than this at a time do not wait for their time: the oldest goes.
const MOST_OPEN: usize = 1024;
/// Members in memory, all bundles together. What is beyond stays in the queue.
const MOST_MEMBERS: usize = 50_000;

impl Window {
    /// Whether bundles have taken in as much as memory is to hold.
    pub(in crate::delivery) fn is_heavy(&self) -> bool {
        let members = |waiting: &Waiting| match &waiting.cargo {
            Cargo::One(_) => 0,
            Cargo::Many(bundle) => bundle.len(),
        };
        self.waiting.iter().map(members).sum::<usize>() >= MOST_MEMBERS
    }

    /// Whether the relay's deliveries are to join a digest.
    pub(in crate::delivery) fn storms(&self, relay: &Name) -> bool {
        self.waiting.iter().any(|waiting| takes(waiting, relay, &BundleKind::Digest))
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
        let relay = &delivery.relay;
        let at = self.waiting.iter().position(|waiting| takes(waiting, relay, &kind)).unwrap_or_else(|| {
            self.make_room();
            self.waiting.push_back(Waiting::bundle(Bundle::new(kind, relay.clone()), until));
            self.waiting.len() - 1
        });
        if let Some(bundle) = self.waiting.get_mut(at) {
            bundle.add(delivery, message, notes);
        }
    }

    /// Into the relay's open digest, unless that would let it pass one of its own key. Gives it back where it must wait
    /// by itself.
    pub(in crate::delivery) fn join_storm(
        &mut self,
        delivery: Delivery,
        message: Box<Message>,
        notes: Vec<Note>,
    ) -> Option<Waiting> {
        let key = key_of(&message);
        let digest = self.waiting.iter().position(|waiting| takes(waiting, &delivery.relay, &BundleKind::Digest));
        let Some(at) = digest else { return Some(Waiting::one(delivery, message, notes)) };
        let overtakes = key.is_some_and(|key| self.waiting.iter().skip(at + 1).any(|later| later.keys.contains(key)));
        match self.waiting.get_mut(at) {
            Some(digest) if !overtakes => {
                digest.add(&delivery, &message, notes);
                None
            }
            _ => Some(Waiting::one(delivery, message, notes)),
        }
    }

    /// The relay that fills this window most, and with how many messages that nobody tried yet.
    pub(in crate::delivery) fn fullest_relay(&self) -> Option<(Name, usize)> {
        let mut counts: Vec<(&Name, usize)> = Vec::new();
        for waiting in self.waiting.iter().filter(|waiting| is_untried(waiting)) {
            let relay = waiting.cargo.relay();
            match counts.iter_mut().find(|(name, _)| *name == relay) {
                Some((_, count)) => *count += 1,
                None => counts.push((relay, 1)),
            }
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(relay, count)| (relay.clone(), count))
    }

    /// All that waits of this relay becomes one digest, which goes at `until` or later and stays open until then.
    pub(in crate::delivery) fn make_digest(&mut self, relay: &Name, until: Instant) {
        let Some(first) = self.waiting.iter().position(|waiting| is_untried(waiting) && waiting.cargo.relay() == relay)
        else {
            return;
        };
        let behind = self.waiting.split_off(first);
        self.waiting.push_back(Waiting::bundle(Bundle::new(BundleKind::Digest, relay.clone()), until));
        for waiting in behind {
            let joins = is_untried(&waiting) && waiting.cargo.relay() == relay;
            match waiting {
                Waiting { cargo: Cargo::One(delivery), message: Some(message), notes, .. } if joins => {
                    if let Some(alone) = self.join_storm(delivery, message, notes) {
                        self.waiting.push_back(alone);
                    }
                }
                other => self.waiting.push_back(other),
            }
        }
    }

    /// Groups that hold this message's key go at once, so that it does not pass them.
    pub(in crate::delivery) fn hurry(&mut self, message: &Message) {
        let Some(key) = key_of(message) else { return };
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.is_open() && waiting.keys.contains(key)) {
            waiting.gathers_until = None;
        }
    }

    fn make_room(&mut self) {
        if self.waiting.iter().filter(|waiting| waiting.gathers_until.is_some()).count() >= MOST_OPEN
            && let Some(oldest) = self.waiting.iter_mut().find(|waiting| waiting.gathers_until.is_some())
        {
            oldest.gathers_until = None;
        }
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

/// Whether more of this may join what waits here.
fn takes(waiting: &Waiting, relay: &Name, kind: &BundleKind) -> bool {
    let fits = |bundle: &Bundle| bundle.relay == *relay && bundle.kind == *kind && !bundle.is_full();
    waiting.is_open() && matches!(&waiting.cargo, Cargo::Many(bundle) if fits(bundle))
}

/// Nothing is known of it at the receiver, so that it can still be told in another way.
fn is_untried(waiting: &Waiting) -> bool {
    matches!(waiting.cargo, Cargo::One(_)) && waiting.attempts == 0 && !waiting.maybe && waiting.not_before.is_none()
}
