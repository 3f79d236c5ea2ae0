use super::*;

async fn with_some_dead(fixture: &impl Fixture) -> (Store, Vec<Delivery>) {
    let store = fixture.open();
    let mut stream = store.stream("ops");
    store.commit((0..4).map(|n| to(&["ops", "room"], event(n))).collect()).await.unwrap();
    let deliveries = taken(&mut stream, 4).await;
    store.settle(deliveries[0].id, Outcome::Delivered { receipt: Some("ts=1".to_owned()) }).await.unwrap();
    store.settle(deliveries[1].id, dead("invalid_blocks")).await.unwrap();
    store.settle(deliveries[2].id, dead("too long")).await.unwrap();
    store.flush().await.unwrap();
    (store, deliveries)
}

pub(super) async fn events_are_listed_newest_first_with_their_deliveries(fixture: impl Fixture) {
    let (store, deliveries) = with_some_dead(&fixture).await;
    let due = Timestamp::from_second(2_000_000_000).unwrap();
    let postponed = Outcome::Postponed { due, attempts: 2, why: "status 503".to_owned(), reply: None };
    store.settle(deliveries[3].id, postponed).await.unwrap();
    store.flush().await.unwrap();
    let events = store.events(EventFilter::default()).await.unwrap();
    let subjects: Vec<_> = events.iter().map(|row| &*row.event.subject).collect();
    assert_eq!(subjects, ["/c/3/", "/c/2/", "/c/1/", "/c/0/"]);
    let ops: Vec<_> = events.iter().map(|row| &row.deliveries[0]).collect();
    let states: Vec<_> = ops.iter().map(|delivery| delivery.state.name()).collect();
    assert_eq!(states, ["pending", "dead", "dead", "delivered"]);
    assert_eq!((ops[0].attempts, ops[0].due, ops[0].why.as_deref()), (2, Some(due), Some("status 503")));
    assert_eq!((ops[1].why.as_deref(), ops[1].reply.as_deref()), (Some("too long"), Some("no")));
    assert_eq!((ops[3].attempts, ops[3].receipt.as_deref()), (1, Some("ts=1")));
    assert_eq!(&*events[0].deliveries[1].sink, "room");
}

pub(super) async fn events_are_filtered(fixture: impl Fixture) {
    let (store, _) = with_some_dead(&fixture).await;
    let other = Event { r#type: "vm.[x]?".into(), source: "vc".into(), ..(*event(9)).clone() };
    store.commit(vec![to(&["pager"], Arc::new(other))]).await.unwrap();
    let count = async |filter: EventFilter| store.events(filter).await.unwrap().len();
    let all = EventFilter::default;
    assert_eq!(count(all()).await, 5);
    assert_eq!(count(EventFilter { limit: 2, ..all() }).await, 2);
    assert_eq!(count(EventFilter { source: Some("vc".to_owned()), ..all() }).await, 1);
    assert_eq!(count(EventFilter { sink: Some("room".to_owned()), ..all() }).await, 4);
    assert_eq!(count(EventFilter { relay: Some("none".to_owned()), ..all() }).await, 0);
    for (glob, found) in [("container.*", 4), ("*", 5), ("*.create", 4), ("vm.[x]?", 1), ("vm.x?", 0), ("Vm*", 0)] {
        assert_eq!(count(EventFilter { r#type: Some(glob.to_owned()), ..all() }).await, found, "{glob}");
    }
    assert_eq!(count(EventFilter { since: Some(Timestamp::now()), ..all() }).await, 0);
    assert_eq!(count(EventFilter { since: Some(Timestamp::UNIX_EPOCH), ..all() }).await, 5);
    let accepted = store.events(all()).await.unwrap()[0].accepted;
    let (since, until) = (Some(accepted), Some(accepted));
    assert_eq!(count(EventFilter { since, until, ..all() }).await, 1, "both ends are included");
    assert_eq!(count(EventFilter { until: Some(Timestamp::UNIX_EPOCH), ..all() }).await, 0);
}

pub(super) async fn dead_letters_are_listed_replayed_and_dropped(fixture: impl Fixture) {
    let (store, deliveries) = with_some_dead(&fixture).await;
    let mut stream = store.stream("ops");
    assert_eq!(taken(&mut stream, 1).await[0].id, deliveries[3].id);
    assert_eq!(backlog(&store, "ops").await, (1, 2));
    let letters = store.dead(DeadFilter::default()).await.unwrap();
    let whys: Vec<_> =
        letters.iter().map(|letter| (letter.delivery.why.as_deref(), letter.delivery.attempts)).collect();
    assert_eq!(whys, [(Some("invalid_blocks"), 3), (Some("too long"), 3)]);
    let one = DeadFilter { ids: vec![deliveries[2].id, DeliveryId(77)], ..DeadFilter::default() };
    assert_eq!(store.dead(one.clone()).await.unwrap().len(), 1);
    for none in [
        DeadFilter { relay: Some("other".to_owned()), ..DeadFilter::default() },
        DeadFilter { sink: Some("room".to_owned()), ..DeadFilter::default() },
        DeadFilter { older_than: Some(Timestamp::UNIX_EPOCH), ..DeadFilter::default() },
        DeadFilter { limit: Some(0), ..DeadFilter::default() },
    ] {
        assert!(store.dead(none.clone()).await.unwrap().is_empty());
        assert_eq!(store.replay(none).await.unwrap(), 0);
    }
    assert_eq!(store.replay(one.clone()).await.unwrap(), 1);
    assert_eq!(store.replay(one).await.unwrap(), 0, "a dead letter is replayed once");
    let again = taken(&mut stream, 1).await.remove(0);
    assert!(again.id > deliveries[3].id && number(&again) == 2 && again.attempts == 0);
    assert!(again.accepted > deliveries[2].accepted, "or it would be given up at once");
    assert_eq!(backlog(&store, "ops").await, (2, 1));
    let rows = store.events(EventFilter::default()).await.unwrap();
    let states: Vec<_> = rows[1].deliveries.iter().map(|delivery| delivery.state).collect();
    assert_eq!(states, [DeliveryState::Replayed, DeliveryState::Pending, DeliveryState::Pending]);
    assert_eq!(store.drop_dead(DeadFilter::default()).await.unwrap(), 1);
    assert_eq!(backlog(&store, "ops").await, (2, 0));
    assert!(store.dead(DeadFilter::default()).await.unwrap().is_empty());
}

pub(super) async fn thousands_of_dead_letters_are_replayed_in_order(fixture: impl Fixture) {
    let store = fixture.open();
    let mut stream = store.stream("ops");
    store.commit((0..2500).map(|n| to(&["ops"], event(n))).collect()).await.unwrap();
    for delivery in taken(&mut stream, 2500).await {
        store.settle(delivery.id, dead("down")).await.unwrap();
    }
    assert_eq!(store.flush().await, Ok(()));
    assert_eq!(store.replay(DeadFilter { limit: Some(2200), ..DeadFilter::default() }).await.unwrap(), 2200);
    store.commit(vec![to(&["ops"], event(9999))]).await.unwrap();
    let numbers: Vec<_> = taken(&mut stream, 2201).await.iter().map(number).collect();
    assert_eq!(numbers, (0..2200).chain([9999]).collect::<Vec<_>>());
    assert_eq!(backlog(&store, "ops").await, (2201, 300));
}

pub(super) async fn the_backlog_has_the_time_of_its_oldest_delivery(fixture: impl Fixture) {
    let store = fixture.open();
    assert!(store.backlog().await.unwrap().is_empty());
    store.commit(vec![to(&["ops", "room"], event(0)), to(&["ops"], event(1))]).await.unwrap();
    let deliveries = taken(&mut store.stream("ops"), 2).await;
    let oldest = store.backlog().await.unwrap()[0].oldest.unwrap();
    assert_eq!(oldest.as_microsecond(), deliveries[0].accepted.as_microsecond());
    let room = taken(&mut store.stream("room"), 1).await;
    store.settle(room[0].id, delivered()).await.unwrap();
    store.close().await.unwrap();
    let store = fixture.open();
    let backlog = store.backlog().await.unwrap();
    let seen: Vec<_> = backlog.iter().map(|one| (&*one.sink, one.pending, one.oldest.is_some())).collect();
    assert_eq!(seen, [("ops", 2, true), ("room", 0, false)]);
}
