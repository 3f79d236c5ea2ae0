//! The suite for every implementation of the store: it uses nothing but the boundary, and opens a store again where
//! another process would. Real threads, no frozen clock.
//!
//! A second implementation adds a [`Fixture`] and a line to `suite!`.

mod lists;
mod model;
mod order;
mod verdicts;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::event::{Body, Event, EventId, Name};

/// A place for one store. Opened again, the store finds what was committed before.
pub(super) trait Fixture {
    fn new() -> Self;
    fn open_with(&self, policy: Policy) -> Store;

    fn open(&self) -> Store {
        self.open_with(Policy::default())
    }
}

pub(super) struct SqliteFile(TempDir);

impl Fixture for SqliteFile {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open_with(&self, policy: Policy) -> Store {
        Store::open(&self.0.path().join("state/tidings.db"), policy).unwrap()
    }
}

macro_rules! suite { ($implementation:ident: $Fixture:ty; $($file:ident { $($test:ident),* $(,)? })*) => {
    mod $implementation { $( mod $file { $(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            $crate::store::tests::$file::$test(<$Fixture as $crate::store::tests::Fixture>::new()).await;
        }
    )* } )* }
} }

suite! { sqlite: crate::store::tests::SqliteFile;
    order {
        what_is_committed_is_taken_in_order_and_settled,
        an_overflowing_buffer_loses_nothing_and_doubles_nothing,
        large_bodies_are_all_delivered,
        a_take_that_is_dropped_half_way_loses_nothing,
        a_repeated_id_is_planned_once_but_moves_the_cursor,
        an_entry_without_routes_writes_only_its_cursor_and_incident,
        a_new_stream_of_a_sink_starts_again_with_what_is_pending,
        closing_ends_every_waiting_call,
        a_failed_commit_hands_its_entries_back,
        until_when_a_source_was_up_is_kept_and_moved_by_its_events,
    }
    lists {
        events_are_listed_newest_first_with_their_deliveries,
        events_are_filtered,
        dead_letters_are_listed_replayed_and_dropped,
        thousands_of_dead_letters_are_replayed_in_order,
        the_backlog_has_the_time_of_its_oldest_delivery,
    }
    verdicts {
        every_attempt_keeps_its_time_and_the_latest_reply_stays,
        a_suppressed_delivery_has_its_reason_and_is_neither_dead_nor_tried,
        ten_thousand_are_settled_as_one,
        notes_belong_to_their_sink_until_deleted_or_expired,
        silences_are_stored_end_once_and_never_share_an_id,
    }
    model {
        every_history_ends_as_the_model_predicts,
    }
}

/// Generous: only a hang reaches it.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn event(number: usize) -> Arc<Event> {
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

pub(super) fn given(id: &str) -> Arc<Event> {
    Arc::new(Event { id: EventId::Given(id.into()), ..(*event(0)).clone() })
}

pub(super) fn to(sinks: &[&str], event: Arc<Event>) -> Entry {
    let routes = sinks.iter().map(|sink| Route { relay: "all".into(), sink: (*sink).into() }).collect();
    Entry { event, routes, cursor: None, incident: None }
}

pub(super) fn number(delivery: &Delivery) -> usize {
    usize::try_from(delivery.event.data.value()["number"].as_u64().unwrap()).unwrap()
}

pub(super) async fn taken(stream: &mut DeliveryStream, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        let more = tokio::time::timeout(PATIENCE, stream.take(count - all.len())).await;
        all.extend(more.expect("there is more to take").unwrap());
    }
    all
}

/// There is nothing to take, now that everything is committed.
pub(super) async fn assert_empty(stream: &mut DeliveryStream) {
    let none = tokio::time::timeout(Duration::from_millis(50), stream.take(1)).await;
    assert!(none.is_err(), "took {none:?}");
}

pub(super) async fn backlog(store: &Store, sink: &str) -> (u64, u64) {
    let all = store.backlog().await.unwrap();
    all.iter().find(|one| &*one.sink == sink).map_or((0, 0), |one| (one.pending, one.dead))
}

pub(super) fn delivered() -> Outcome {
    Outcome::Delivered { receipt: None }
}

pub(super) fn dead(why: &str) -> Outcome {
    Outcome::Dead { attempts: 3, why: why.to_owned(), reply: Some("no".to_owned()) }
}

pub(super) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}
