use std::sync::Arc;

use jiff::Timestamp;

use super::*;
use crate::delivery::bundle::BundleKind;
use crate::event::{Event, Name};
use crate::message::{Message, Origin};
use crate::queue::{Delivery, DeliveryId};

const MINUTE: Duration = Duration::from_secs(60);

fn said(id: i64, relay: &str, key: &str) -> (Delivery, Box<Message>) {
    let event = Arc::new(Event::ours("a.b", "c", Timestamp::UNIX_EPOCH, &serde_json::Value::Null));
    let (relay, sink) = (Name::from(relay), Name::from("ops"));
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
    (delivery, Box::new(Message::plain("text", key, origin)))
}

fn waiting(id: i64, relay: &str, key: &str) -> Waiting {
    let (delivery, message) = said(id, relay, key);
    Waiting::one(delivery, message, Vec::new())
}

fn window(holds_for: Option<Duration>, keys: &[&str]) -> Window {
    let mut window = Window::new(holds_for, true);
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
    let ids = |waiting: Waiting| waiting.cargo.ids().iter().map(|id| id.0).collect();
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
    let mut window = Window::new(None, false);
    window.push(waiting(0, "all", "a"));
    window.push(waiting(1, "all", "a"));
    assert_eq!(ids(&mut window), [[0], [1]]);
}

#[tokio::test(start_paused = true)]
async fn a_storm_becomes_one_message_and_what_comes_later_joins_it() {
    let mut window = window(None, &["a", "b", "c"]);
    window.push(waiting(3, "other", "d"));
    let all = Name::from("all");
    assert_eq!(window.fullest_relay(), Some((all.clone(), 3)));
    window.make_digest(&all, Instant::now() + MINUTE);
    assert!(window.storms(&all) && !window.storms(&"other".into()));
    let (delivery, message) = said(4, "all", "e");
    assert!(window.join_storm(delivery, message, Vec::new()).is_none(), "it joins");
    assert_eq!(ids(&mut window), [[3]], "a digest that still gathers is in nobody's way");
    tokio::time::advance(MINUTE).await;
    assert_eq!(ids(&mut window), [[0, 1, 2, 4]]);
}

#[tokio::test(start_paused = true)]
async fn a_digest_lets_nothing_pass_what_is_before_it_in_its_key() {
    let mut window = window(None, &["a", "b"]);
    window.push(waiting(2, "other", "k"));
    window.push(waiting(3, "all", "k"));
    window.push(waiting(4, "all", "c"));
    window.make_digest(&"all".into(), Instant::now());
    assert_eq!(ids(&mut window), [vec![0, 1, 4], vec![2]], "3 would pass 2, so it waits by itself for its key");
}

#[tokio::test(start_paused = true)]
async fn a_digest_under_way_holds_the_keys_of_all_its_members() {
    let mut window = window(None, &["a", "b"]);
    window.make_digest(&"all".into(), Instant::now());
    let digest = send(&mut window).expect("the digest");
    window.push(waiting(2, "other", "b"));
    assert!(ids(&mut window).is_empty());
    window.ended(&digest);
    assert_eq!(ids(&mut window), [[2]]);
}

#[tokio::test(start_paused = true)]
async fn groups_go_at_their_time_and_a_resolve_of_one_hurries_it() {
    let mut window = Window::new(None, true);
    let group = |by: &str| BundleKind::Group { by: by.to_owned() };
    for (id, by) in [(0, "x"), (1, "y"), (2, "x")] {
        let (delivery, message) = said(id, "all", by);
        window.gather(group(by), Instant::now() + MINUTE, &delivery, &message, Vec::new());
    }
    assert!(ids(&mut window).is_empty());
    let Next::At(at) = window.next(Instant::now()) else { panic!("something gathers") };
    assert_eq!(at, Instant::now() + MINUTE);
    let (delivery, resolve) = said(3, "all", "x");
    window.hurry(&resolve);
    window.push(Waiting::one(delivery, resolve, Vec::new()));
    let first = send(&mut window).expect("the group that the resolve is about");
    assert_eq!(first.cargo.ids().len(), 2);
    assert!(ids(&mut window).is_empty(), "the resolve waits for its group");
    window.ended(&first);
    assert_eq!(ids(&mut window), [[3]]);
    tokio::time::advance(MINUTE).await;
    assert_eq!(ids(&mut window), [[1]]);
}
