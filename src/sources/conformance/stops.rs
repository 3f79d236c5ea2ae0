//! Sources stop in time wherever they wait. The limit is in `harness`.

use super::super::Source;
use super::harness::{is_waiting, run, run_with_full_intake};
use super::rows::ROWS;
use super::stand_in::{address, constant, vendor};
use crate::ingress::HookRequest;
use crate::sources::test_support::post::headers;
use crate::test_support::scripted_server::{Step, reply};

#[tokio::test]
async fn while_connecting_to_a_server_that_does_not_answer() {
    for row in ROWS.iter().filter(|row| row.connect().is_some()) {
        let server = constant(Step::Stall).await;
        let source = row.open(address(&server), "1h");
        run(row, &source, None, async |_| server.wait_for(1).await).await;
    }
}

#[tokio::test]
async fn while_waiting_for_the_next_attempt() {
    for row in ROWS.iter().filter(|row| row.connect().is_some()) {
        let server = constant(reply(503, "", "")).await;
        let source = row.open(address(&server), "1h");
        run(row, &source, None, async |observer| observer.down().await).await;
    }
}

#[tokio::test]
async fn while_reading() {
    for row in ROWS {
        let event = row.connect().map_or("", |connect| connect.event);
        let server = vendor(row, &[event.as_bytes()], false).await;
        let source = row.open(address(&server), "1h");
        run(row, &source, None, async |observer| observer.up().await).await;
    }
}

#[tokio::test]
async fn while_the_intake_is_full() {
    for row in ROWS {
        let event = row.connect().map_or("", |connect| connect.event).as_bytes();
        let server = vendor(row, &[event, event, event], false).await;
        let source = row.open(address(&server), "1ms");
        run_with_full_intake(row, &source, async |out| {
            let Some(post) = row.post() else { return std::future::pending().await };
            let proof = (post.headers)(post.body.as_bytes());
            let fields: Vec<_> = proof.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let request = HookRequest { headers: headers(&fields), query: None, body: post.body.into() };
            source.receive(request, out).await.expect("never answered");
        })
        .await;
    }
}

#[tokio::test]
async fn while_a_look_up_is_not_answered() {
    for row in ROWS {
        let Some(look_up) = &row.look_up else { continue };
        let event = row.connect().map_or("", |connect| connect.event);
        let server = vendor(row, &[event.as_bytes()], true).await;
        let source = row.open(address(&server), "1h");
        run(row, &source, None, async |observer| {
            observer.up().await;
            let stalled = async {
                let _never = source.look_up(look_up.reference).await;
            };
            assert!(is_waiting(stalled).await, "{}: answered", row.kind);
        })
        .await;
    }
}
