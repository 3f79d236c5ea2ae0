//! One message on its way, and what is settled with it.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use jiff::Timestamp;
use tokio::time::Instant;

use crate::delivery::bundle::Bundle;
use crate::event::{Event, Name};
use crate::message::{Markup, Message};
use crate::store::{Delivery, DeliveryId, Note};

/// What one message settles.
#[derive(Debug)]
pub(in crate::delivery) enum Cargo {
    One(Delivery),
    Many(Box<Bundle>),
}

impl Cargo {
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

    /// The event that a person is told of when something is wrong with the whole.
    pub(in crate::delivery) fn event(&self) -> Option<&Event> {
        match self {
            Self::One(delivery) => Some(&delivery.event),
            Self::Many(bundle) => bundle.first().map(|event| &**event),
        }
    }

    /// When the first and the last of it were accepted.
    pub(in crate::delivery) fn accepted(&self) -> (Timestamp, Timestamp) {
        match self {
            Self::One(delivery) => (delivery.accepted, delivery.accepted),
            Self::Many(bundle) => bundle.span(),
        }
    }
}

#[derive(Debug)]
pub(in crate::delivery) struct Waiting {
    pub cargo: Cargo,
    /// None: a bundle that is still open, and is worded when it goes.
    pub message: Option<Box<Message>>,
    pub attempts: u32,
    /// Set after a failure of this message alone.
    pub not_before: Option<Instant>,
    /// When it failed for the first time in this life of the daemon.
    pub failing_since: Option<Instant>,
    /// It was refused as it stood and has been reduced to its bare text.
    pub reduced: bool,
    /// An attempt was sent off and never answered.
    pub maybe: bool,
    /// What is to be remembered once it is delivered.
    pub notes: Vec<Note>,
    /// Messages of one key keep their order.
    pub(super) keys: Keys,
    /// A bundle goes no earlier than this.
    pub(super) gathers_until: Option<Instant>,
}

#[derive(Debug)]
pub(super) enum Keys {
    /// It asks for no order.
    None,
    One(u64),
    Many(HashSet<u64>),
}

impl Keys {
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        let (one, many) = match self {
            Self::None => (None, None),
            Self::One(key) => (Some(*key), None),
            Self::Many(keys) => (None, Some(keys.iter().copied())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    pub(super) fn contains(&self, key: u64) -> bool {
        match self {
            Self::None => false,
            Self::One(own) => *own == key,
            Self::Many(keys) => keys.contains(&key),
        }
    }
}

impl Waiting {
    pub(in crate::delivery) fn one(delivery: Delivery, message: Box<Message>, notes: Vec<Note>) -> Self {
        let keys = key_of(&message).map_or(Keys::None, Keys::One);
        let attempts = delivery.attempts;
        Self { attempts, message: Some(message), keys, notes, ..Self::empty(Cargo::One(delivery)) }
    }

    pub(super) fn bundle(bundle: Bundle, until: Instant) -> Self {
        let keys = Keys::Many(HashSet::new());
        let gathers_until = Some(until);
        Self { keys, gathers_until, ..Self::empty(Cargo::Many(Box::new(bundle))) }
    }

    fn empty(cargo: Cargo) -> Self {
        Self {
            cargo,
            message: None,
            attempts: 0,
            not_before: None,
            failing_since: None,
            reduced: false,
            maybe: false,
            notes: Vec::new(),
            keys: Keys::None,
            gathers_until: None,
        }
    }

    /// Whether more may join it.
    pub(super) fn is_open(&self) -> bool {
        self.message.is_none()
    }

    /// Closes a bundle: from here on it is one message like any other.
    pub(in crate::delivery) fn seal(&mut self, markup: Markup) {
        if let (None, Cargo::Many(bundle)) = (&self.message, &self.cargo) {
            self.message = Some(Box::new(bundle.word(markup)));
            self.gathers_until = None;
        }
    }

    /// By this it is in order.
    pub(super) fn place(&self) -> DeliveryId {
        self.cargo.ids().first().copied().unwrap_or(DeliveryId::MAX)
    }
}

/// None: it asks for no order. What opens or closes an incident always does.
pub(super) fn key_of(message: &Message) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    message.key.hash(&mut hasher);
    (!message.key.is_empty() || message.signal.is_some()).then(|| hasher.finish())
}
