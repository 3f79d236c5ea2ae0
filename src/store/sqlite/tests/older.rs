//! State files that earlier versions wrote.

use super::*;

/// The first version's tables as they were released, and one delivery of each state that it knew.
const V1: &str = "
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA application_id = 1953064041;
PRAGMA user_version = 1;
CREATE TABLE event (seq INTEGER PRIMARY KEY, routes INTEGER NOT NULL, source TEXT NOT NULL, kind TEXT NOT NULL,
    type TEXT NOT NULL, subject TEXT NOT NULL, id TEXT NOT NULL, time INTEGER NOT NULL, accepted INTEGER NOT NULL,
    crc INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE delivery (id INTEGER PRIMARY KEY, event INTEGER NOT NULL, state INTEGER NOT NULL, relay TEXT NOT NULL,
    sink TEXT NOT NULL, accepted INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, due INTEGER,
    first_tried INTEGER, settled INTEGER, why TEXT, reply TEXT, receipt TEXT, again INTEGER) STRICT;
CREATE INDEX pending ON delivery(sink, id) WHERE state = 0;
CREATE INDEX dead ON delivery(sink, id) WHERE state = 2;
CREATE INDEX again ON delivery(event) WHERE again IS NOT NULL;
CREATE TABLE tally (sink TEXT PRIMARY KEY, pending INTEGER NOT NULL, dead INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE cursor (source TEXT PRIMARY KEY, place TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE incident (source TEXT PRIMARY KEY, event TEXT NOT NULL, why TEXT NOT NULL, since INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE seen (source TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (source, id)) STRICT, WITHOUT ROWID;
CREATE INDEX seen_at ON seen(at);
CREATE TABLE room (id INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT;
CREATE VIEW events AS SELECT seq FROM event;
CREATE VIEW deliveries AS SELECT id FROM delivery;
INSERT INTO event VALUES (1, 3, 'prod', 'tutum', 'container.create', '/c/0/', 'e-1', 1700000000000000,
    1700000000000000, 0, '{\"number\":0}');
INSERT INTO delivery (id, event, state, relay, sink, accepted, attempts, due, first_tried, settled, why) VALUES
    (1, 1, 0, 'all', 'ops', 1700000000000000, 2, 1700000001000000, 1700000000000000, NULL, '503'),
    (2, 1, 1, 'all', 'ops', 1700000000000000, 1, NULL, 1700000000000000, 1700000000000000, NULL),
    (3, 1, 2, 'all', 'ops', 1700000000000000, 3, NULL, 1700000000000000, 1700000009000000, '400');
INSERT INTO tally VALUES ('ops', 1, 1);
INSERT INTO cursor VALUES ('prod', '7');
";

#[tokio::test]
async fn a_file_of_the_first_version_goes_on_where_it_was() {
    let folder = folder();
    let path = folder.path().join("old.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(V1).unwrap();
    db.execute("UPDATE event SET crc = ?1", [crc32c::crc32c(b"{\"number\":0}")]).unwrap();
    drop(db);
    // Retention would delete what is that old.
    let policy = Policy { retention_age: Duration::from_secs(100 * 366 * 86_400), ..Policy::default() };
    let store = Store::open(&path, policy).unwrap();
    assert!(store.warnings().is_empty(), "{:?}", store.warnings());
    assert_eq!(backlog(&store, "ops").await, (1, 1));
    assert_eq!(store.cursor("prod").await.unwrap().as_deref(), Some("7"));
    let delivery = taken(&mut store.stream("ops"), 1).await.remove(0);
    assert_eq!((delivery.id, number(&delivery), delivery.attempts), (DeliveryId(1), 0, 2));
    let due = Timestamp::from_second(2_000_000_000).unwrap();
    let outcome = Outcome::Postponed { due, attempts: 3, why: "503".to_owned(), reply: Some("busy".to_owned()) };
    store.settle(delivery.id, outcome).await.unwrap();
    store.settle(delivery.id, Outcome::Suppressed { why: "muted".to_owned() }).await.unwrap();
    store.flush().await.unwrap();
    let rows = store.events(EventFilter::default()).await.unwrap();
    let states: Vec<_> = rows[0].deliveries.iter().map(|row| (row.state, row.attempts, row.tries.len())).collect();
    // The times of earlier attempts are unknown.
    assert_eq!(
        states,
        [(DeliveryState::Suppressed, 3, 1), (DeliveryState::Delivered, 1, 0), (DeliveryState::Dead, 3, 0)]
    );
    assert_eq!(rows[0].deliveries[0].reply.as_deref(), Some("busy"));
    assert!(store.silences().await.unwrap().is_empty());
    store.commit(vec![to(&["ops"], event(1))]).await.unwrap();
    store.close().await.unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    let state: String = db.query_row("SELECT state FROM deliveries WHERE id = 1", [], |row| row.get(0)).unwrap();
    assert_eq!(state, "suppressed");
    assert!(opened(&path).warnings().is_empty());
}
