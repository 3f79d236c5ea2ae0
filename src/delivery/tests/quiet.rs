//! What survives a restart of the lane, and what is not sent.

use super::*;

const UNIQUE: &str = r#"
[[relay]]
name = "unique"
text = "{{ data.n }}"
unique = "10m"
"#;

#[tokio::test]
async fn a_key_is_not_sent_again_even_after_a_restart() {
    let mut harness = Harness::new(UNIQUE, Scripted::chat());
    harness.commit(["x.a", "x.a", "x.b"]).await;
    harness.run(harness.settled()).await;
    harness.commit(["x.a", "x.c"]).await;
    harness.run(harness.settled()).await;
    assert_eq!(harness.sink.texts(), ["1", "3", "5"]);
    assert_eq!(harness.states().await, [("delivered", 3), ("suppressed", 2)]);
}

const THREADED: &str = r#"
[[relay]]
name = "threaded"
text = "{{ data.n }}"
signal = "{{ 'resolve' if event.type == 'over.a' else 'trigger' }}"
"#;

#[tokio::test]
async fn a_sink_that_remembers_gets_the_thread_until_its_resolve() {
    let remembers = SinkTraits { remembers: true, ..SinkTraits::plain("here".to_owned()) };
    let receipt = |ts: &str| Ok(Receipt(Some(ts.to_owned())));
    let sink = Scripted::new(remembers).will_answer(["C/1", "C/2", "C/1", "C/1", "C/3"].map(receipt));
    let mut harness = Harness::new(THREADED, sink);
    harness.commit(["on.a", "on.b"]).await;
    harness.run(harness.settled()).await;
    harness.commit(["on.a", "over.a", "on.a"]).await;
    harness.run(harness.settled()).await;
    let earlier: Vec<_> = harness.sink.got.borrow().iter().map(|message| message.earlier.clone()).collect();
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
async fn a_muted_relay_sends_nothing_but_resolves() {
    let mut harness = Harness::new(MUTED, Scripted::chat());
    harness.commit(["x.a", "over.a", "x.b"]).await;
    harness.run(harness.settled()).await;
    assert_eq!(harness.sink.texts(), ["2"]);
    assert_eq!(harness.states().await, [("delivered", 1), ("suppressed", 2)]);
}

#[tokio::test]
async fn a_silence_covers_pending_messages_but_no_resolve() {
    let mut harness = Harness::new(&THREADED.replace("threaded", "all"), Scripted::chat()).limited(1);
    harness.config.digest = Some(0);
    harness.commit(["on.a", "on.b", "on.c", "over.a"]).await;
    harness
        .run(async {
            harness.sink.wait_for(1).await;
            let now = Timestamp::now();
            let until = now + jiff::SignedDuration::from_hours(1);
            let silence_match = crate::relay::SilenceMatch::parse(&["type=*.*".to_owned()]).expect("a match");
            let silence = crate::relay::Silence { id: 1, why: "deploy".to_owned(), since: now, until, silence_match };
            harness.silences.replace(vec![silence]);
            harness.settled().await;
        })
        .await;
    assert_eq!(harness.sink.texts(), ["1", "4"]);
    assert_eq!(harness.states().await, [("delivered", 2), ("suppressed", 2)]);
}

#[tokio::test]
async fn a_replayed_message_is_sent_however_quiet_its_relay() {
    let refused = SendError::NeverMessage(Fault::new("status_400", "no"));
    let sink = Scripted::new(SinkTraits::plain("here".to_owned())).will_answer([Ok(Receipt::default()), Err(refused)]);
    let mut harness = Harness::new(&format!("{UNIQUE}throttle = {{ max = 2, per = \"1h\" }}"), sink);
    harness.commit(["x.a", "x.b"]).await;
    harness.run(harness.settled()).await;
    harness.commit(["x.b"]).await;
    assert_eq!(harness.store.replay(crate::store::DeadFilter::default()).await, Ok(1));
    harness
        .run(async {
            harness.sink.wait_for(4).await;
        })
        .await;
    assert_eq!(
        harness.sink.texts(),
        ["1", "2", "3", "2"],
        "the last would be one too many for the throttle, and was sent before"
    );
}
