//! The queue as its users see it. Real files and threads, no frozen clock.

mod damage;
mod lists;
mod model;
mod older;
mod refusal;
mod retention;
mod road;
mod speed;
mod verdicts;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::event::{Body, Event, EventId};

/// Generous: only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn file(folder: &TempDir) -> std::path::PathBuf {
    folder.path().join("state/tidings.db")
}

fn opened(file: &Path) -> Store {
    Store::open(file, Policy::default()).unwrap()
}

fn event(number: usize) -> Arc<Event> {
    Arc::new(Event {
        id: EventId::fresh(Timestamp::now()),
        source: "prod".into(),
        kind: "tutum".into(),
        r#type: "container.create".into(),
        time: Timestamp::now(),
        subject: format!("/c/{number}/").into(),
        data: Body::from_value(&json!({ "number": number })),
    })
}

fn given(id: &str) -> Arc<Event> {
    Arc::new(Event { id: EventId::Given(id.into()), ..(*event(0)).clone() })
}

fn to(sinks: &[&str], event: Arc<Event>) -> Entry {
    let routes = sinks.iter().map(|sink| Route { relay: "all".into(), sink: (*sink).into() }).collect();
    Entry { event, routes, cursor: None, incident: None }
}

fn number(delivery: &Delivery) -> usize {
    usize::try_from(delivery.event.data.value()["number"].as_u64().unwrap()).unwrap()
}

async fn taken(line: &mut DeliveryStream, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        let more = tokio::time::timeout(PATIENCE, line.take(count - all.len())).await;
        all.extend(more.expect("there is more to take").unwrap());
    }
    all
}

/// Nothing is there to take, now that all is committed.
async fn assert_empty(line: &mut DeliveryStream) {
    let none = tokio::time::timeout(Duration::from_millis(50), line.take(1)).await;
    assert!(none.is_err(), "took {none:?}");
}

async fn backlog(store: &Store, sink: &str) -> (u64, u64) {
    let all = store.backlog().await.unwrap();
    all.iter().find(|one| &*one.sink == sink).map_or((0, 0), |one| (one.pending, one.dead))
}

fn delivered() -> Outcome {
    Outcome::Delivered { receipt: None }
}

fn buried(why: &str) -> Outcome {
    Outcome::Dead { attempts: 3, why: why.to_owned(), reply: Some("no".to_owned()) }
}
