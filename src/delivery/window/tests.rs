use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::delivery::bundle::BundleKind;
use crate::event::{Event, Name};
use crate::message::{Message, Origin, Signal};
use crate::store::{Delivery, DeliveryId};

const MINUTE: Duration = Duration::from_secs(60);

fn said(id: i64, relay: &str, key: &str) -> (Delivery, Box<Message>) {
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

fn waiting(id: i64, relay: &str, key: &str) -> Waiting {
    let (delivery, message) = said(id, relay, key);
    Waiting::one(delivery, message, Vec::new())
}

fn signal(id: i64, relay: &str, key: &str, signal: Signal) -> Waiting {
    let (delivery, message) = said(id, relay, key);
    Waiting::one(delivery, Box::new(Message { signal: Some(signal), ..*message }), Vec::new())
}

const LOOSE: Manner = Manner { holds_for: None, ordered: true, sums_up_incidents: true };

fn window(holds_for: Option<Duration>, keys: &[&str]) -> Window {
    let mut window = Window::new(Manner { holds_for, ordered: true, sums_up_incidents: true });
    for (id, key) in (0..).zip(keys) {
        window.push(waiting(id, "all", key));
    }
    window
}

fn send(window: &mut Window) -> Option<Waiting> {
    match window.next(Instant::now()) {
        Next::Send(waiting) => Some(waiting),
        Next::At(_) | Next::Nothing => None,
    }
}

/// The deliveries of each message that may go now.
fn ids(window: &mut Window) -> Vec<Vec<i64>> {
    let ids = |waiting: Waiting| waiting.cargo.ids().iter().map(|id| i64::from(*id)).collect();
    std::iter::from_fn(|| send(window)).map(ids).collect()
}

#[tokio::test(start_paused = true)]
async fn one_key_goes_one_at_a_time_and_others_pass_it() {
    let mut window = window(None, &["a", "a", "b", "", ""]);
    let first = send(&mut window).expect("something");
    assert_eq!(ids(&mut window), [[2], [3], [4]], "the second `a` waits for the first");
    window.ended(&first);
    assert_eq!(ids(&mut window), [[1]]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_keeps_its_place_and_holds_its_key() {
    let mut window = window(None, &["a", "a", "b"]);
    let mut first = send(&mut window).expect("something");
    window.ended(&first);
    first.not_before = Some(Instant::now() + Duration::from_secs(5));
    window.put_back(first);
    assert_eq!(ids(&mut window), [[2]], "only its own key waits for it");
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(ids(&mut window), [[0]], "trigger before resolve");
}

#[tokio::test(start_paused = true)]
async fn with_one_at_a_time_a_failed_message_holds_the_lane_for_a_minute_and_then_steps_aside() {
    let mut window = window(Some(MINUTE), &["a", "b"]);
    let mut first = send(&mut window).expect("something");
    window.ended(&first);
    first.failing_since = Some(Instant::now());
    first.not_before = Some(Instant::now() + 5 * MINUTE);
    window.put_back(first);
    let Next::At(at) = window.next(Instant::now()) else { panic!("nothing may go yet") };
    assert_eq!(at, Instant::now() + MINUTE, "the lane wakes when it steps aside, not when it is due");
    tokio::time::advance(MINUTE).await;
    assert_eq!(ids(&mut window), [[1]]);
}

#[tokio::test(start_paused = true)]
async fn where_order_is_nobodys_wish_a_key_holds_nothing() {
    let mut window = Window::new(Manner { holds_for: None, ordered: false, sums_up_incidents: true });
    window.push(waiting(0, "all", "a"));
    window.push(waiting(1, "all", "a"));
    assert_eq!(ids(&mut window), [[0], [1]]);
}

#[tokio::test(start_paused = true)]
async fn a_storm_becomes_one_message_and_what_comes_later_joins_it() {
    let mut window = window(None, &["a", "b", "c"]);
    window.push(waiting(3, "other", "d"));
    let all = Name::from("all");
    window.sum_up(2, 100, |_| Instant::now() + MINUTE);
    assert!(window.storms(&all) && !window.storms(&"other".into()));
    let (delivery, message) = said(4, "all", "e");
    assert!(window.join_storm(delivery, message, Vec::new()).is_none(), "it joins");
    assert_eq!(window.len(), 1, "a bundle takes no room");
    assert_eq!(ids(&mut window), [[3]], "a digest that still gathers is in nobody's way");
    tokio::time::advance(MINUTE).await;
    assert_eq!(ids(&mut window), [[0, 1, 2, 4]]);
}

#[tokio::test(start_paused = true)]
async fn a_full_window_sums_up_whoever_fills_it_most() {
    let mut window = Window::new(LOOSE);
    for id in 0..10 {
        window.push(waiting(id, if id % 3 == 0 { "all" } else { "other" }, ""));
    }
    window.sum_up(20, 100, |_| Instant::now());
    assert_eq!(window.len(), 10, "there is room");
    window.sum_up(20, 10, |_| Instant::now());
    assert_eq!(ids(&mut window), [vec![0], vec![1, 2, 4, 5, 7, 8], vec![3], vec![6], vec![9]]);
}

#[tokio::test(start_paused = true)]
async fn in_a_digest_no_signal_passes_another_of_its_incident() {
    let mut window = window(None, &["a", "k"]);
    window.push(signal(2, "other", "k", Signal::Trigger));
    window.push(signal(3, "all", "k", Signal::Resolve));
    window.push(waiting(4, "all", "k"));
    window.sum_up(2, 100, |_| Instant::now());
    let digest = send(&mut window).expect("the digest");
    assert_eq!(digest.cargo.ids().iter().map(|id| i64::from(*id)).collect::<Vec<_>>(), [0, 1, 4]);
    assert!(ids(&mut window).is_empty(), "it is about k too");
    window.ended(&digest);
    assert_eq!(ids(&mut window), [[2]], "3 would pass 2, so it waits by itself for its key");
}

#[tokio::test(start_paused = true)]
async fn where_each_incident_has_its_head_no_digest_takes_its_changes() {
    let mut window = Window::new(Manner { sums_up_incidents: false, ..LOOSE });
    for id in 0..30 {
        window.push(signal(id, "all", "k", Signal::Trigger));
    }
    window.sum_up(20, 10, |_| Instant::now());
    assert_eq!(window.len(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_digest_under_way_holds_the_keys_of_all_its_members() {
    let mut window = window(None, &["a", "b"]);
    window.sum_up(1, 100, |_| Instant::now());
    let digest = send(&mut window).expect("the digest");
    window.push(waiting(2, "other", "b"));
    assert!(ids(&mut window).is_empty());
    window.ended(&digest);
    assert_eq!(ids(&mut window), [[2]]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_time_of_its_own_takes_no_room() {
    let mut window = window(None, &["a", "a", "a", "b"]);
    let mut first = send(&mut window).expect("something");
    window.ended(&first);
    first.not_before = Some(Instant::now() + MINUTE);
    window.put_back(first);
    assert_eq!(window.len(), 1, "neither it nor those behind it in its key");
}

#[tokio::test(start_paused = true)]
async fn bundles_are_bounded_in_number_and_members() {
    let mut window = Window::new(LOOSE);
    for id in 0..1100 {
        let (delivery, message) = said(id, "all", "");
        let kind = BundleKind::Group { by: id.to_string() };
        window.gather(kind, Instant::now() + MINUTE, &delivery, &message, Vec::new());
    }
    assert!(window.is_heavy());
    assert_eq!(send(&mut window).map(|waiting| waiting.place()), Some(DeliveryId::from(0)), "the oldest goes");
    let mut window = Window::new(LOOSE);
    for id in 0..10_001 {
        let (delivery, message) = said(id, "all", "");
        window.gather(BundleKind::Digest, Instant::now() + MINUTE, &delivery, &message, Vec::new());
    }
    assert_eq!(ids(&mut window).len(), 1, "a full one goes, and another has begun");
    assert!(window.storms(&"all".into()));
}

proptest! {
    #[test]
    fn whatever_waits_is_summed_up_at_last_and_nothing_is_lost(
        said in prop::collection::vec((0..3_usize, 0..6_usize, 0..4_usize, any::<bool>()), 0..120),
        most in 0..10_usize, room in 1..100_usize, rounds in 1..4_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a clock");
        runtime.block_on(async {
            let mut window = Window::new(LOOSE);
            let mut expected: Vec<i64> = (0..).take(said.len()).collect();
            let relays = ["a", "b", "c"];
            for (id, (relay, key, sort, tried)) in (0..).zip(&said) {
                let (relay, key) = (relays[*relay], key.to_string());
                let mut one = match sort {
                    0 => signal(id, relay, &key, Signal::Resolve),
                    1 => signal(id, relay, &key, Signal::Trigger),
                    2 => waiting(id, relay, ""),
                    _ => waiting(id, relay, &key),
                };
                one.attempts = u32::from(*tried);
                window.push(one);
                for _ in 0..rounds {
                    window.sum_up(most, room, |_| Instant::now());
                }
            }
            let mut seen = Vec::new();
            while let Some(one) = send(&mut window) {
                seen.extend(one.cargo.ids().iter().map(|id| i64::from(*id)));
                window.ended(&one);
            }
            seen.sort_unstable();
            expected.sort_unstable();
            assert_eq!(seen, expected);
            assert_eq!((window.len(), window.open_ones, window.parked, window.members), (0, 0, 0, 0));
        });
    }
}

#[tokio::test(start_paused = true)]
async fn groups_go_at_their_time_and_a_resolve_of_one_hurries_it() {
    let mut window = window(None, &[]);
    let group = |by: &str| BundleKind::Group { by: by.to_owned() };
    for (id, by) in [(0, "x"), (1, "y"), (2, "x")] {
        let (delivery, message) = said(id, "all", by);
        window.gather(group(by), Instant::now() + MINUTE, &delivery, &message, Vec::new());
    }
    assert!(ids(&mut window).is_empty());
    let Next::At(at) = window.next(Instant::now()) else { panic!("something gathers") };
    assert_eq!(at, Instant::now() + MINUTE);
    let (delivery, resolve) = said(3, "all", "x");
    window.hurry(&resolve, None);
    window.push(Waiting::one(delivery, resolve, Vec::new()));
    let first = send(&mut window).expect("the group that the resolve is about");
    assert_eq!(first.cargo.ids().len(), 2);
    assert!(ids(&mut window).is_empty(), "the resolve waits for its group");
    window.ended(&first);
    assert_eq!(ids(&mut window), [[3]]);
    tokio::time::advance(MINUTE).await;
    assert_eq!(ids(&mut window), [[1]]);
}
