use super::*;

async fn events(store: &Store) -> usize {
    store.events(EventFilter { limit: 10_000, ..EventFilter::default() }).await.unwrap().len()
}

#[tokio::test]
async fn settled_events_are_deleted_by_age_and_pending_ones_stay() {
    let folder = folder();
    let path = file(&folder);
    let store = opened(&path);
    store.commit((0..1500).map(|n| to(&["ops"], event(n))).collect()).await.unwrap();
    for delivery in taken(&mut store.stream("ops"), 1500).await {
        match number(&delivery) {
            700 => (),
            701 => store.settle(delivery.id, dead("no")).await.unwrap(),
            _ => store.settle(delivery.id, delivered()).await.unwrap(),
        }
    }
    store.close().await.unwrap();
    let policy = Policy { retention_age: Duration::ZERO, ..Policy::default() };
    let store = Store::open(&path, policy).unwrap();
    // The pending one, and the newest, whose id must not be used again.
    until("two are left", async || events(&store).await == 2).await;
    assert_eq!(backlog(&store, "ops").await, (1, 0), "dead letters are deleted by age too");
    assert_eq!(number(&taken(&mut store.stream("ops"), 1).await[0]), 700);
    store.commit(vec![to(&["ops"], event(0))]).await.unwrap();
    let newest = store.events(EventFilter::default()).await.unwrap()[0].deliveries[0].id;
    assert_eq!(newest, DeliveryId(1501));
}

#[tokio::test]
async fn beyond_the_size_the_oldest_settled_events_are_deleted_and_the_file_shrinks() {
    let folder = folder();
    let path = file(&folder);
    let store = opened(&path);
    let pad = "x".repeat(2000);
    for start in (0..3000).step_by(500) {
        let large = |n| Event { data: Body::from_value(&json!({ "number": n, "pad": pad })), ..(*event(n)).clone() };
        let entries = (start..start + 500).map(|n| to(&["ops"], Arc::new(large(n)))).collect();
        store.commit(entries).await.unwrap();
    }
    for delivery in taken(&mut store.stream("ops"), 3000).await {
        match number(&delivery) {
            0..10 => (),
            10..20 => store.settle(delivery.id, dead("no")).await.unwrap(),
            _ => store.settle(delivery.id, delivered()).await.unwrap(),
        }
    }
    store.close().await.unwrap();
    let size = || std::fs::metadata(&path).unwrap().len();
    assert!(size() > 6_000_000, "{}", size());
    let limit = 2_000_000;
    let store = Store::open(&path, Policy { retention_size: limit, ..Policy::default() }).unwrap();
    let pages = async || {
        let db = rusqlite::Connection::open(&path).unwrap();
        db.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0)).unwrap()
    };
    until("the file is small", async || pages().await * 4096 <= 2_000_000).await;
    assert_eq!(backlog(&store, "ops").await, (10, 10), "what is pending or dead is never deleted for its size");
    let left = store.events(EventFilter { limit: 10_000, ..EventFilter::default() }).await.unwrap();
    assert!(left.len() > 300, "no more was deleted than necessary: {}", left.len());
    assert_eq!(&*left[0].event.subject, "/c/2999/");
    store.close().await.unwrap();
    assert!(size() <= limit, "{}", size());
}

#[tokio::test]
async fn ids_are_deleted_after_their_time() {
    let folder = folder();
    let path = file(&folder);
    let store = opened(&path);
    store.commit((0..1200).map(|n| to(&["ops"], given(&n.to_string()))).collect()).await.unwrap();
    store.close().await.unwrap();
    let store = Store::open(&path, Policy { remember: Duration::ZERO, ..Policy::default() }).unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    let seen = async || db.query_row("SELECT count(*) FROM seen", [], |row| row.get::<_, i64>(0)).unwrap() == 0;
    until("all ids are deleted", seen).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn expired_notes_are_deleted() {
    let folder = folder();
    let path = file(&folder);
    let store = opened(&path);
    let note = |name: String, until| ("ops".into(), Note { name, value: Some("x".to_owned()), until });
    let mut notes: Vec<_> = (0..1200).map(|n| note(n.to_string(), Timestamp::UNIX_EPOCH)).collect();
    notes.push(note("lasting".to_owned(), Timestamp::MAX));
    store.settle_all(Vec::new(), delivered(), notes).await.unwrap();
    store.close().await.unwrap();
    let store = opened(&path);
    let db = rusqlite::Connection::open(&path).unwrap();
    let left = async || db.query_row("SELECT count(*) FROM note", [], |row| row.get::<_, i64>(0)).unwrap() == 1;
    until("one is left", left).await;
    assert_eq!(store.notes("ops").await.unwrap()[0].name, "lasting");
    store.close().await.unwrap();
}
