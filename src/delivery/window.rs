//! What a lane holds in memory, in order, and which of it may go next. Decides; does nothing.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{Hash, Hasher};

use tokio::time::Instant;

use crate::message::Message;
use crate::queue::Delivery;

/// One worded delivery on its way.
#[derive(Debug)]
pub(super) struct Waiting {
    pub delivery: Delivery,
    pub message: Box<Message>,
    /// Messages of one key keep their order. None: this one asks for none.
    key: Option<u64>,
    /// Set after a failure of this message alone.
    pub not_before: Option<Instant>,
    /// When it failed for the first time in this life of the daemon.
    pub failing_since: Option<Instant>,
    /// It was refused as it stood and has been reduced to its bare text.
    pub reduced: bool,
}

impl Waiting {
    pub(super) fn new(delivery: Delivery, message: Box<Message>) -> Self {
        let mut hasher = DefaultHasher::new();
        message.key.hash(&mut hasher);
        let key = (!message.key.is_empty()).then(|| hasher.finish());
        Self { delivery, message, key, not_before: None, failing_since: None, reduced: false }
    }
}

#[derive(Debug)]
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
    holds_for: Option<std::time::Duration>,
}

impl Window {
    pub(super) fn new(holds_for: Option<std::time::Duration>) -> Self {
        Self { waiting: VecDeque::new(), under_way: HashMap::new(), holds_for }
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
    }

    /// The first that may go now. It counts as under way until [`Window::ended`].
    pub(super) fn next(&mut self, now: Instant) -> Next {
        let mut held_keys = HashSet::new();
        let mut earliest: Option<Instant> = None;
        let mut chosen = None;
        for (at, waiting) in self.waiting.iter().enumerate() {
            let key = waiting.key;
            let held = key.is_some_and(|key| held_keys.contains(&key) || self.under_way.contains_key(&key));
            match waiting.not_before.filter(|due| *due > now) {
                None if !held => {
                    chosen = Some((at, key));
                    break;
                }
                None => {}
                Some(due) => {
                    earliest = Some(earliest.map_or(due, |earliest| earliest.min(due)));
                    if self.holds_the_lane(waiting, now) {
                        break;
                    }
                }
            }
            held_keys.extend(key);
        }
        let Some((at, key)) = chosen else { return earliest.map_or(Next::Nothing, Next::At) };
        if let Some(key) = key {
            *self.under_way.entry(key).or_default() += 1;
        }
        self.waiting.remove(at).map_or(Next::Nothing, Next::Send)
    }

    /// The attempt is over, however it went.
    pub(super) fn ended(&mut self, waiting: &Waiting) {
        if let Some(key) = waiting.key
            && let Some(count) = self.under_way.get_mut(&key)
        {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&key);
            }
        }
    }

    /// Back to its place in the order, to be tried again.
    pub(super) fn put_back(&mut self, waiting: Waiting) {
        let at = self.waiting.partition_point(|other| other.delivery.id < waiting.delivery.id);
        self.waiting.insert(at, waiting);
    }

    /// Takes out whatever `hopeless` says, in order.
    pub(super) fn take_out(&mut self, hopeless: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        let (out, kept) = self.waiting.drain(..).partition(hopeless);
        let out: VecDeque<_> = out;
        self.waiting = kept;
        out.into()
    }

    fn holds_the_lane(&self, waiting: &Waiting, now: Instant) -> bool {
        let held_since = waiting.failing_since.unwrap_or(now);
        self.holds_for.is_some_and(|limit| now.duration_since(held_since) < limit)
    }
}
