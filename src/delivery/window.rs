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
                    let held_until = self.holds_the_lane_until(waiting, now).filter(|until| *until > now);
                    let next = held_until.map_or(due, |until| until.min(due));
                    earliest = Some(earliest.map_or(next, |earliest| earliest.min(next)));
                    if held_until.is_some() {
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

    /// When a message that fails alone steps aside for those behind it.
    fn holds_the_lane_until(&self, waiting: &Waiting, now: Instant) -> Option<Instant> {
        self.holds_for.map(|limit| waiting.failing_since.unwrap_or(now) + limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Name};
    use crate::message::Origin;
    use crate::queue::DeliveryId;
    use jiff::Timestamp;
    use std::sync::Arc;
    use std::time::Duration;

    fn waiting(id: i64, key: &str) -> Waiting {
        let event = Arc::new(Event::ours("a.b", "c", Timestamp::UNIX_EPOCH, &serde_json::Value::Null));
        let (relay, sink) = (Name::from("all"), Name::from("ops"));
        let origin = Origin { event: Arc::clone(&event), relay: relay.clone() };
        let delivery = Delivery {
            id: DeliveryId(id),
            event,
            relay,
            sink,
            accepted: Timestamp::UNIX_EPOCH,
            attempts: 0,
            due: None,
            first_tried: None,
        };
        Waiting::new(delivery, Box::new(Message::plain("text", key, origin)))
    }

    fn window(holds_for: Option<Duration>, keys: &[&str]) -> Window {
        let mut window = Window::new(holds_for);
        for (id, key) in (0..).zip(keys) {
            window.push(waiting(id, key));
        }
        window
    }

    fn send(window: &mut Window) -> Option<Waiting> {
        match window.next(Instant::now()) {
            Next::Send(waiting) => Some(waiting),
            Next::At(_) | Next::Nothing => None,
        }
    }

    fn ids(window: &mut Window) -> Vec<i64> {
        std::iter::from_fn(|| send(window)).map(|waiting| waiting.delivery.id.0).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn one_key_goes_one_at_a_time_and_others_pass_it() {
        let mut window = window(None, &["a", "a", "b", "", ""]);
        let first = send(&mut window).expect("something");
        assert_eq!(ids(&mut window), [2, 3, 4], "the second `a` waits for the first");
        window.ended(&first);
        assert_eq!(ids(&mut window), [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_message_keeps_its_place_and_holds_its_key() {
        let mut window = window(None, &["a", "a", "b"]);
        let mut first = send(&mut window).expect("something");
        window.ended(&first);
        first.not_before = Some(Instant::now() + Duration::from_secs(5));
        window.put_back(first);
        assert_eq!(ids(&mut window), [2], "only its own key waits for it");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(send(&mut window).map(|waiting| waiting.delivery.id.0), Some(0), "trigger before resolve");
    }

    #[tokio::test(start_paused = true)]
    async fn with_one_at_a_time_a_failed_message_holds_the_lane_for_a_minute_and_then_steps_aside() {
        let mut window = window(Some(Duration::from_secs(60)), &["a", "b"]);
        let mut first = send(&mut window).expect("something");
        window.ended(&first);
        first.failing_since = Some(Instant::now());
        first.not_before = Some(Instant::now() + Duration::from_secs(300));
        window.put_back(first);
        let Next::At(at) = window.next(Instant::now()) else { panic!("nothing may go yet") };
        assert_eq!(
            at.duration_since(Instant::now()).as_secs(),
            60,
            "the lane wakes when it steps aside, not when it is due"
        );
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(ids(&mut window), [1]);
    }
}
