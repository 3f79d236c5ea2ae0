//! Digests, groups and throttles: what arrives, and that the counts add up.

use super::*;

/// How many events a message stands for: a digest's title begins with its count.
fn stands_for(message: &Message) -> usize {
    let title = message.title.as_deref().and_then(|title| title.split_once(" events of relay "));
    title.map_or(1, |(count, _)| count.parse().expect("a count"))
}

#[tokio::test]
async fn a_storm_reaches_a_limited_chat_in_few_messages_and_every_event_is_counted_once() {
    let mut harness = Harness::new(ALL, Scripted::chat()).limited(20);
    harness.config.digest = Some(20);
    let many = 2_000;
    harness
        .run(async {
            for _ in 0..many / 100 {
                commit_many(&harness, 100).await;
            }
            harness.settled().await;
        })
        .await;
    let got = harness.sink.got.borrow().clone();
    assert_eq!(got.iter().map(stands_for).sum::<usize>(), many);
    assert!(got.len() < many / 20, "{} messages", got.len());
    assert_eq!(harness.states().await, [("delivered", many)]);
}

/// As [`Harness::commit`] for a lane that already runs.
async fn commit_many(harness: &Harness, many: usize) {
    let relays = harness.relays.iter().map(|relay| relay.name.clone());
    let routes: Vec<_> = relays.map(|relay| Route { relay, sink: "ops".into() }).collect();
    let event = |n: usize| Event {
        id: EventId::fresh(Timestamp::now()),
        source: "prod".into(),
        kind: "tutum".into(),
        r#type: if n.is_multiple_of(3) { "container.stop" } else { "container.start" }.into(),
        time: Timestamp::now(),
        subject: format!("/c/{}/", n % 7).into(),
        data: Body::from_value(&json!({ "n": n })),
    };
    let entries = (0..many)
        .map(|n| Entry { event: Arc::new(event(n)), routes: routes.clone(), cursor: None, incident: None })
        .collect();
    harness.store.commit(entries).await.expect("committed");
}

#[tokio::test]
async fn without_a_limit_or_with_digest_0_every_message_is_sent_by_itself() {
    for harness in [Harness::new(ALL, Scripted::chat()), {
        let mut limited = Harness::new(ALL, Scripted::chat()).limited(1000);
        limited.config.digest = Some(0);
        limited
    }] {
        harness
            .run(async {
                commit_many(&harness, 100).await;
                harness.sink.wait_for(100).await;
                harness.settled().await;
            })
            .await;
        assert!(harness.sink.got.borrow().iter().all(|message| message.title.is_none()));
    }
}

const GROUPED: &str = r#"
[[relay]]
name = "grouped"
text = "{{ data.n }}"
group = { by = "{{ event.subject }}", wait = "300ms" }
signal = "{{ 'resolve' if event.type == 'all.over' else 'trigger' }}"
key = "one"
"#;

#[tokio::test]
async fn a_group_is_sent_as_one_message_and_before_its_resolve() {
    let mut harness = Harness::new(GROUPED, Scripted::chat());
    harness.commit(["x.red", "x.red", "x.blue", "x.red", "all.over"]).await;
    let got = harness
        .run(async {
            let got = harness.sink.wait_for(3).await;
            harness.settled().await;
            got
        })
        .await;
    let sent: Vec<_> =
        got.iter().map(|message| (stands_for(message), message.signal.map(crate::message::Signal::word))).collect();
    let (trigger, resolve) = (Some("trigger"), Some("resolve"));
    assert_eq!(sent, [(3, trigger), (1, trigger), (1, resolve)], "a group of one is its own message");
    assert_eq!(harness.states().await, [("delivered", 5)]);
}

const THROTTLED: &str = r#"
[[relay]]
name = "throttled"
text = "{{ data.n }}"
throttle = { max = 2, per = "500ms" }
"#;

#[tokio::test]
async fn what_a_throttle_held_back_is_counted_in_one_line_when_its_span_is_over() {
    let mut harness = Harness::new(THROTTLED, Scripted::chat());
    harness.commit(["x.a", "x.b", "x.c", "x.c", "x.d"]).await;
    let got = harness
        .run(async {
            let got = harness.sink.wait_for(3).await;
            harness.settled().await;
            got
        })
        .await;
    assert_eq!([&*got[0].text, &*got[1].text], ["1", "2"]);
    assert!(got[2].text.starts_with("3 more from relay throttled were held back"), "{}", got[2].text);
    assert_eq!(harness.states().await, [("delivered", 2), ("suppressed", 3)]);
}

const TWICE: &str = r#"
[[relay]]
name = "one"
text = "{{ data.n }}"
[[relay]]
name = "other"
text = "{{ data.n }}"
"#;

#[tokio::test]
async fn two_relays_over_the_same_events_get_a_digest_each() {
    let mut harness = Harness::new(TWICE, Scripted::chat()).limited(20);
    harness.config.digest = Some(20);
    commit_many(&harness, 300).await;
    harness.run(harness.settled()).await;
    let got = harness.sink.got.borrow().clone();
    assert_eq!(got.iter().map(stands_for).sum::<usize>(), 600);
    assert!(got.len() < 60, "{} messages", got.len());
    assert_eq!(harness.states().await, [("delivered", 600)]);
}

const FETCHING: &str = r#"
[[relay]]
name = "all"
fetch.thing = "{{ event.subject }}"
text = "{{ thing.name }} {{ data.n }}"
"#;

#[tokio::test]
async fn a_message_sent_by_itself_has_what_its_relay_fetches_even_in_a_storm() {
    let mut harness = Harness::new(FETCHING, Scripted::chat()).limited(20);
    harness.config.digest = Some(5);
    harness
        .run(async {
            for _ in 0..10 {
                commit_many(&harness, 30).await;
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
            harness.settled().await;
        })
        .await;
    let got = harness.sink.got.borrow().clone();
    assert_eq!(got.iter().map(stands_for).sum::<usize>(), 300);
    for message in got.iter().filter(|message| message.title.is_none()) {
        assert!(message.text.starts_with("/c/"), "{}", message.text);
    }
}

#[tokio::test]
async fn a_group_and_a_throttle_survive_a_restart() {
    let mut harness = Harness::new(GROUPED, Scripted::chat());
    harness.commit(["x.red", "x.red"]).await;
    harness.run(tokio::time::sleep(Duration::from_millis(50))).await;
    assert_eq!(harness.sink.texts(), [""; 0], "it waits for more");
    harness.commit(["x.red"]).await;
    let got = harness.run(harness.sink.wait_for(1)).await;
    assert_eq!(stands_for(&got[0]), 3);

    let mut harness = Harness::new(&THROTTLED.replace("500ms", "2s"), Scripted::chat());
    harness.commit(["x.a", "x.a", "x.a"]).await;
    harness.run(harness.sink.wait_for(2)).await;
    harness.commit(["x.a"]).await;
    let got = harness.run(harness.sink.wait_for(3)).await;
    assert!(got[2].text.starts_with("2 more from relay throttled"), "{}", got[2].text);
}

#[tokio::test]
async fn a_pager_gets_no_sums() {
    for relays in [THROTTLED.replace('2', "1"), GROUPED.to_owned()] {
        let pager =
            SinkTraits { audience: Audience::Pager, knows_repeats: true, ..SinkTraits::plain("here".to_owned()) };
        let mut harness = Harness::new(&relays, Scripted::new(pager));
        harness.commit(["x.a", "x.a"]).await;
        harness.run(harness.settled()).await;
        assert!(harness.sink.got.borrow().iter().all(|message| stands_for(message) == 1 && message.text.len() == 1));
    }
}
