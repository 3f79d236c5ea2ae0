//! Attempts that fail, and those that are never answered.

use super::*;
use crate::store::DeadFilter;

#[tokio::test]
async fn a_message_that_may_have_arrived_is_sent_again_with_a_mark() {
    let mut harness = Harness::new(ALL, Scripted::chat().will_answer([Err(later("timeout", true))]));
    harness.commit(["x.a", "x.b"]).await;
    harness.run(harness.settled()).await;
    let texts = harness.sink.texts();
    assert_eq!(texts[0], "1");
    assert_eq!(texts[1], "1\n(perhaps a repetition: the first attempt was not answered)");
    assert_eq!(texts[2], "2");
}

#[tokio::test]
async fn with_repeat_false_it_becomes_a_dead_letter_with_that_reason() {
    let mut harness = Harness::new(ALL, Scripted::chat().will_answer([Err(later("timeout", true))]));
    harness.config.repeat = false;
    harness.commit(["x.a", "x.b"]).await;
    harness.run(harness.settled()).await;
    assert_eq!(harness.sink.texts(), ["1", "2"]);
    let dead = harness.store.dead(DeadFilter::default()).await.expect("readable");
    assert_eq!(dead.len(), 1);
    let why = dead[0].delivery.why.as_deref().unwrap_or_default();
    assert!(why.contains("repeat = false"), "{why}");
    assert!(harness.arrivals.try_recv().is_ok(), "delivery.dead is reported");
}

#[tokio::test]
async fn a_receiver_that_recognizes_repetitions_gets_them_unmarked() {
    let knows = SinkTraits { audience: Audience::Chat, knows_repeats: true, ..SinkTraits::plain("here".to_owned()) };
    let mut harness = Harness::new(ALL, Scripted::new(knows).will_answer([Err(later("timeout", true))]));
    harness.config.repeat = false;
    harness.commit(["x.a"]).await;
    harness.run(harness.settled()).await;
    assert_eq!(harness.sink.texts(), ["1", "1"]);
}

#[tokio::test]
async fn a_dead_letter_keeps_every_attempt_and_the_last_reply() {
    let never = SendError::NeverMessage(Fault::new("status_400", "no").with_reply("no such thing"));
    let sink = Scripted::new(SinkTraits::plain("here".to_owned()));
    let sink = sink.will_answer([Err(later("status_500", false)), Err(later("status_500", false)), Err(never)]);
    let mut harness = Harness::new(ALL, sink);
    harness.commit(["x.a"]).await;
    harness.run(harness.settled()).await;
    let dead = harness.store.dead(DeadFilter::default()).await.expect("readable").remove(0).delivery;
    assert_eq!((dead.attempts, dead.tries.len(), dead.reply.as_deref()), (3, 3, Some("no such thing")));
}

#[tokio::test]
async fn an_archive_gets_many_at_once_and_only_what_it_refused_again() {
    let archive = SinkTraits { batch: 50, knows_repeats: true, ..SinkTraits::plain("here".to_owned()) };
    let busy = (0..50).map(|n| if n % 10 == 0 { Err(later("status_503", false)) } else { Ok(Receipt::default()) });
    let mut harness = Harness::new(ALL, Scripted::new(archive).will_answer(busy));
    harness.commit(std::iter::repeat_n("x.a", 500)).await;
    harness.run(harness.settled()).await;
    assert_eq!(harness.sink.got.borrow().len(), 505);
    let requests = harness.sink.requests.lock().expect("unpoisoned").clone();
    assert!(requests.len() <= 20, "{requests:?}");
    assert_eq!(harness.states().await, [("delivered", 500)]);
}

#[tokio::test]
async fn a_stopped_lane_is_reported_once_even_if_the_intake_was_full() {
    let gone = || Err(SendError::NeverDestination(Fault::new("status_404", "no such hook")));
    let mut harness = Harness::new(ALL, Scripted::chat().will_answer([gone(), gone()]));
    let mut full = 0;
    while harness.outbox.try_offer(Event::ours("daemon.started", "x", Timestamp::now(), &Value::Null)) {
        full += 1;
    }
    harness.commit(["x.a", "x.b"]).await;
    let mut arrivals = tokio::sync::mpsc::channel(1).1;
    std::mem::swap(&mut harness.arrivals, &mut arrivals);
    let types = harness
        .run(async {
            harness.sink.wait_for(1).await;
            let mut types = Vec::new();
            while types.len() <= full {
                let arrival =
                    tokio::time::timeout(PATIENCE, arrivals.recv()).await.expect("it is reported").expect("open");
                types.extend(arrival.into_events().into_iter().map(|event| event.r#type.to_string()));
            }
            types
        })
        .await;
    assert_eq!(types.iter().filter(|one| *one == "sink.stopped").count(), 1);
    assert!(arrivals.try_recv().is_err(), "once");
    assert_eq!(harness.states().await, [("pending", 2)], "nothing is lost");
}

#[tokio::test]
async fn many_messages_that_fail_alone_do_not_block_the_others() {
    const BAD: usize = 300;
    let bad = (0..BAD).map(|_| Err(later("status_500", false)));
    let mut harness = Harness::new(ALL, Scripted::new(SinkTraits::plain("here".to_owned())).will_answer(bad));
    harness.config.retry = Backoff { first: Duration::from_secs(3600), max: Duration::from_secs(3600) };
    harness.config.concurrency = 4;
    let subjects: Vec<String> = (0..BAD + 10).map(|n| format!("x.{n}")).collect();
    harness.commit(subjects.iter().map(String::as_str)).await;
    harness.run(harness.sink.wait_for(BAD + 10)).await;
    assert_eq!(harness.states().await, [("delivered", 10), ("pending", BAD)]);
}
