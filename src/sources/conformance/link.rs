//! Sources report when they are up and when they are down.

use super::harness::run;
use super::rows::ROWS;
use super::stand_in::{address, constant, vendor};
use crate::outbox::LinkState;
use crate::test_support::scripted_server::{Step, reply};

#[tokio::test]
async fn a_source_that_others_post_to_is_up_while_it_runs() {
    for row in ROWS.iter().filter(|row| row.post().is_some()) {
        let source = row.open("127.0.0.1:1", "1ms");
        run(row, &source, None, async |observer| observer.up().await).await;
    }
}

#[tokio::test]
async fn a_source_is_up_when_its_server_accepts_it_and_down_when_the_connection_is_lost() {
    for row in ROWS {
        let Some(connect) = row.connect() else { continue };
        let server = vendor(row, &[connect.event.as_bytes()], false).await;
        let source = row.open(address(&server), "1ms");
        run(row, &source, None, async |observer| {
            observer.up().await;
            if !connect.event.is_empty() {
                observer.event().await;
            }
            drop(server);
            let LinkState::Down(fault) = observer.down().await else { panic!("{}: not down", row.kind) };
            assert!(!fault.reason().is_empty() && !fault.to_string().is_empty(), "{}: {fault:?}", row.kind);
        })
        .await;
    }
}

#[tokio::test]
async fn a_source_whose_server_refuses_it_is_down_and_was_never_up() {
    let steps = [reply(401, "", ""), reply(403, "", ""), reply(404, "", ""), reply(500, "", ""), Step::Reset];
    for step in steps {
        let server = constant(step.clone()).await;
        for row in ROWS.iter().filter(|row| row.connect().is_some()) {
            let source = row.open(address(&server), "1h");
            run(row, &source, None, async |observer| {
                let first =
                    observer.link.wait_for(|link| *link != LinkState::Connecting).await.expect("running").clone();
                assert!(matches!(first, LinkState::Down(_)), "{}: {step:?} {first:?}", row.kind);
            })
            .await;
        }
    }
}
