//! How deliveries come together in one message: digests, groups, and what a throttle held back.

use std::time::Duration;

use tokio::time::Instant;

use super::payload::{Payload, PendingMessage, key_of};
use super::{Limits, Pending};
use crate::delivery::bundle::{Bundle, BundleKind};
use crate::event::Name;
use crate::message::{Markup, Message};
use crate::store::{Delivery, Note};

/// With more open bundles than this the oldest is sent early.
const MOST_OPEN: usize = 1024;
/// Members in memory, all bundles together. The rest stays in the store.
const MOST_MEMBERS: usize = 50_000;

/// A storm that goes on gets a digest no more often than this.
const NEXT_DIGEST: Duration = Duration::from_secs(10);

impl Pending {
    /// Whether bundles have as many members as memory may hold. Then the oldest is sent early.
    pub(super) fn is_heavy(&mut self) -> bool {
        let heavy = self.members >= MOST_MEMBERS || self.open_count > MOST_OPEN;
        if heavy && let Some(oldest) = self.messages.iter_mut().find(|pending| pending.is_open()) {
            oldest.gathers_until = None;
        }
        heavy
    }

    /// Whether the relay's deliveries join a digest.
    pub(in crate::delivery) fn has_digest(&self, relay: &Name) -> bool {
        !self.open.is_empty() && self.open.contains_key(&(relay.clone(), BundleKind::Digest))
    }

    /// Into the open bundle of this kind, which begins if there is none; it is sent at `until` or later.
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
        let mut bundle = PendingMessage::bundle(Bundle::new(kind, delivery.relay.clone()), until);
        bundle.add(delivery, message, notes);
        self.push(bundle);
    }

    /// Takes in a message that is ready to be sent. `complete`: it has everything that its relay fetches. Gives back what
    /// was to be counted in a digest alone and could not join one.
    pub(in crate::delivery) fn admit(&mut self, pending: PendingMessage, complete: bool) -> Option<Delivery> {
        let joins_digest = pending.not_before.is_none() && self.has_digest(pending.payload.relay());
        if pending.resolves() {
            let own_digest = joins_digest.then(|| pending.payload.relay().clone());
            self.send_soon(&pending, own_digest.as_ref());
        }
        let pending = if joins_digest { self.join_digest(pending)? } else { pending };
        if let (false, Payload::One(delivery)) = (complete, &pending.payload) {
            return Some(delivery.clone());
        }
        if joins_digest && pending.resolves() {
            self.send_soon(&pending, None);
        }
        self.insert(pending);
        None
    }

    /// Into the relay's open digest. Gives it back where it must be sent by itself.
    fn join_digest(&mut self, mut alone: PendingMessage) -> Option<PendingMessage> {
        let (Payload::One(delivery), Some(message)) = (&alone.payload, &alone.rendered) else { return Some(alone) };
        let digest = self.find(&delivery.relay, &BundleKind::Digest);
        let Some(at) = digest.filter(|at| self.may_join(*at, message)) else { return Some(alone) };
        let notes = std::mem::take(&mut alone.notes);
        self.add(at, delivery, message, notes);
        None
    }

    /// While nothing may be sent: a digest for each relay that has too much pending. A storm that goes on gets the next one
    /// only after a while.
    pub(in crate::delivery) fn start_digests(&mut self, now: Instant) {
        let Limits { capacity, digest } = self.limits;
        if digest > 0 {
            let last = std::mem::take(&mut self.last_digests);
            self.sum_up(digest, capacity, |relay| last.get(relay).map_or(now, |last| *last + NEXT_DIGEST));
            self.last_digests = last;
        }
    }

    /// Closes what is about to be sent: a bundle becomes a message.
    pub(in crate::delivery) fn seal(&mut self, pending: &mut PendingMessage, markup: Markup) {
        if matches!(&pending.payload, Payload::Many(bundle) if bundle.kind == BundleKind::Digest) {
            self.last_digests.insert(pending.payload.relay().clone(), Instant::now());
        }
        pending.seal(markup);
    }

    /// A digest, sent at `until` or later, for each relay with more than `most` pending. At `capacity` messages also for
    /// the relay that has most: many relays may fill it together, none of them alone.
    pub(super) fn sum_up(&mut self, most: usize, capacity: usize, until: impl Fn(&Name) -> Instant) {
        let mut before = usize::MAX;
        while let Some((relay, count)) = self.fullest_relay() {
            let is_full = self.len() >= capacity && count > 1;
            // What may not be summed up stays, so another round would change nothing.
            if count >= before || count <= most && !is_full {
                return;
            }
            before = count;
            self.make_digest(&relay, until(&relay));
        }
    }

    /// The relay with the most messages that may be summed up, and how many they are.
    fn fullest_relay(&self) -> Option<(Name, usize)> {
        let mut counts: Vec<(&Name, usize)> = Vec::new();
        for pending in self.messages.iter().filter(|pending| self.may_be_summed_up(pending)) {
            let relay = pending.payload.relay();
            match counts.iter_mut().find(|(name, _)| *name == relay) {
                Some((_, count)) => *count += 1,
                None => counts.push((relay, 1)),
            }
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map(|(relay, count)| (relay.clone(), count))
    }

    /// Everything pending from this relay becomes one digest, which stays open until `until`.
    fn make_digest(&mut self, relay: &Name, until: Instant) {
        let joins =
            |all: &Self, pending: &PendingMessage| pending.payload.relay() == relay && all.may_be_summed_up(pending);
        let Some(first) = self.messages.iter().position(|pending| joins(self, pending)) else { return };
        let behind = self.messages.split_off(first);
        for pending in &behind {
            self.count_out(pending);
        }
        let mut digest = Some(PendingMessage::bundle(Bundle::new(BundleKind::Digest, relay.clone()), until));
        for mut pending in behind {
            if !joins(self, &pending) {
                self.push(pending);
                continue;
            }
            match (digest.take(), &pending.payload, &pending.rendered) {
                (Some(mut digest), Payload::One(delivery), Some(message)) => {
                    digest.add(delivery, message, std::mem::take(&mut pending.notes));
                    self.push(digest);
                }
                _ => {
                    if let Some(alone) = self.join_digest(pending) {
                        self.push(alone);
                    }
                }
            }
        }
    }

    /// Bundles with this message's key are sent as soon as they may, so that it does not pass them, but for the digest of
    /// the relay `own`, which it joins.
    pub(super) fn send_soon(&mut self, before: &PendingMessage, own: Option<&Name>) {
        let Some(key) = before.rendered.as_deref().and_then(key_of).filter(|_| self.open_count > 0) else { return };
        for pending in self.messages.iter_mut().filter(|pending| pending.is_open() && pending.keys.contains(&key)) {
            let joins = |bundle: &Bundle| bundle.kind == BundleKind::Digest && own == Some(&bundle.relay);
            if !matches!(&pending.payload, Payload::Many(bundle) if joins(bundle)) {
                pending.gathers_until = None;
            }
        }
    }

    fn find(&self, relay: &Name, kind: &BundleKind) -> Option<usize> {
        if self.open.is_empty() {
            return None;
        }
        let position = *self.open.get(&(relay.clone(), kind.clone()))?;
        let at = self.messages.partition_point(|pending| pending.position() < position);
        self.messages.get(at).filter(|pending| pending.position() == position && pending.is_open()).map(|_| at)
    }

    fn add(&mut self, at: usize, delivery: &Delivery, message: &Message, notes: Vec<Note>) {
        let Some(pending) = self.messages.get_mut(at) else { return };
        pending.add(delivery, message, notes);
        self.members += 1;
        if let Payload::Many(bundle) = &pending.payload
            && bundle.is_full()
        {
            pending.gathers_until = None;
            let (kind, position) = (bundle.kind.clone(), pending.position());
            self.close(&delivery.relay, &kind, position);
        }
    }

    /// A trigger or resolve must not pass another of the same incident, and no message may pass one of its key that the
    /// receiver may have already.
    fn may_join(&self, digest: usize, message: &Message) -> bool {
        if message.signal.is_some() && !self.ordering.sums_up_incidents {
            return false;
        }
        let Some(key) = key_of(message) else { return true };
        let passes = |other: &PendingMessage| {
            let signals = other.rendered.as_ref().is_some_and(|other| other.signal.is_some()) || other.is_open();
            other.keys.contains(&key) && (signals && message.signal.is_some() || is_tried(other))
        };
        !self.messages.iter().skip(digest + 1).any(passes)
    }

    fn may_be_summed_up(&self, pending: &PendingMessage) -> bool {
        let signals = || pending.rendered.as_ref().is_some_and(|message| message.signal.is_some());
        matches!(pending.payload, Payload::One(_))
            && !is_tried(pending)
            && (self.ordering.sums_up_incidents || !signals())
    }
}

impl PendingMessage {
    fn add(&mut self, delivery: &Delivery, message: &Message, notes: Vec<Note>) {
        if let Payload::Many(bundle) = &mut self.payload {
            bundle.add(delivery, message);
            self.notes.extend(notes);
            self.keys.extend(key_of(message));
        }
    }
}

/// The receiver may have it already, so it can no longer be sent in another form.
fn is_tried(pending: &PendingMessage) -> bool {
    pending.attempts > 0 || pending.unanswered || pending.not_before.is_some()
}
