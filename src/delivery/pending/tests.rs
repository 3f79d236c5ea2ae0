//! Which message may be sent when, and that nothing is lost in a bundle. A frozen clock, no destination.

use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::delivery::bundle::BundleKind;
use crate::event::{Event, Name};
use crate::message::{Message, Origin, Signal};
use crate::store::{Delivery, DeliveryId};

const MINUTE: Duration = Duration::from_secs(60);

fn prepared(id: i64, relay: &str, key: &str) -> (Delivery, Box<Message>) {
    let event = Arc::new(Event::ours("a.b", "c", Timestamp::UNIX_EPOCH, &serde_json::Value::Null));
    let (relay, sink) = (Name::from(relay), Name::from("ops"));
    let origin = Origin { event: Arc::clone(&event), relay: relay.clone() };
    let delivery = Delivery {
        id: DeliveryId::from(id),
        event,
        relay,
        sink,
        accepted: Timestamp::UNIX_EPOCH,
        attempts: 0,
        due: None,
        first_tried: None,
        again: false,
    };
    (delivery, Box::new(Message::plain("text", key, origin)))
}

fn pending(id: i64, relay: &str, key: &str) -> PendingMessage {
    let (delivery, message) = prepared(id, relay, key);
    PendingMessage::one(delivery, None, message, Vec::new())
}

fn signal(id: i64, relay: &str, key: &str, signal: Signal) -> PendingMessage {
    let (delivery, message) = prepared(id, relay, key);
    PendingMessage::one(delivery, None, Box::new(Message { signal: Some(signal), ..*message }), Vec::new())
}

const LOOSE: Ordering = Ordering { holds_for: None, keeps_keys: true, sums_up_incidents: true };

fn lane_of(ordering: Ordering) -> Pending {
    Pending::new(ordering, Limits { capacity: 128, digest: 0 })
}

fn lane(holds_for: Option<Duration>, keys: &[&str]) -> Pending {
    let mut lane = lane_of(Ordering { holds_for, ..LOOSE });
    for (id, key) in (0..).zip(keys) {
        lane.push(pending(id, "all", key));
    }
    lane
}

fn send(lane: &mut Pending) -> Option<PendingMessage> {
    match lane.next(Instant::now()) {
        NextAction::Send(message) => Some(message),
        NextAction::WaitUntil(_) | NextAction::Wait => None,
    }
}

/// The deliveries of each message that may be sent now.
fn ids(lane: &mut Pending) -> Vec<Vec<i64>> {
    let ids = |message: PendingMessage| message.payload.ids().iter().map(|id| i64::from(*id)).collect();
    std::iter::from_fn(|| send(lane)).map(ids).collect()
}

#[tokio::test(start_paused = true)]
async fn one_key_goes_one_at_a_time_and_others_pass_it() {
    let mut lane = lane(None, &["a", "a", "b", "", ""]);
    let first = send(&mut lane).expect("something");
    assert_eq!(ids(&mut lane), [[2], [3], [4]], "the second `a` waits for the first");
    lane.ended(&first);
    assert_eq!(ids(&mut lane), [[1]]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_keeps_its_position_and_holds_its_key() {
    let mut lane = lane(None, &["a", "a", "b"]);
    let mut first = send(&mut lane).expect("something");
    lane.ended(&first);
    first.not_before = Some(Instant::now() + Duration::from_secs(5));
    lane.insert(first);
    assert_eq!(ids(&mut lane), [[2]], "only its own key waits for it");
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(ids(&mut lane), [[0]], "trigger before resolve");
}

#[tokio::test(start_paused = true)]
async fn with_one_post_at_a_time_a_failed_message_holds_the_lane_for_a_minute() {
    let mut lane = lane(Some(MINUTE), &["a", "b"]);
    let mut first = send(&mut lane).expect("something");
    lane.ended(&first);
    first.failing_since = Some(Instant::now());
    first.not_before = Some(Instant::now() + 5 * MINUTE);
    lane.insert(first);
    let NextAction::WaitUntil(at) = lane.next(Instant::now()) else { panic!("nothing may be sent yet") };
    assert_eq!(at, Instant::now() + MINUTE, "the lane wakes when others may pass it, not when it is due");
    tokio::time::advance(MINUTE).await;
    assert_eq!(ids(&mut lane), [[1]]);
}

#[tokio::test(start_paused = true)]
async fn without_an_order_of_keys_a_key_holds_nothing() {
    let mut lane = lane_of(Ordering { holds_for: None, keeps_keys: false, sums_up_incidents: true });
    lane.push(pending(0, "all", "a"));
    lane.push(pending(1, "all", "a"));
    assert_eq!(ids(&mut lane), [[0], [1]]);
}

#[tokio::test(start_paused = true)]
async fn a_storm_becomes_one_message_that_later_ones_join() {
    let mut lane = lane(None, &["a", "b", "c"]);
    lane.push(pending(3, "other", "d"));
    let all = Name::from("all");
    lane.sum_up(2, 100, |_| Instant::now() + MINUTE);
    assert!(lane.has_digest(&all) && !lane.has_digest(&"other".into()));
    assert!(lane.admit(pending(4, "all", "e"), false).is_none(), "it joins");
    assert_eq!(lane.len(), 1, "an open bundle does not count");
    assert_eq!(ids(&mut lane), [[3]], "an open digest blocks no other message");
    tokio::time::advance(MINUTE).await;
    assert_eq!(ids(&mut lane), [[0, 1, 2, 4]]);
}

#[tokio::test(start_paused = true)]
async fn a_full_lane_sums_up_the_relay_that_fills_it_most() {
    let mut lane = lane_of(LOOSE);
    for id in 0..10 {
        lane.push(pending(id, if id % 3 == 0 { "all" } else { "other" }, ""));
    }
    lane.sum_up(20, 100, |_| Instant::now());
    assert_eq!(lane.len(), 10, "there is room");
    lane.sum_up(20, 10, |_| Instant::now());
    assert_eq!(ids(&mut lane), [vec![0], vec![1, 2, 4, 5, 7, 8], vec![3], vec![6], vec![9]]);
}

#[tokio::test(start_paused = true)]
async fn in_a_digest_no_signal_passes_another_of_its_incident() {
    let mut lane = lane(None, &["a", "k"]);
    lane.push(signal(2, "other", "k", Signal::Trigger));
    lane.push(signal(3, "all", "k", Signal::Resolve));
    lane.push(pending(4, "all", "k"));
    lane.sum_up(2, 100, |_| Instant::now());
    let digest = send(&mut lane).expect("the digest");
    assert_eq!(digest.payload.ids().iter().map(|id| i64::from(*id)).collect::<Vec<_>>(), [0, 1, 4]);
    assert!(ids(&mut lane).is_empty(), "it is about k too");
    lane.ended(&digest);
    assert_eq!(ids(&mut lane), [[2]], "3 would pass 2, so it waits by itself for its key");
}

#[tokio::test(start_paused = true)]
async fn where_every_change_of_an_incident_is_sent_a_digest_accepts_none() {
    let mut lane = lane_of(Ordering { sums_up_incidents: false, ..LOOSE });
    for id in 0..30 {
        lane.push(signal(id, "all", "k", Signal::Trigger));
    }
    lane.sum_up(20, 10, |_| Instant::now());
    assert_eq!(lane.len(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_digest_under_way_holds_the_keys_of_all_its_members() {
    let mut lane = lane(None, &["a", "b"]);
    lane.sum_up(1, 100, |_| Instant::now());
    let digest = send(&mut lane).expect("the digest");
    lane.push(pending(2, "other", "b"));
    assert!(ids(&mut lane).is_empty());
    lane.ended(&digest);
    assert_eq!(ids(&mut lane), [[2]]);
}

#[tokio::test(start_paused = true)]
async fn a_postponed_message_and_those_behind_it_do_not_count() {
    let mut lane = lane(None, &["a", "a", "a", "b"]);
    let mut first = send(&mut lane).expect("something");
    lane.ended(&first);
    first.not_before = Some(Instant::now() + MINUTE);
    lane.insert(first);
    assert_eq!(lane.len(), 1, "neither it nor those behind it in its key");
}

#[tokio::test(start_paused = true)]
async fn bundles_are_bounded_in_number_and_members() {
    let mut lane = lane_of(LOOSE);
    for id in 0..1100 {
        let (delivery, message) = prepared(id, "all", "");
        let kind = BundleKind::Group { by: id.to_string() };
        lane.gather(kind, Instant::now() + MINUTE, &delivery, &message, Vec::new());
    }
    assert!(lane.is_heavy());
    assert_eq!(send(&mut lane).map(|message| message.position()), Some(DeliveryId::from(0)), "the oldest is sent");
    let mut lane = lane_of(LOOSE);
    for id in 0..10_001 {
        let (delivery, message) = prepared(id, "all", "");
        lane.gather(BundleKind::Digest, Instant::now() + MINUTE, &delivery, &message, Vec::new());
    }
    assert_eq!(ids(&mut lane).len(), 1, "a full one is sent, and another has begun");
    assert!(lane.has_digest(&"all".into()));
}

proptest! {
    #[test]
    fn everything_pending_is_sent_once_however_it_is_summed_up(
        sorts in prop::collection::vec((0..3_usize, 0..6_usize, 0..4_usize, any::<bool>()), 0..120),
        most in 0..10_usize, capacity in 1..100_usize, rounds in 1..4_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a clock");
        runtime.block_on(async {
            let mut lane = lane_of(LOOSE);
            let mut expected: Vec<i64> = (0..).take(sorts.len()).collect();
            let relays = ["a", "b", "c"];
            for (id, (relay, key, sort, tried)) in (0..).zip(&sorts) {
                let (relay, key) = (relays[*relay], key.to_string());
                let mut one = match sort {
                    0 => signal(id, relay, &key, Signal::Resolve),
                    1 => signal(id, relay, &key, Signal::Trigger),
                    2 => pending(id, relay, ""),
                    _ => pending(id, relay, &key),
                };
                one.attempts = u32::from(*tried);
                lane.push(one);
                for _ in 0..rounds {
                    lane.sum_up(most, capacity, |_| Instant::now());
                }
            }
            let mut seen = Vec::new();
            while let Some(one) = send(&mut lane) {
                seen.extend(one.payload.ids().iter().map(|id| i64::from(*id)));
                lane.ended(&one);
            }
            seen.sort_unstable();
            expected.sort_unstable();
            assert_eq!(seen, expected);
            assert_eq!((lane.len(), lane.open_count, lane.postponed, lane.members), (0, 0, 0, 0));
        });
    }
}

#[tokio::test(start_paused = true)]
async fn groups_are_sent_at_their_time_and_earlier_for_a_resolve() {
    let mut lane = lane(None, &[]);
    let group = |by: &str| BundleKind::Group { by: by.to_owned() };
    for (id, by) in [(0, "x"), (1, "y"), (2, "x")] {
        let (delivery, message) = prepared(id, "all", by);
        lane.gather(group(by), Instant::now() + MINUTE, &delivery, &message, Vec::new());
    }
    assert!(ids(&mut lane).is_empty());
    let NextAction::WaitUntil(at) = lane.next(Instant::now()) else { panic!("a group is open") };
    assert_eq!(at, Instant::now() + MINUTE);
    let resolve = pending(3, "all", "x");
    lane.send_soon(&resolve, None);
    lane.push(resolve);
    let first = send(&mut lane).expect("the group that the resolve is about");
    assert_eq!(first.payload.ids().len(), 2);
    assert!(ids(&mut lane).is_empty(), "the resolve waits for its group");
    lane.ended(&first);
    assert_eq!(ids(&mut lane), [[3]]);
    tokio::time::advance(MINUTE).await;
    assert_eq!(ids(&mut lane), [[1]]);
}
