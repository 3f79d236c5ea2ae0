//! When verdicts are flushed, and what the store keeps of each. Real time, because the store's threads know no other.

use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::event::{Event, EventId};
use crate::store::{DeadFilter, Delivery, Entry, EventFilter, Policy, Route};

struct Lane {
    settler: Settler,
    store: Store,
    _folder: TempDir,
}

fn lane(at_once: usize) -> Lane {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(&folder.path().join("tidings.db"), Policy::default()).expect("it opens");
    Lane { settler: Settler::new("ops".into(), store.clone(), at_once), store, _folder: folder }
}

impl Lane {
    /// So many deliveries of the store, each by itself.
    async fn payloads(&self, count: usize) -> Vec<Payload> {
        let entry = |_| {
            let event = Event::ours("source.lost", "web", Timestamp::now(), &Value::Null);
            let event = Arc::new(Event { id: EventId::fresh(Timestamp::now()), ..event });
            let routes = vec![Route { relay: "all".into(), sink: "ops".into() }];
            Entry { event, routes, cursor: None, incident: None }
        };
        self.store.commit((0..count).map(entry).collect()).await.expect("committed");
        let deliveries: Vec<Delivery> = self.store.stream("ops").take(count).await.expect("readable");
        deliveries.into_iter().map(Payload::One).collect()
    }

    async fn states(&self) -> Vec<&'static str> {
        self.store.flush().await.expect("written");
        let rows = self.store.events(EventFilter::default()).await.expect("readable");
        rows.iter().rev().flat_map(|row| &row.deliveries).map(|row| row.state.name()).collect()
    }
}

#[tokio::test]
async fn one_post_at_a_time_waits_for_its_verdict_to_be_on_disk() {
    let mut lane = lane(1);
    let payloads = lane.payloads(1).await;
    lane.settler.start_flush();
    assert!(lane.settler.has_room() && lane.settler.flush.is_none(), "there is nothing to write");
    lane.settler.delivered(&payloads[0], None, Vec::new()).await.expect("handed in");
    assert!(!lane.settler.has_room());
    lane.settler.start_flush();
    lane.settler.flushed().await;
    assert!(lane.settler.has_room());
    assert_eq!(lane.states().await, ["delivered"]);
}

#[tokio::test]
async fn a_sink_with_many_posts_at_once_shares_writes() {
    let mut lane = lane(10);
    let payloads = lane.payloads(80).await;
    for (number, payload) in payloads.iter().enumerate() {
        assert!(lane.settler.has_room(), "{number}");
        assert!(lane.settler.flush.is_none(), "{number}");
        if number < 40 {
            lane.settler.start_flush();
        }
        lane.settler.delivered(payload, None, Vec::new()).await.expect("handed in");
    }
    assert!(!lane.settler.has_room());
    lane.settler.start_flush();
    lane.settler.flushed().await;
    assert_eq!(lane.settler.unwritten, 0);
}

#[tokio::test]
async fn every_verdict_is_kept_with_its_reason_and_the_reply() {
    let mut lane = lane(4);
    let payloads = lane.payloads(4).await;
    let refused = Fault::new("status_400", "refused").with_reply("no such field");
    lane.settler.delivered(&payloads[0], Some("ts-1".to_owned()), Vec::new()).await.expect("handed in");
    lane.settler.suppressed(payloads[1].ids()[0], "muted".to_owned()).await.expect("handed in");
    lane.settler.dead(&payloads[2], 3, &refused).await.expect("handed in");
    lane.settler.postponed(&payloads[3], Duration::from_secs(60), 1, &refused).await.expect("handed in");
    assert_eq!(lane.states().await, ["delivered", "suppressed", "dead", "pending"]);
    let dead = lane.store.dead(DeadFilter::default()).await.expect("readable").remove(0).delivery;
    let (why, reply) = (dead.why.as_deref(), dead.reply.as_deref());
    assert_eq!((dead.attempts, why, reply), (3, Some("refused"), Some("no such field")));
}

#[tokio::test]
async fn only_messages_that_were_delivered_count_as_unwritten() {
    let mut lane = lane(1);
    let payloads = lane.payloads(2).await;
    lane.settler.suppressed(payloads[0].ids()[0], "muted".to_owned()).await.expect("handed in");
    lane.settler.dead(&payloads[1], 1, &Fault::new("status_400", "refused")).await.expect("handed in");
    assert!(lane.settler.has_room());
}
