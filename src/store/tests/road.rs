use super::*;

#[tokio::test]
async fn what_is_committed_is_taken_in_order_and_settled() {
    let folder = folder();
    let store = opened(&file(&folder));
    let mut line = store.line("ops");
    let answers = store.commit((0..5).map(|n| to(&["ops", "room"], event(n))).collect()).await.unwrap();
    assert_eq!(answers, [Committed { duplicate: false }; 5]);
    let deliveries = taken(&mut line, 5).await;
    assert_eq!(deliveries.iter().map(number).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(backlog(&store, "ops").await, (5, 0));
    for delivery in &deliveries {
        assert_eq!((&*delivery.sink, &*delivery.relay, delivery.attempts), ("ops", "all", 0));
        store.settle(delivery.id, delivered()).await.unwrap();
        store.settle(delivery.id, delivered()).await.unwrap();
    }
    store.flush().await.unwrap();
    assert_eq!(backlog(&store, "ops").await, (0, 0));
    assert_eq!(backlog(&store, "room").await, (5, 0), "neighbouring ids of another sink are not settled along");
    assert_empty(&mut line).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overflowing_shelf_loses_nothing_and_doubles_nothing() {
    let folder = folder();
    let store = opened(&file(&folder));
    let mut line = store.line("ops");
    for start in (0..5000).step_by(100) {
        store.commit((start..start + 100).map(|n| to(&["ops"], event(n))).collect()).await.unwrap();
    }
    let more = async {
        for n in 5000..8000 {
            store.commit(vec![to(&["ops"], event(n)), to(&["other"], event(n))]).await.unwrap();
        }
    };
    let ((), deliveries) = tokio::join!(more, taken(&mut line, 8000));
    assert_eq!(deliveries.iter().map(number).collect::<Vec<_>>(), (0..8000).collect::<Vec<_>>());
    assert_empty(&mut line).await;
}

#[tokio::test]
async fn large_bodies_are_kept_on_disk_and_not_in_memory() {
    let folder = folder();
    let store = opened(&file(&folder));
    let mut line = store.line("ops");
    let large = |n: usize| {
        let data = Body::from_value(&json!({ "number": n, "pad": "x".repeat(300_000) }));
        to(&["ops"], Arc::new(Event { data, ..(*event(n)).clone() }))
    };
    for n in 0..30 {
        store.commit(vec![large(n)]).await.unwrap();
    }
    let deliveries = taken(&mut line, 30).await;
    assert_eq!(deliveries.iter().map(number).collect::<Vec<_>>(), (0..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_take_that_is_dropped_half_way_loses_nothing() {
    let folder = folder();
    let store = opened(&file(&folder));
    store.commit((0..700).map(|n| to(&["ops"], event(n))).collect()).await.unwrap();
    let mut line = store.line("ops");
    let (mut seen, mut rounds) = (Vec::new(), 0);
    while seen.len() <= 700 {
        rounds += 1;
        if rounds == 60 {
            store.commit(vec![to(&["ops"], event(700))]).await.unwrap();
        }
        // Polled once, then dropped, whatever it was doing; every other time it may finish.
        let quick = tokio::select! {
            biased;
            some = line.take(7) => Some(some.unwrap()),
            () = std::future::ready(()) => None,
        };
        let some = match quick {
            Some(some) => some,
            None => taken(&mut line, 1).await,
        };
        seen.extend(some.iter().map(number));
    }
    assert_eq!(seen, (0..=700).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_id_that_the_source_gave_twice_is_planned_once_but_moves_the_cursor() {
    let folder = folder();
    let store = opened(&file(&folder));
    let at = |id, place: &str| Entry { cursor: Some(place.to_owned()), ..to(&["ops"], given(id)) };
    let answers = store.commit(vec![at("a", "1"), at("b", "2"), at("a", "3")]).await.unwrap();
    assert_eq!(answers.iter().map(|one| one.duplicate).collect::<Vec<_>>(), [false, false, true]);
    store.close().await.unwrap();
    let store = opened(&file(&folder));
    let answers = store.commit(vec![at("b", "4")]).await.unwrap();
    assert!(answers[0].duplicate, "remembered across a restart");
    assert_eq!(store.cursor("prod").await.unwrap().as_deref(), Some("4"));
    assert_eq!(store.cursor("elsewhere").await.unwrap(), None);
    assert_eq!(backlog(&store, "ops").await, (2, 0));
    store.close().await.unwrap();
    let policy = Policy { remember: Duration::ZERO, ..Policy::default() };
    let store = Store::open(&file(&folder), policy).unwrap();
    assert!(!store.commit(vec![at("b", "5")]).await.unwrap()[0].duplicate, "after `remember` it is a new one");
}

#[tokio::test]
async fn an_entry_that_nobody_wants_writes_only_what_comes_with_it() {
    let folder = folder();
    let store = opened(&file(&folder));
    let incident = Incident {
        source: "prod".into(),
        why: "connection refused".to_owned(),
        since: Timestamp::from_second(1_700_000_000).unwrap(),
        event: "source.lost".to_owned(),
    };
    let opening = Entry { incident: Some(IncidentChange::Opened(incident.clone())), ..to(&[], given("x")) };
    store.commit(vec![opening]).await.unwrap();
    assert!(store.events(EventFilter::default()).await.unwrap().is_empty());
    store.close().await.unwrap();
    let store = opened(&file(&folder));
    assert_eq!(store.incidents().await.unwrap(), [incident]);
    let closing = IncidentChange::Closed { source: "prod".into() };
    let answers = store.commit(vec![Entry { incident: Some(closing), ..to(&["ops"], given("x")) }]).await.unwrap();
    assert!(!answers[0].duplicate, "an event that was not kept is not remembered");
    assert!(store.incidents().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_new_line_for_a_sink_begins_anew_with_what_is_pending() {
    let folder = folder();
    let store = opened(&file(&folder));
    let mut first = store.line("ops");
    store.commit((0..3).map(|n| to(&["ops"], event(n))).collect()).await.unwrap();
    let deliveries = taken(&mut first, 3).await;
    store.settle(deliveries[1].id, delivered()).await.unwrap();
    let mut second = store.line("ops");
    assert_eq!(taken(&mut second, 2).await.iter().map(number).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(first.take(1).await.unwrap_err(), StoreError::Closed);
    drop(first);
    store.commit(vec![to(&["ops"], event(3))]).await.unwrap();
    assert_eq!(number(&taken(&mut second, 1).await[0]), 3, "the first line's end does not end the second");
}

#[tokio::test]
async fn whoever_waits_when_the_queue_closes_is_told() {
    let folder = folder();
    let store = opened(&file(&folder));
    let mut line = store.line("ops");
    let (took, closed) = tokio::join!(line.take(1), store.close());
    assert_eq!(took.unwrap_err(), StoreError::Closed);
    closed.unwrap();
    store.close().await.unwrap();
    assert_eq!(store.commit(vec![to(&["ops"], event(0))]).await.unwrap_err(), StoreError::Closed);
    assert_eq!(store.settle(DeliveryId(1), delivered()).await.unwrap_err(), StoreError::Closed);
    assert_eq!(store.cursor("prod").await.unwrap_err(), StoreError::Closed);
}

#[tokio::test]
async fn what_was_committed_survives_a_kill() {
    let folder = folder();
    let path = file(&folder);
    let store = opened(&path);
    store.commit((0..20).map(|n| to(&["ops"], event(n))).collect()).await.unwrap();
    store.settle(DeliveryId(1), delivered()).await.unwrap();
    store.flush().await.unwrap();
    // What a killed process leaves: the files as they are, without a last word.
    let copy = folder.path().join("copy.db");
    for suffix in ["", "-wal"] {
        std::fs::copy(open::beside(&path, suffix), open::beside(&copy, suffix)).unwrap();
    }
    let again = opened(&copy);
    assert!(again.warnings().is_empty(), "{:?}", again.warnings());
    assert_eq!(backlog(&again, "ops").await, (19, 0));
    let numbers: Vec<_> = taken(&mut again.line("ops"), 19).await.iter().map(number).collect();
    assert_eq!(numbers, (1..20).collect::<Vec<_>>());
}
