//! What outlives a restart of the lane, and what is never said.

use super::*;

const UNIQUE: &str = r#"
[[relay]]
name = "unique"
text = "{{ data.n }}"
unique = "10m"
"#;

#[tokio::test]
async fn a_key_that_was_said_is_not_said_again_be_it_after_a_restart() {
    let mut stage = Stage::new(UNIQUE, Scripted::chat());
    stage.say(["x.a", "x.a", "x.b"]).await;
    stage.live(stage.settled()).await;
    stage.say(["x.a", "x.c"]).await;
    stage.live(stage.settled()).await;
    assert_eq!(stage.sink.texts(), ["1", "3", "5"]);
    assert_eq!(stage.states().await, [("delivered", 3), ("suppressed", 2)]);
}

const THREADED: &str = r#"
[[relay]]
name = "threaded"
text = "{{ data.n }}"
signal = "{{ 'resolve' if event.type == 'over.a' else 'trigger' }}"
"#;

#[tokio::test]
async fn a_sink_that_asks_is_reminded_of_the_thread_until_its_resolve() {
    let remembers = SinkTraits { remembers: true, ..SinkTraits::plain("here".to_owned()) };
    let receipt = |ts: &str| Ok(Receipt(Some(ts.to_owned())));
    let sink = Scripted::new(remembers).will_answer(["C/1", "C/2", "C/1", "C/1", "C/3"].map(receipt));
    let mut stage = Stage::new(THREADED, sink);
    stage.say(["on.a", "on.b"]).await;
    stage.live(stage.settled()).await;
    stage.say(["on.a", "over.a", "on.a"]).await;
    stage.live(stage.settled()).await;
    let earlier: Vec<_> = stage.sink.got.borrow().iter().map(|message| message.earlier.clone()).collect();
    let one = Some("C/1".to_owned());
    assert_eq!(earlier, [None, None, one.clone(), one, None], "the next incident has a thread of its own");
}

const MUTED: &str = r#"
[[relay]]
name = "muted"
text = "{{ data.n }}"
mute = [{ days = "mon-sun" }]
signal = "{{ 'resolve' if event.type == 'over.a' else '' }}"
"#;

#[tokio::test]
async fn a_muted_relay_says_nothing_but_that_something_is_over() {
    let mut stage = Stage::new(MUTED, Scripted::chat());
    stage.say(["x.a", "over.a", "x.b"]).await;
    stage.live(stage.settled()).await;
    assert_eq!(stage.sink.texts(), ["2"]);
    assert_eq!(stage.states().await, [("delivered", 1), ("suppressed", 2)]);
}

#[tokio::test]
async fn a_silence_covers_what_waits_already_and_spares_what_is_over() {
    let mut stage = Stage::new(&THREADED.replace("threaded", "all"), Scripted::chat()).paced(1);
    stage.habits.digest = Some(0);
    stage.say(["on.a", "on.b", "on.c", "over.a"]).await;
    stage
        .live(async {
            stage.sink.wait_for(1).await;
            let now = Timestamp::now();
            let until = now + jiff::SignedDuration::from_hours(1);
            let silence_match = crate::relay::SilenceMatch::parse(&["type=*.*".to_owned()]).expect("a match");
            let silence = crate::relay::Silence { id: 1, why: "deploy".to_owned(), since: now, until, silence_match };
            stage.silences.replace(vec![silence]);
            stage.settled().await;
        })
        .await;
    assert_eq!(stage.sink.texts(), ["1", "4"]);
    assert_eq!(stage.states().await, [("delivered", 2), ("suppressed", 2)]);
}

#[tokio::test]
async fn what_a_person_asks_for_again_is_said_however_quiet_its_relay() {
    let refused = SendError::NeverMessage(Fault::new("status_400", "no"));
    let sink = Scripted::new(SinkTraits::plain("here".to_owned())).will_answer([Ok(Receipt::default()), Err(refused)]);
    let mut stage = Stage::new(&format!("{UNIQUE}throttle = {{ max = 2, per = \"1h\" }}"), sink);
    stage.say(["x.a", "x.b"]).await;
    stage.live(stage.settled()).await;
    stage.say(["x.b"]).await;
    assert_eq!(stage.store.replay(crate::store::DeadFilter::default()).await, Ok(1));
    stage
        .live(async {
            stage.sink.wait_for(4).await;
        })
        .await;
    assert_eq!(stage.sink.texts(), ["1", "2", "3", "2"], "the last would be one too many, and has been said");
}
