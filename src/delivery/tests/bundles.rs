//! Storms, groups and throttles: what arrives, and that the counts add up.

use super::*;

/// How many events a message stands for: a digest's title begins with its count.
fn stands_for(message: &Message) -> usize {
    let title = message.title.as_deref().and_then(|title| title.split_once(" events of relay "));
    title.map_or(1, |(count, _)| count.parse().expect("a count"))
}

#[tokio::test]
async fn a_storm_reaches_a_limited_chat_in_few_messages_and_every_event_is_counted_once() {
    let mut stage = Stage::new(ALL, Scripted::chat()).paced(20);
    stage.habits.digest = Some(20);
    let many = 2_000;
    stage
        .live(async {
            for _ in 0..many / 100 {
                stage_say(&stage, 100).await;
            }
            stage.settled().await;
        })
        .await;
    let got = stage.sink.got.borrow().clone();
    assert_eq!(got.iter().map(stands_for).sum::<usize>(), many);
    assert!(got.len() < many / 20, "{} messages", got.len());
    assert_eq!(stage.states().await, [("delivered", many)]);
    stage.said = 0;
}

/// As [`Stage::say`] for a stage that already lives.
async fn stage_say(stage: &Stage, many: usize) {
    let relays = stage.relays.iter().map(|relay| relay.name.clone());
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
    stage.store.commit(entries).await.expect("committed");
}

#[tokio::test]
async fn without_a_limit_or_with_digest_0_everything_is_said_by_itself() {
    for stage in [Stage::new(ALL, Scripted::chat()), {
        let mut paced = Stage::new(ALL, Scripted::chat()).paced(1000);
        paced.habits.digest = Some(0);
        paced
    }] {
        stage
            .live(async {
                stage_say(&stage, 100).await;
                stage.sink.wait_for(100).await;
                stage.settled().await;
            })
            .await;
        assert!(stage.sink.got.borrow().iter().all(|message| message.title.is_none()));
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
async fn what_belongs_together_is_said_together_and_before_its_resolve() {
    let mut stage = Stage::new(GROUPED, Scripted::chat());
    stage.say(["x.red", "x.red", "x.blue", "x.red", "all.over"]).await;
    let got = stage
        .live(async {
            let got = stage.sink.wait_for(3).await;
            stage.settled().await;
            got
        })
        .await;
    let said: Vec<_> =
        got.iter().map(|message| (stands_for(message), message.signal.map(crate::message::Signal::word))).collect();
    let (trigger, resolve) = (Some("trigger"), Some("resolve"));
    assert_eq!(said, [(3, trigger), (1, trigger), (1, resolve)], "a group of one is its own message");
    assert_eq!(stage.states().await, [("delivered", 5)]);
}

const THROTTLED: &str = r#"
[[relay]]
name = "throttled"
text = "{{ data.n }}"
throttle = { max = 2, per = "500ms" }
"#;

#[tokio::test]
async fn what_a_throttle_held_back_is_said_in_one_line_when_its_time_is_over() {
    let mut stage = Stage::new(THROTTLED, Scripted::chat());
    stage.say(["x.a", "x.b", "x.c", "x.c", "x.d"]).await;
    let got = stage
        .live(async {
            let got = stage.sink.wait_for(3).await;
            stage.settled().await;
            got
        })
        .await;
    assert_eq!([&*got[0].text, &*got[1].text], ["1", "2"]);
    assert!(got[2].text.starts_with("3 more from relay throttled were held back"), "{}", got[2].text);
    assert_eq!(stage.states().await, [("delivered", 2), ("suppressed", 3)]);
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
async fn two_relays_that_say_the_same_of_the_same_are_summed_up_each() {
    let mut stage = Stage::new(TWICE, Scripted::chat()).paced(20);
    stage.habits.digest = Some(20);
    stage_say(&stage, 300).await;
    stage.live(stage.settled()).await;
    let got = stage.sink.got.borrow().clone();
    assert_eq!(got.iter().map(stands_for).sum::<usize>(), 600);
    assert!(got.len() < 60, "{} messages", got.len());
    assert_eq!(stage.states().await, [("delivered", 600)]);
}

const FETCHING: &str = r#"
[[relay]]
name = "all"
fetch.thing = "{{ event.subject }}"
text = "{{ thing.name }} {{ data.n }}"
"#;

#[tokio::test]
async fn what_is_said_by_itself_has_its_words_in_full_be_it_amid_a_storm() {
    let mut stage = Stage::new(FETCHING, Scripted::chat()).paced(20);
    stage.habits.digest = Some(5);
    stage
        .live(async {
            for _ in 0..10 {
                stage_say(&stage, 30).await;
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
            stage.settled().await;
        })
        .await;
    let got = stage.sink.got.borrow().clone();
    assert_eq!(got.iter().map(stands_for).sum::<usize>(), 300);
    for message in got.iter().filter(|message| message.title.is_none()) {
        assert!(message.text.starts_with("/c/"), "{}", message.text);
    }
}

#[tokio::test]
async fn a_group_and_a_throttle_outlive_a_restart() {
    let mut stage = Stage::new(GROUPED, Scripted::chat());
    stage.say(["x.red", "x.red"]).await;
    stage.live(tokio::time::sleep(Duration::from_millis(50))).await;
    assert_eq!(stage.sink.texts(), [""; 0], "it waits for more");
    stage.say(["x.red"]).await;
    let got = stage.live(stage.sink.wait_for(1)).await;
    assert_eq!(stands_for(&got[0]), 3);

    let mut stage = Stage::new(&THROTTLED.replace("500ms", "2s"), Scripted::chat());
    stage.say(["x.a", "x.a", "x.a"]).await;
    stage.live(stage.sink.wait_for(2)).await;
    stage.say(["x.a"]).await;
    let got = stage.live(stage.sink.wait_for(3)).await;
    assert!(got[2].text.starts_with("2 more from relay throttled"), "{}", got[2].text);
}

#[tokio::test]
async fn a_pager_is_sent_no_sums() {
    for relays in [THROTTLED.replace('2', "1"), GROUPED.to_owned()] {
        let pager =
            SinkTraits { audience: Audience::Pager, knows_repeats: true, ..SinkTraits::plain("here".to_owned()) };
        let mut stage = Stage::new(&relays, Scripted::new(pager));
        stage.say(["x.a", "x.a"]).await;
        stage.live(stage.settled()).await;
        assert!(stage.sink.got.borrow().iter().all(|message| stands_for(message) == 1 && message.text.len() == 1));
    }
}
