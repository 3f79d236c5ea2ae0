//! What a lane reports, to an intake that has room and to one that is full.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::*;
use crate::metrics::Metrics;
use crate::outbox::Arrival;
use crate::store::{Delivery, DeliveryId};

struct Lane {
    reporter: Reporter,
    arrivals: mpsc::Receiver<Arrival>,
    metrics: SinkMetrics,
    state: watch::Receiver<LaneState>,
}

/// A reporter whose intake has room for `room` events.
fn lane(room: usize) -> Lane {
    let (sender, arrivals) = mpsc::channel(room);
    let (outbox, _status) = Outbox::new("tidings".into(), "tidings".into(), sender);
    let (state, shown) = watch::channel(LaneState::default());
    let (name, metrics) = (Name::from("ops"), Metrics::new());
    let give_up = Duration::from_secs(3600);
    let reporter = Reporter::new(name.clone(), outbox, metrics.sink(&name), state, give_up);
    Lane { reporter, arrivals, metrics: metrics.sink(&name), state: shown }
}

impl Lane {
    /// The type and the data of each event that has arrived.
    fn reported(&mut self) -> Vec<(String, Value)> {
        let events = std::iter::from_fn(|| self.arrivals.try_recv().ok()).flat_map(Arrival::into_events);
        events.map(|event| (event.r#type.to_string(), event.data.value().as_ref().clone())).collect()
    }
}

fn payload(r#type: &str) -> Payload {
    Payload::One(Delivery {
        id: DeliveryId::from(1),
        event: Arc::new(Event::ours(r#type, "web", Timestamp::UNIX_EPOCH, &Value::Null)),
        relay: "all".into(),
        sink: "ops".into(),
        accepted: Timestamp::UNIX_EPOCH,
        attempts: 1,
        due: None,
        first_tried: None,
        again: false,
    })
}

fn refused() -> Fault {
    Fault::new("status_400", "no such field")
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_an_event_and_counted() {
    let mut lane = lane(8);
    lane.reporter.dead(&payload("source.lost"), &refused());
    let (r#type, data) = lane.reported().remove(0);
    assert_eq!(
        (&*r#type, &data["sink"], &data["count"], &data["why"]),
        ("delivery.dead", &json!("ops"), &json!(1), &json!("no such field"))
    );
    assert_eq!(lane.metrics.dead_total.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_about_a_dead_letter_is_only_counted() {
    let mut lane = lane(8);
    for r#type in ["delivery.dead", "sink.stopped"] {
        lane.reporter.dead(&payload(r#type), &refused());
        lane.reporter.expired(&payload(r#type), &refused());
    }
    assert_eq!((lane.reported(), lane.reporter.next_round()), (Vec::new(), None));
    assert_eq!(lane.metrics.dead_total.get(), 4);
}

#[tokio::test(start_paused = true)]
async fn expired_messages_are_reported_together_once_a_round() {
    let mut lane = lane(8);
    for _ in 0..3 {
        lane.reporter.expired(&payload("source.lost"), &refused());
    }
    let due = lane.reporter.next_round().expect("a round");
    lane.reporter.report_expired(due - Duration::from_secs(1));
    assert_eq!(lane.reported(), [], "not yet");
    lane.reporter.report_expired(due);
    lane.reporter.report_expired(due + ROUND);
    let data = json!({ "sink": "ops", "count": 3, "why": "3 messages waited longer than 1h" });
    assert_eq!(lane.reported(), [("delivery.dead".to_owned(), data)], "once");
    assert_eq!((lane.reporter.next_round(), lane.metrics.dead_total.get()), (None, 3));
}

#[tokio::test(start_paused = true)]
async fn what_the_intake_has_no_room_for_is_sent_later_in_order_and_bounded() {
    let mut lane = lane(1);
    let now = Instant::now();
    for number in 0..2 * MAX_QUEUED {
        lane.reporter.dead(&payload("source.lost"), &Fault::new("status_400", number.to_string()));
    }
    let mut reported = lane.reported();
    while lane.reporter.send_queued(now) == Some(now + TRY_AGAIN) {
        reported.extend(lane.reported());
    }
    reported.extend(lane.reported());
    let numbers: Vec<_> = reported.iter().map(|(_, data)| data["why"].as_str().expect("a text").to_owned()).collect();
    assert_eq!(numbers, (0..=MAX_QUEUED).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_stop_and_a_pause_are_shown_and_only_the_stop_is_an_event() {
    let mut lane = lane(8);
    let cause = Fault::new("timeout", "no answer");
    lane.reporter.tripped(Trip::First, Duration::from_secs(2), &cause);
    assert_eq!(lane.state.borrow().held.as_deref(), Some("no answer"));
    assert!((lane.metrics.lane_wait.get() - 2.0).abs() < f64::EPSILON);
    lane.reporter.resumed();
    assert_eq!(*lane.state.borrow(), LaneState::default());
    assert_eq!(lane.reported(), []);
    lane.reporter.stopped(&Fault::new("status_404", "no such hook"));
    assert_eq!(lane.state.borrow().stopped.as_deref(), Some("no such hook"));
    let data = json!({ "sink": "ops", "why": "no such hook" });
    assert_eq!(lane.reported(), [("sink.stopped".to_owned(), data)]);
}
