use super::*;

fn full_after(pages: u64) -> Policy {
    Policy { max_size: Some(pages * 4096), ..Policy::default() }
}

async fn until_refused(store: &Store) -> usize {
    for n in 0.. {
        let data = Body::from_value(&json!({ "number": n, "pad": "x".repeat(2000) }));
        let entry = to(&["ops"], Arc::new(Event { data, ..(*event(n)).clone() }));
        match store.commit(vec![entry]).await {
            Ok(_) => (),
            Err(CommitError { error: StoreError::Full(_), .. }) => return n,
            Err(other) => panic!("{other}"),
        }
    }
    unreachable!("the file is limited")
}

#[tokio::test]
async fn a_full_disk_refuses_with_an_error_and_continues_when_there_is_space() {
    let folder = folder();
    let store = Store::open(&file(&folder), full_after(120)).unwrap();
    assert_eq!(store.health(), Health::Writable);
    let mut stream = store.stream("ops");
    let fitting = until_refused(&store).await;
    assert!(fitting > 20, "{fitting}");
    assert!(matches!(store.health(), Health::Refusing(why) if why.contains("tidings.db")));
    let deliveries = taken(&mut stream, fitting).await;
    assert_eq!(deliveries.iter().map(number).collect::<Vec<_>>(), (0..fitting).collect::<Vec<_>>());
    for delivery in deliveries.iter().skip(1) {
        store.settle(delivery.id, delivered()).await.unwrap();
    }
    store.flush().await.expect("verdicts have a reserve");
    assert_eq!(backlog(&store, "ops").await, (1, 0));
    assert_empty(&mut stream).await;
    store.close().await.unwrap();

    // The operator makes space.
    let store = opened(&file(&folder));
    store.commit(vec![to(&["ops"], event(fitting))]).await.unwrap();
    assert_eq!(store.health(), Health::Writable);
    let numbers: Vec<_> = taken(&mut store.stream("ops"), 2).await.iter().map(number).collect();
    assert_eq!(numbers, [0, fitting]);
}

#[tokio::test]
async fn verdicts_have_a_reserve_that_commits_cannot_use() {
    let folder = folder();
    let path = file(&folder);
    let store = Store::open(&path, full_after(300)).unwrap();
    let mut stream = store.stream("ops");
    let mut fitting = 0;
    while store.commit(vec![to(&["ops"; 40], event(fitting))]).await.is_ok() {
        fitting += 1;
    }
    for delivery in taken(&mut stream, fitting * 40).await {
        store.settle(delivery.id, delivered()).await.unwrap();
    }
    store.flush().await.unwrap();
    assert_eq!(backlog(&store, "ops").await, (0, 0));
    let db = rusqlite::Connection::open(&path).unwrap();
    let reserves = || db.query_row("SELECT count(*) FROM reserve", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(reserves(), 0, "the verdicts made their rows longer, so they needed it");
    assert!(matches!(
        store.commit(vec![to(&["ops"], event(0))]).await,
        Err(CommitError { error: StoreError::Full(_), .. })
    ));
    assert!(matches!(store.health(), Health::Refusing(_)));
    db.execute("DELETE FROM delivery WHERE id < 6000", []).unwrap();
    tokio::time::timeout(PATIENCE, writable(&store)).await.expect("the store detects the space by itself");
    assert_eq!(reserves(), 1);
    store.commit(vec![to(&["ops"], event(1))]).await.unwrap();
}

#[tokio::test]
async fn on_a_full_disk_verdicts_are_written_without_their_replies() {
    let folder = folder();
    let store = Store::open(&file(&folder), full_after(300)).unwrap();
    let mut stream = store.stream("ops");
    let fitting = until_refused(&store).await;
    let due = Timestamp::from_second(2_000_000_000).unwrap();
    let ids = taken(&mut stream, fitting).await.into_iter().map(|delivery| delivery.id);
    for id in ids {
        let (why, reply) = ("status 503".to_owned(), Some("x".repeat(2000)));
        store.settle(id, Outcome::Postponed { due, attempts: 1, why, reply }).await.unwrap();
    }
    store.flush().await.expect("the reserve is enough for verdicts");
    let rows = store.events(EventFilter { limit: 10_000, ..EventFilter::default() }).await.unwrap();
    let mut deliveries = rows.iter().flat_map(|row| &row.deliveries);
    assert!(fitting > 60 && deliveries.all(|row| (row.attempts, row.due) == (1, Some(due))), "{fitting}");
    assert!(rows.iter().any(|row| row.deliveries[0].reply.is_none()), "what did not fit was left out");
}

async fn writable(store: &Store) {
    while store.health() != Health::Writable {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn space_that_comes_back_is_detected_without_a_request() {
    let folder = folder();
    let path = file(&folder);
    let store = Store::open(&path, full_after(200)).unwrap();
    until_refused(&store).await;
    assert!(matches!(store.health(), Health::Refusing(_)));
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute("DELETE FROM event WHERE seq > 3", []).unwrap();
    tokio::time::timeout(PATIENCE, writable(&store)).await.expect("the store detects the space by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_are_kept_while_nothing_can_be_written() {
    let folder = folder();
    let path = file(&folder);
    let store = opened(&path);
    let mut stream = store.stream("ops");
    store.commit((0..50).map(|n| to(&["ops"], event(n))).collect()).await.unwrap();
    let deliveries = taken(&mut stream, 50).await;
    // Another program holds the file for longer than the timeout.
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    for delivery in &deliveries {
        store.settle(delivery.id, delivered()).await.unwrap();
    }
    assert!(matches!(store.flush().await, Err(StoreError::Failed(_))));
    assert!(matches!(
        store.commit(vec![to(&["ops"], event(50))]).await,
        Err(CommitError { error: StoreError::Failed(_), .. })
    ));
    assert!(matches!(store.health(), Health::Refusing(_)));
    assert_eq!(backlog(&store, "ops").await, (50, 0));
    db.execute_batch("COMMIT").unwrap();
    let settled = async { while store.flush().await.is_err() {} };
    tokio::time::timeout(PATIENCE, settled).await.unwrap();
    store.commit(vec![to(&["ops"], event(51))]).await.unwrap();
    assert_eq!(number(&taken(&mut stream, 1).await[0]), 51, "what was refused was not written");
    assert_eq!(backlog(&store, "ops").await, (1, 0));
}

#[tokio::test]
async fn a_second_store_on_one_file_is_refused_with_the_holder() {
    let folder = folder();
    let path = file(&folder);
    let first = opened(&path);
    let error = Store::open(&path, Policy::default()).unwrap_err().to_string();
    assert!(error.contains("tidings.db is in use by process") && error.contains("`state`"), "{error}");
    assert!(error.contains(&std::process::id().to_string()), "{error}");
    first.close().await.unwrap();
    opened(&path).close().await.unwrap();
}

#[test]
fn a_folder_that_cannot_be_created_is_named() {
    let folder = folder();
    std::fs::write(folder.path().join("state"), "a file").unwrap();
    let error = Store::open(&file(&folder), Policy::default()).unwrap_err();
    assert!(matches!(error, OpenError::Folder { .. }), "{error}");
}

#[tokio::test]
async fn newer_and_foreign_files_are_left_alone_and_older_ones_migrated() {
    let folder = folder();
    let path = folder.path().join("a.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("VACUUM").unwrap();
    let store = opened(&path);
    store.commit(vec![to(&["ops"], event(0))]).await.unwrap();
    store.close().await.unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    let shrinkable: i64 = db.pragma_query_value(None, "auto_vacuum", |row| row.get(0)).unwrap();
    assert_eq!((version, shrinkable), (schema::known(), 2));
    db.pragma_update(None, "user_version", version + 7).unwrap();
    drop(db);
    let error = Store::open(&path, Policy::default()).unwrap_err();
    assert!(error.to_string().contains("newer tidings"), "{error}");

    let foreign = folder.path().join("b.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let error = Store::open(&foreign, Policy::default()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
}
