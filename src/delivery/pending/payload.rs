//! One pending message, and the deliveries that are settled with it.

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::delivery::bundle::render::render;
use crate::delivery::bundle::{Bundle, BundleKind};
use crate::event::{Event, Name};
use crate::message::{Markup, Message, Signal};
use crate::store::{Delivery, DeliveryId, Note};

/// The deliveries that one message settles.
#[derive(Debug)]
pub(in crate::delivery) enum Payload {
    One(Delivery),
    Many(Box<Bundle>),
}

impl Payload {
    pub(in crate::delivery) fn ids(&self) -> &[DeliveryId] {
        match self {
            Self::One(delivery) => std::slice::from_ref(&delivery.id),
            Self::Many(bundle) => bundle.ids(),
        }
    }

    pub(in crate::delivery) fn relay(&self) -> &Name {
        match self {
            Self::One(delivery) => &delivery.relay,
            Self::Many(bundle) => &bundle.relay,
        }
    }

    /// The event that is named where the whole fails.
    pub(in crate::delivery) fn event(&self) -> Option<&Event> {
        match self {
            Self::One(delivery) => Some(&delivery.event),
            Self::Many(bundle) => bundle.first_event().map(|event| &**event),
        }
    }

    /// When the first and the last of it were accepted.
    pub(in crate::delivery) fn accepted(&self) -> (Timestamp, Timestamp) {
        match self {
            Self::One(delivery) => (delivery.accepted, delivery.accepted),
            Self::Many(bundle) => bundle.span(),
        }
    }

    /// Whether the message only counts what a throttle held back.
    pub(in crate::delivery) fn is_throttled(&self) -> bool {
        matches!(self, Self::Many(bundle) if matches!(bundle.kind, BundleKind::Throttle { .. }))
    }

    /// Its members waited to be sent together, whatever the lane's state.
    pub(in crate::delivery) fn is_gathered(&self) -> bool {
        matches!(self, Self::Many(bundle) if bundle.kind != BundleKind::Digest)
    }
}

#[derive(Debug)]
pub(in crate::delivery) struct PendingMessage {
    pub payload: Payload,
    /// The number of its relay; None for a bundle.
    pub relay: Option<usize>,
    /// None: a bundle that is still open, and is rendered when it is sent.
    pub rendered: Option<Box<Message>>,
    pub attempts: u32,
    /// Set after a failure of this message alone.
    pub not_before: Option<Instant>,
    /// When it failed for the first time since the daemon started.
    pub failing_since: Option<Instant>,
    /// It was refused as it was and has been reduced to its text.
    pub reduced: bool,
    /// An attempt was never answered, so the message may have arrived.
    pub unanswered: bool,
    /// To be written beside its verdict once it is delivered.
    pub notes: Vec<Note>,
    /// Messages of one key keep their order.
    pub(super) keys: BTreeSet<u64>,
    /// A bundle is not sent before this.
    pub(super) gathers_until: Option<Instant>,
}

impl PendingMessage {
    pub(in crate::delivery) fn one(
        delivery: Delivery,
        relay: Option<usize>,
        message: Box<Message>,
        notes: Vec<Note>,
    ) -> Self {
        let keys = key_of(&message).into_iter().collect();
        let attempts = delivery.attempts;
        Self { relay, attempts, rendered: Some(message), keys, notes, ..Self::empty(Payload::One(delivery)) }
    }

    pub(super) fn bundle(bundle: Bundle, until: Instant) -> Self {
        Self { gathers_until: Some(until), ..Self::empty(Payload::Many(Box::new(bundle))) }
    }

    fn empty(payload: Payload) -> Self {
        Self {
            payload,
            relay: None,
            rendered: None,
            attempts: 0,
            not_before: None,
            failing_since: None,
            reduced: false,
            unanswered: false,
            notes: Vec::new(),
            keys: BTreeSet::new(),
            gathers_until: None,
        }
    }

    pub(super) fn resolves(&self) -> bool {
        self.rendered.as_ref().is_some_and(|message| message.signal == Some(Signal::Resolve))
    }

    /// Whether more may join it.
    pub(super) fn is_open(&self) -> bool {
        self.rendered.is_none()
    }

    /// Closes a bundle: from here on it is a message like any other.
    pub(super) fn seal(&mut self, markup: Markup) {
        if let (None, Payload::Many(bundle)) = (&self.rendered, &self.payload) {
            self.rendered = Some(Box::new(render(bundle, markup)));
            self.gathers_until = None;
        }
    }

    /// Pending messages are ordered by this.
    pub(super) fn position(&self) -> DeliveryId {
        self.payload.ids().first().copied().unwrap_or(DeliveryId::from(i64::MAX))
    }
}

/// None: it needs no order. What opens or closes an incident always does.
pub(super) fn key_of(message: &Message) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    message.key.hash(&mut hasher);
    (!message.key.is_empty() || message.signal.is_some()).then(|| hasher.finish())
}
