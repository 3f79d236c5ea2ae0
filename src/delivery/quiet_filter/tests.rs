//! What `unique` and `throttle` decide, by the times of acceptance alone.

use super::*;
use crate::event::Event;
use crate::message::Origin;
use std::sync::Arc;
use std::time::Duration;

fn message(key: &str, signal: Option<Signal>) -> Message {
    let event = Arc::new(Event::ours("a.b", "c", Timestamp::UNIX_EPOCH, &serde_json::Value::Null));
    Message { signal, ..Message::plain("text", key, Origin { event, relay: "all".into() }) }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

fn unique() -> Quiet {
    let mut quiet = Quiet::default();
    quiet.unique = Some(Duration::from_secs(600));
    quiet
}

fn throttle(max: u32) -> Quiet {
    let mut quiet = Quiet::default();
    quiet.throttle = Some(Throttle { max, per: Duration::from_secs(60) });
    quiet
}

fn is_sent(decision: &Decision) -> bool {
    matches!(decision, Decision::Send(_))
}

fn filter(notes: &[Note]) -> QuietFilter {
    QuietFilter::restore(Silences::default(), true, notes)
}

#[test]
fn a_key_is_sent_once_in_its_span_and_a_resolve_ends_the_span() {
    let (mut filter, quiet, relay) = (filter(&[]), unique(), Name::from("all"));
    let mut sent = |key, signal, seconds| is_sent(&filter.limit(&relay, &quiet, &message(key, signal), at(seconds)));
    assert!(sent("a", None, 0));
    assert!(!sent("a", None, 599));
    assert!(sent("b", None, 1));
    assert!(sent("a", None, 600), "the span is over");
    assert!(sent("a", Some(Signal::Resolve), 601));
    assert!(sent("a", Some(Signal::Trigger), 602), "after a resolve it is new");
}

#[test]
fn a_message_without_a_key_equals_no_other_and_an_acknowledgement_is_no_repetition() {
    let (mut filter, quiet, relay) = (filter(&[]), unique(), Name::from("all"));
    let mut sent = |key, signal| is_sent(&filter.limit(&relay, &quiet, &message(key, signal), at(0)));
    assert!(sent("", None) && sent("", None));
    assert!(sent("a", Some(Signal::Trigger)) && sent("a", Some(Signal::Acknowledge)));
    assert!(!sent("a", Some(Signal::Acknowledge)));
}

#[test]
fn what_was_held_back_was_not_sent() {
    let (mut filter, relay) = (filter(&[]), Name::from("all"));
    let mut quiet = throttle(1);
    quiet.unique = unique().unique;
    let mut decide = |key, seconds| filter.limit(&relay, &quiet, &message(key, Some(Signal::Trigger)), at(seconds));
    assert!(is_sent(&decide("a", 0)));
    assert!(matches!(decide("b", 1), Decision::Gather { .. }));
    assert!(is_sent(&decide("b", 61)), "it was not sent");
}

#[test]
fn a_throttle_passes_its_maximum_and_gathers_the_rest_until_its_span_ends() {
    let (mut filter, quiet, relay) = (filter(&[]), throttle(2), Name::from("all"));
    let mut decide = |seconds, signal| filter.limit(&relay, &quiet, &message("", signal), at(seconds));
    assert!(is_sent(&decide(10, None)) && is_sent(&decide(11, None)));
    let held = decide(69, None);
    assert!(matches!(held, Decision::Gather { until, .. } if until == at(70)), "{held:?}");
    assert!(is_sent(&decide(69, Some(Signal::Resolve))), "a resolve is not counted");
    assert!(is_sent(&decide(70, None)));
}

#[test]
fn a_restart_remembers_what_was_sent_and_a_dead_message_was_not() {
    let relay = Name::from("all");
    let mut quiet = throttle(1);
    quiet.unique = unique().unique;
    let mut before = filter(&[]);
    let Decision::Send(notes) = before.limit(&relay, &quiet, &message("a", None), at(0)) else { panic!("it is new") };
    assert_eq!(notes.len(), 2);
    let mut after = filter(&notes);
    assert!(matches!(after.limit(&relay, &quiet, &message("a", None), at(1)), Decision::Suppress(_)));
    assert!(matches!(after.limit(&relay, &quiet, &message("b", None), at(1)), Decision::Gather { .. }));
    before.forget(&notes);
    assert!(is_sent(&before.limit(&relay, &unique(), &message("a", None), at(1))));
}

#[test]
fn a_pager_gets_no_sums() {
    let (relay, quiet) = (Name::from("all"), throttle(1));
    let mut filter = QuietFilter::restore(Silences::default(), false, &[]);
    assert!(is_sent(&filter.limit(&relay, &quiet, &message("", None), at(0))));
    let held_back = filter.limit(&relay, &quiet, &message("", None), at(1));
    assert_eq!(held_back, Decision::Suppress("held back: more than 1 within 1m (throttle)".to_owned()));
}
