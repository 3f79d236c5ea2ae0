//! Attempts that fail, and those of which nobody knows.

use super::*;
use crate::store::DeadFilter;

#[tokio::test]
async fn what_may_have_arrived_is_sent_again_with_a_mark() {
    let mut stage = Stage::new(ALL, Scripted::chat().will_answer([Err(later("timeout", true))]));
    stage.say(["x.a", "x.b"]).await;
    stage.live(stage.settled()).await;
    let texts = stage.sink.texts();
    assert_eq!(texts[0], "1");
    assert_eq!(texts[1], "1\n(perhaps a repetition: the first attempt was not answered)");
    assert_eq!(texts[2], "2");
}

#[tokio::test]
async fn where_repeating_is_forbidden_it_becomes_a_dead_letter_that_says_so() {
    let mut stage = Stage::new(ALL, Scripted::chat().will_answer([Err(later("timeout", true))]));
    stage.habits.repeat = false;
    stage.say(["x.a", "x.b"]).await;
    stage.live(stage.settled()).await;
    assert_eq!(stage.sink.texts(), ["1", "2"]);
    let dead = stage.store.dead(DeadFilter::default()).await.expect("readable");
    assert_eq!(dead.len(), 1);
    assert!(dead[0].why.contains("repeat = false"), "{}", dead[0].why);
    let told = stage.told.try_recv();
    assert!(told.is_ok(), "delivery.dead is told");
}

#[tokio::test]
async fn a_receiver_that_knows_repetitions_gets_them_as_they_are() {
    let knows = SinkTraits { audience: Audience::Chat, knows_repeats: true, ..SinkTraits::plain("here".to_owned()) };
    let mut stage = Stage::new(ALL, Scripted::new(knows).will_answer([Err(later("timeout", true))]));
    stage.habits.repeat = false;
    stage.say(["x.a"]).await;
    stage.live(stage.settled()).await;
    assert_eq!(stage.sink.texts(), ["1", "1"]);
}

#[tokio::test]
async fn a_dead_letter_keeps_every_attempt_and_the_last_reply() {
    let never = SendError::NeverMessage(Fault::new("status_400", "no").with_reply("no such thing"));
    let sink = Scripted::new(SinkTraits::plain("here".to_owned()));
    let sink = sink.will_answer([Err(later("status_500", false)), Err(later("status_500", false)), Err(never)]);
    let mut stage = Stage::new(ALL, sink);
    stage.say(["x.a"]).await;
    stage.live(stage.settled()).await;
    let dead = stage.store.dead(DeadFilter::default()).await.expect("readable").remove(0);
    assert_eq!((dead.attempts, dead.tries.len(), dead.reply.as_deref()), (3, 3, Some("no such thing")));
}

#[tokio::test]
async fn an_archive_takes_many_at_once_and_only_what_it_refused_is_sent_again() {
    let archive = SinkTraits { batch: 50, knows_repeats: true, ..SinkTraits::plain("here".to_owned()) };
    let busy = (0..50).map(|n| if n % 10 == 0 { Err(later("status_503", false)) } else { Ok(Receipt::default()) });
    let mut stage = Stage::new(ALL, Scripted::new(archive).will_answer(busy));
    stage.say(std::iter::repeat_n("x.a", 500)).await;
    stage.live(stage.settled()).await;
    assert_eq!(stage.sink.got.borrow().len(), 505);
    let requests = stage.sink.requests.lock().expect("unpoisoned").clone();
    assert!(requests.len() <= 20, "{requests:?}");
    assert_eq!(stage.states().await, [("delivered", 500)]);
}

#[tokio::test]
async fn a_stopped_lane_is_told_of_once_also_where_there_was_no_room_to_tell_it() {
    let gone = || Err(SendError::NeverDestination(Fault::new("status_404", "no such hook")));
    let mut stage = Stage::new(ALL, Scripted::chat().will_answer([gone(), gone()]));
    let mut full = 0;
    while stage.ours.mention(Event::ours("daemon.started", "x", Timestamp::now(), &Value::Null)) {
        full += 1;
    }
    stage.say(["x.a", "x.b"]).await;
    let mut told = tokio::sync::mpsc::channel(1).1;
    std::mem::swap(&mut stage.told, &mut told);
    let types = stage
        .live(async {
            stage.sink.wait_for(1).await;
            let mut types = Vec::new();
            while types.len() <= full {
                let arrival = tokio::time::timeout(PATIENCE, told.recv()).await.expect("it is told").expect("open");
                types.extend(arrival.into_events().into_iter().map(|event| event.r#type.to_string()));
            }
            types
        })
        .await;
    assert_eq!(types.iter().filter(|told| *told == "sink.stopped").count(), 1);
    assert!(told.try_recv().is_err(), "once");
    assert_eq!(stage.states().await, [("pending", 2)], "nothing is lost");
}

#[tokio::test]
async fn many_that_fail_by_themselves_keep_nobody_out() {
    const BAD: usize = 300;
    let bad = (0..BAD).map(|_| Err(later("status_500", false)));
    let mut stage = Stage::new(ALL, Scripted::new(SinkTraits::plain("here".to_owned())).will_answer(bad));
    stage.habits.retry = crate::backoff::Backoff { first: Duration::from_secs(3600), max: Duration::from_secs(3600) };
    stage.habits.concurrency = 4;
    let subjects: Vec<String> = (0..BAD + 10).map(|n| format!("x.{n}")).collect();
    stage.say(subjects.iter().map(String::as_str)).await;
    stage.live(stage.sink.wait_for(BAD + 10)).await;
    assert_eq!(stage.states().await, [("delivered", 10), ("pending", BAD)]);
}
