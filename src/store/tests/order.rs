use super::*;

pub(super) async fn what_is_committed_is_taken_in_order_and_settled(fixture: impl Fixture) {
    let store = fixture.open();
    let mut stream = store.stream("ops");
    let answers = store.commit((0..5).map(|n| to(&["ops", "room"], event(n))).collect()).await.unwrap();
    assert_eq!(answers, [Committed { duplicate: false }; 5]);
    let deliveries = taken(&mut stream, 5).await;
    assert_eq!(deliveries.iter().map(number).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(backlog(&store, "ops").await, (5, 0));
    for delivery in &deliveries {
        assert_eq!((&*delivery.sink, &*delivery.relay, delivery.attempts), ("ops", "all", 0));
        store.settle(delivery.id, delivered()).await.unwrap();
        store.settle(delivery.id, delivered()).await.unwrap();
    }
    store.flush().await.unwrap();
    assert_eq!(backlog(&store, "ops").await, (0, 0));
    assert_eq!(backlog(&store, "room").await, (5, 0), "consecutive ids of another sink are not settled too");
    assert_empty(&mut stream).await;
}

pub(super) async fn an_overflowing_buffer_loses_nothing_and_doubles_nothing(fixture: impl Fixture) {
    let store = fixture.open();
    let mut stream = store.stream("ops");
    for start in (0..5000).step_by(100) {
        store.commit((start..start + 100).map(|n| to(&["ops"], event(n))).collect()).await.unwrap();
    }
    let more = async {
        for n in 5000..8000 {
            store.commit(vec![to(&["ops"], event(n)), to(&["other"], event(n))]).await.unwrap();
        }
    };
    let ((), deliveries) = tokio::join!(more, taken(&mut stream, 8000));
    assert_eq!(deliveries.iter().map(number).collect::<Vec<_>>(), (0..8000).collect::<Vec<_>>());
    assert_empty(&mut stream).await;
}

pub(super) async fn large_bodies_are_all_delivered(fixture: impl Fixture) {
    let store = fixture.open();
    let mut stream = store.stream("ops");
    let large = |n: usize| {
        let data = Body::from_value(&json!({ "number": n, "pad": "x".repeat(300_000) }));
        to(&["ops"], Arc::new(Event { data, ..(*event(n)).clone() }))
    };
    for n in 0..30 {
        store.commit(vec![large(n)]).await.unwrap();
    }
    let deliveries = taken(&mut stream, 30).await;
    assert_eq!(deliveries.iter().map(number).collect::<Vec<_>>(), (0..30).collect::<Vec<_>>());
}

pub(super) async fn a_take_that_is_dropped_half_way_loses_nothing(fixture: impl Fixture) {
    let store = fixture.open();
    store.commit((0..700).map(|n| to(&["ops"], event(n))).collect()).await.unwrap();
    let mut stream = store.stream("ops");
    let (mut seen, mut rounds) = (Vec::new(), 0);
    while seen.len() <= 700 {
        rounds += 1;
        if rounds == 60 {
            store.commit(vec![to(&["ops"], event(700))]).await.unwrap();
        }
        // Polled once, then dropped, whatever it was doing; if it had nothing, it may finish.
        let quick = tokio::select! {
            biased;
            some = stream.take(7) => Some(some.unwrap()),
            () = std::future::ready(()) => None,
        };
        let some = match quick {
            Some(some) => some,
            None => taken(&mut stream, 1).await,
        };
        seen.extend(some.iter().map(number));
    }
    assert_eq!(seen, (0..=700).collect::<Vec<_>>());
}

pub(super) async fn a_repeated_id_is_planned_once_but_moves_the_cursor(fixture: impl Fixture) {
    let store = fixture.open();
    let at = |id, place: &str| Entry { cursor: Some(place.to_owned()), ..to(&["ops"], given(id)) };
    let answers = store.commit(vec![at("a", "1"), at("b", "2"), at("a", "3")]).await.unwrap();
    assert_eq!(answers.iter().map(|one| one.duplicate).collect::<Vec<_>>(), [false, false, true]);
    store.close().await.unwrap();
    let store = fixture.open();
    let answers = store.commit(vec![at("b", "4")]).await.unwrap();
    assert!(answers[0].duplicate, "remembered across a restart");
    assert_eq!(store.cursor("prod").await.unwrap().as_deref(), Some("4"));
    assert_eq!(store.cursor("elsewhere").await.unwrap(), None);
    assert_eq!(backlog(&store, "ops").await, (2, 0));
    store.close().await.unwrap();
    let policy = Policy { remember: Duration::ZERO, ..Policy::default() };
    let store = fixture.open_with(policy);
    assert!(!store.commit(vec![at("b", "5")]).await.unwrap()[0].duplicate, "after `remember` it is a new one");
}

pub(super) async fn an_entry_without_routes_writes_only_its_cursor_and_incident(fixture: impl Fixture) {
    let store = fixture.open();
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
    let store = fixture.open();
    assert_eq!(store.incidents().await.unwrap(), [incident]);
    let closing = IncidentChange::Closed { source: "prod".into() };
    let answers = store.commit(vec![Entry { incident: Some(closing), ..to(&["ops"], given("x")) }]).await.unwrap();
    assert!(!answers[0].duplicate, "an event that was not stored is not remembered");
    assert!(store.incidents().await.unwrap().is_empty());
}

pub(super) async fn a_new_stream_of_a_sink_starts_again_with_what_is_pending(fixture: impl Fixture) {
    let store = fixture.open();
    let mut first = store.stream("ops");
    store.commit((0..3).map(|n| to(&["ops"], event(n))).collect()).await.unwrap();
    let deliveries = taken(&mut first, 3).await;
    store.settle(deliveries[1].id, delivered()).await.unwrap();
    let mut second = store.stream("ops");
    assert_eq!(taken(&mut second, 2).await.iter().map(number).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(first.take(1).await.unwrap_err(), StoreError::Closed);
    drop(first);
    store.commit(vec![to(&["ops"], event(3))]).await.unwrap();
    assert_eq!(number(&taken(&mut second, 1).await[0]), 3, "the end of the first stream does not end the second");
}

pub(super) async fn closing_ends_every_waiting_call(fixture: impl Fixture) {
    let store = fixture.open();
    let mut stream = store.stream("ops");
    let (took, closed) = tokio::join!(stream.take(1), store.close());
    assert_eq!(took.unwrap_err(), StoreError::Closed);
    closed.unwrap();
    store.close().await.unwrap();
    assert_eq!(store.commit(vec![to(&["ops"], event(0))]).await.unwrap_err().error, StoreError::Closed);
    assert_eq!(store.settle(DeliveryId(1), delivered()).await.unwrap_err(), StoreError::Closed);
    assert_eq!(store.cursor("prod").await.unwrap_err(), StoreError::Closed);
}

pub(super) async fn a_failed_commit_hands_its_entries_back(fixture: impl Fixture) {
    let store = fixture.open_with(Policy { max_size: Some(120 * 4096), ..Policy::default() });
    let large = |n| {
        let data = Body::from_value(&json!({ "number": n, "pad": "x".repeat(2000) }));
        to(&["ops"], Arc::new(Event { data, ..(*event(n)).clone() }))
    };
    let mut committed = 0;
    let failed = loop {
        match store.commit(vec![large(committed), large(committed + 1)]).await {
            Ok(_) => committed += 2,
            Err(failed) => break failed,
        }
    };
    assert!(matches!(failed.error, StoreError::Full(_)), "{failed}");
    let subjects: Vec<_> = failed.entries.iter().map(|entry| entry.event.subject.to_string()).collect();
    assert_eq!(subjects, [format!("/c/{committed}/"), format!("/c/{}/", committed + 1)]);
    store.close().await.unwrap();
    let failed = store.commit(failed.entries).await.unwrap_err();
    assert_eq!((failed.error, failed.entries.len()), (StoreError::Closed, 2));
    let store = fixture.open();
    store.commit(failed.entries).await.unwrap();
    assert_eq!(backlog(&store, "ops").await, (committed as u64 + 2, 0), "nothing of a failed commit was written");
}

pub(super) async fn until_when_a_source_was_up_is_kept_and_moved_by_its_events(fixture: impl Fixture) {
    let long_ago = Timestamp::from_second(1_700_000_000).unwrap();
    let store = fixture.open();
    assert_eq!(store.up_until("prod").await.unwrap(), None);
    store.set_up_until("prod", long_ago, None).await.unwrap();
    store.set_up_until("other", long_ago, None).await.unwrap();
    let before = Timestamp::now().as_microsecond();
    store.commit(vec![to(&["ops"], event(0)), to(&["ops"], event(1))]).await.unwrap();
    let up = store.up_until("prod").await.unwrap().unwrap();
    assert!(up.until.as_microsecond() >= before && up.ended.is_none(), "{up:?}");
    assert_eq!(store.up_until("other").await.unwrap().unwrap().until, long_ago);
    store.set_up_until("prod", long_ago, Some("stopped".to_owned())).await.unwrap();
    store.commit(vec![to(&["ops"], event(2))]).await.unwrap();
    store.close().await.unwrap();
    let up = fixture.open().up_until("prod").await.unwrap();
    let expected = UpUntil { until: long_ago, ended: Some("stopped".to_owned()), by_this_process: true };
    assert_eq!(up, Some(expected), "events of a source that is no longer connected move nothing");
}
