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
    let remembers = Manner { remembers: true, ..Manner::plain("here".to_owned()) };
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
