use super::*;

fn postponed(attempts: u32, reply: Option<&str>) -> Outcome {
    let due = Timestamp::from_second(2_000_000_000).unwrap();
    Outcome::Postponed { due, attempts, why: format!("try {attempts}"), reply: reply.map(str::to_owned) }
}

fn suppressed(why: &str) -> Outcome {
    Outcome::Suppressed { why: why.to_owned() }
}

fn note(name: &str, value: Option<&str>, until: Timestamp) -> (Name, Note) {
    ("ops".into(), Note { name: name.to_owned(), value: value.map(str::to_owned), until })
}

fn far() -> Timestamp {
    Timestamp::from_second(4_000_000_000).unwrap()
}

async fn one(store: &Store) -> DeliveryRow {
    store.events(EventFilter::default()).await.unwrap()[0].deliveries[0].clone()
}

pub(super) async fn every_attempt_keeps_its_time_and_the_latest_reply_stays(fixture: impl Fixture) {
    let store = fixture.open();
    store.commit(vec![to(&["ops"], event(0))]).await.unwrap();
    let delivery = taken(&mut store.stream("ops"), 1).await.remove(0);
    store.settle(delivery.id, postponed(1, Some("slow down"))).await.unwrap();
    store.settle(delivery.id, postponed(2, None)).await.unwrap();
    store.settle(delivery.id, Outcome::Dead { attempts: 2, why: "too old".to_owned(), reply: None }).await.unwrap();
    store.flush().await.unwrap();
    let letter = store.dead(DeadFilter::default()).await.unwrap().remove(0).delivery;
    assert_eq!((letter.attempts, letter.tries.len()), (2, 2), "giving up is no attempt");
    assert_eq!((letter.why.as_deref(), letter.reply.as_deref()), (Some("too old"), Some("slow down")));
    assert!(letter.tries[0] <= letter.tries[1] && letter.first_tried == Some(letter.tries[0]));
    let row = one(&store).await;
    assert_eq!((row.tries, row.reply), (letter.tries, letter.reply));
}

pub(super) async fn a_suppressed_delivery_has_its_reason_and_is_neither_dead_nor_tried(fixture: impl Fixture) {
    let store = fixture.open();
    store.commit((0..3).map(|n| to(&["ops", "room"], event(n))).collect()).await.unwrap();
    let deliveries = taken(&mut store.stream("ops"), 3).await;
    store.settle(deliveries[0].id, suppressed("muted: sat-sun")).await.unwrap();
    store.settle(deliveries[0].id, delivered()).await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(backlog(&store, "ops").await, (2, 0));
    let rows = store.events(EventFilter::default()).await.unwrap();
    let row = &rows[2].deliveries[0];
    assert_eq!((row.state, row.attempts, row.why.as_deref()), (DeliveryState::Suppressed, 0, Some("muted: sat-sun")));
    assert!(row.settled.is_some() && row.first_tried.is_none() && row.tries.is_empty());
}

pub(super) async fn ten_thousand_are_settled_as_one(fixture: impl Fixture) {
    let store = fixture.open();
    // Every other one belongs to another sink, so no ids are consecutive.
    store.commit((0..10_000).map(|n| to(&["ops", "room"], event(n))).collect()).await.unwrap();
    let mut ids: Vec<_> = taken(&mut store.stream("ops"), 10_000).await.iter().map(|delivery| delivery.id).collect();
    fastrand::shuffle(&mut ids);
    let all = async |outcome| {
        store.settle_all(ids.clone(), outcome, vec![note("thread:web", Some("ts"), far())]).await.unwrap();
        store.flush().await.unwrap();
    };
    all(postponed(1, Some("slow down"))).await;
    assert_eq!(backlog(&store, "ops").await, (10_000, 0));
    assert_eq!(one(&store).await.tries.len(), 1);
    all(Outcome::Delivered { receipt: Some("ts=1".to_owned()) }).await;
    assert_eq!((backlog(&store, "ops").await, backlog(&store, "room").await), ((0, 0), (10_000, 0)));
    let row = one(&store).await;
    assert_eq!((row.state, row.attempts, row.receipt.as_deref()), (DeliveryState::Delivered, 2, Some("ts=1")));
    assert_eq!(store.notes("ops").await.unwrap().len(), 1);
}

pub(super) async fn notes_belong_to_their_sink_until_deleted_or_expired(fixture: impl Fixture) {
    let store = fixture.open();
    let now = Timestamp::now();
    let notes = vec![
        note("thread:web", Some("1"), far()),
        note("thread:web", Some("2"), far()),
        note("seen:db", Some(""), far()),
        note("seen:old", Some("x"), now),
        note("thread:gone", Some("3"), far()),
    ];
    store.settle_all(Vec::new(), delivered(), notes).await.unwrap();
    store.settle_all(Vec::new(), delivered(), vec![note("thread:gone", None, far())]).await.unwrap();
    store.flush().await.unwrap();
    let known = async |store: &Store, sink: &str| {
        let notes = store.notes(sink).await.unwrap().into_iter();
        notes.map(|note| (note.name, note.value.unwrap())).collect::<Vec<_>>()
    };
    let expected = [("seen:db", ""), ("thread:web", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(known(&store, "ops").await, expected);
    assert!(known(&store, "room").await.is_empty());
    store.close().await.unwrap();
    let store = fixture.open();
    assert_eq!(known(&store, "ops").await, expected, "across a restart");
    store.close().await.unwrap();
}

pub(super) async fn silences_are_stored_end_once_and_never_share_an_id(fixture: impl Fixture) {
    let store = fixture.open();
    let matches = vec!["type=container.*".to_owned(), "data.x=\"1\"".to_owned()];
    let first = store.add_silence(matches.clone(), "deploy".to_owned(), far()).await.unwrap();
    let second = store.add_silence(vec!["type=x".to_owned()], "noise".to_owned(), Timestamp::now()).await.unwrap();
    let third = store.add_silence(vec!["type=y".to_owned()], "more".to_owned(), far()).await.unwrap();
    assert_eq!([first.id, second.id, third.id], [1, 2, 3]);
    store.close().await.unwrap();
    let store = fixture.open();
    let all = store.silences().await.unwrap();
    assert_eq!(all.iter().map(|one| &*one.why).collect::<Vec<_>>(), ["deploy", "noise", "more"]);
    assert_eq!((&all[0].matches, all[0].until, all[0].revoked), (&matches, far(), None));
    assert_eq!(store.expire_silences(Some(2)).await.unwrap(), [] as [i64; 0], "it has expired already");
    assert_eq!(store.expire_silences(Some(1)).await.unwrap(), [1]);
    assert_eq!(store.expire_silences(None).await.unwrap(), [3]);
    assert!(store.silences().await.unwrap()[0].revoked.is_some());
    store.close().await.unwrap();
    let store = fixture.open_with(Policy { retention_age: Duration::ZERO, ..Policy::default() });
    until("all are deleted", async || store.silences().await.unwrap().is_empty()).await;
    assert_eq!(store.add_silence(matches, "again".to_owned(), far()).await.unwrap().id, 4);
}
