use super::*;

fn postponed(attempts: u32) -> Outcome {
    let due = Timestamp::from_second(2_000_000_000).unwrap();
    Outcome::Postponed { due, attempts, why: format!("try {attempts}"), reply: None }
}

#[tokio::test]
async fn what_was_committed_survives_a_kill() {
    let folder = folder();
    let path = file(&folder);
    let store = opened(&path);
    store.commit((0..20).map(|n| to(&["ops"], event(n))).collect()).await.unwrap();
    store.settle(DeliveryId(1), delivered()).await.unwrap();
    store.flush().await.unwrap();
    // What a killed process leaves: the files as they are, without any closing.
    let copy = folder.path().join("copy.db");
    for suffix in ["", "-wal"] {
        std::fs::copy(beside(&path, suffix), beside(&copy, suffix)).unwrap();
    }
    let again = opened(&copy);
    assert!(again.warnings().is_empty(), "{:?}", again.warnings());
    assert_eq!(backlog(&again, "ops").await, (19, 0));
    let numbers: Vec<_> = taken(&mut again.stream("ops"), 19).await.iter().map(number).collect();
    assert_eq!(numbers, (1..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn operators_read_the_file_with_plain_sql_while_the_daemon_runs() {
    let folder = folder();
    let store = opened(&file(&folder));
    store.commit((0..4).map(|n| to(&["ops", "room"], event(n))).collect()).await.unwrap();
    let deliveries = taken(&mut store.stream("ops"), 4).await;
    store.settle(deliveries[0].id, Outcome::Delivered { receipt: Some("ts=1".to_owned()) }).await.unwrap();
    store.settle(deliveries[1].id, dead("invalid_blocks")).await.unwrap();
    store.settle(deliveries[2].id, dead("too long")).await.unwrap();
    store.flush().await.unwrap();
    let db = rusqlite::Connection::open_with_flags(file(&folder), rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let row: (String, String, String, String) = db
        .query_row(
            "SELECT state, sink, why, json_extract(e.body, '$.number') || '' FROM deliveries d
             JOIN events e ON e.seq = d.event WHERE why IS NOT NULL ORDER BY d.id",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap();
    assert_eq!(row, ("dead".to_owned(), "ops".to_owned(), "invalid_blocks".to_owned(), "1".to_owned()));
    let accepted: String = db.query_row("SELECT accepted FROM events LIMIT 1", [], |row| row.get(0)).unwrap();
    assert!(accepted.parse::<Timestamp>().is_ok(), "{accepted}");
    store.commit(vec![to(&["ops"], event(5))]).await.unwrap();
    let events: i64 = db.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap();
    assert_eq!(events, 5);
}

#[tokio::test]
async fn of_very_many_attempts_the_latest_are_kept() {
    let folder = folder();
    let store = opened(&file(&folder));
    store.commit(vec![to(&["ops"], event(0))]).await.unwrap();
    let many = u32::try_from(settle::MAX_TRIES).unwrap() + 20;
    for attempts in 1..=many {
        store.settle(DeliveryId(1), postponed(attempts)).await.unwrap();
    }
    store.flush().await.unwrap();
    let row = store.events(EventFilter::default()).await.unwrap()[0].deliveries[0].clone();
    assert_eq!((row.attempts, row.tries.len()), (many, settle::MAX_TRIES));
    assert!(row.tries.is_sorted() && row.first_tried.unwrap() <= row.tries[0]);
}

#[tokio::test]
async fn the_view_names_the_state_of_a_suppressed_delivery() {
    let folder = folder();
    let store = opened(&file(&folder));
    store.commit(vec![to(&["ops"], event(0))]).await.unwrap();
    let delivery = taken(&mut store.stream("ops"), 1).await.remove(0);
    store.settle(delivery.id, Outcome::Suppressed { why: "muted: sat-sun".to_owned() }).await.unwrap();
    store.close().await.unwrap();
    let db = rusqlite::Connection::open(file(&folder)).unwrap();
    let sql = "SELECT state FROM deliveries WHERE why = 'muted: sat-sun'";
    assert_eq!(db.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap(), "suppressed");
}
