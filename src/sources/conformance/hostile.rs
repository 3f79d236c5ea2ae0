//! Hostile bodies and messages cause no panic and do not end a source. What is no event is counted or refused.

use std::sync::atomic::Ordering;

use super::super::{AnySource, Source};
use super::harness::{Observer, run};
use super::row::Post;
use super::rows::ROWS;
use super::stand_in::{address, vendor};
use crate::http_server::HttpError;
use crate::ingress::{Accepted, HookRequest};
use crate::outbox::LinkState;
use crate::sources::test_support::post::headers;
use crate::websocket::peer::soon;

/// Each with whether it can be part of an event: it is JSON.
fn hostile() -> Vec<(&'static str, Vec<u8>, bool)> {
    let deep = |open: &str, close: &str| (open.repeat(50_000) + &close.repeat(50_000)).into_bytes();
    vec![
        ("not UTF-8", b"{\"a\":\"\xff\xfe\"}".to_vec(), false),
        ("not text", vec![0; 100], false),
        ("truncated", b"{\"a\":{\"b\":[1,".to_vec(), false),
        ("no JSON", b"<html>Please log in</html>".to_vec(), false),
        ("deep lists", deep("[", "]"), false),
        ("deep objects", deep("{\"a\":", "}"), false),
        ("many openings", "{\"a\":[".repeat(50_000).into_bytes(), false),
        ("a megabyte", format!("{{\"a\":\"{}\"}}", "x".repeat(1_000_000)).into_bytes(), true),
        ("duplicate keys", br#"{"type":"a","type":"b","Action":1,"Action":"x","alerts":1,"alerts":[]}"#.to_vec(), true),
        (
            "wrong types",
            br#"{"type":[],"action":{},"Action":[],"Type":7,"alerts":{},"push_data":1,"id":{}}"#.to_vec(),
            true,
        ),
        ("huge numbers", br#"{"time":1e999999,"timeNano":-99999999999999999999999,"occur_at":9e99}"#.to_vec(), true),
        ("a number", b"17".to_vec(), true),
        ("null", b"null".to_vec(), true),
        ("a lone surrogate", br#"{"a":"\ud800"}"#.to_vec(), true),
    ]
}

async fn post(source: &AnySource, post: &Post, body: Vec<u8>, observer: &Observer) -> Result<Accepted, HttpError> {
    let mut fields = (post.headers)(&body);
    fields.push(("content-type", "application/json".to_owned()));
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let request = HookRequest { headers: headers(&fields), query: None, body: body.into() };
    soon(source.receive(request, &observer.out)).await
}

#[tokio::test]
async fn hostile_bodies_are_refused_or_are_events() {
    for row in ROWS {
        let Some(vendor) = row.post() else { continue };
        let source = row.open("127.0.0.1:1", "1ms");
        run(row, &source, None, async |observer| {
            for (what, body, is_json) in hostile().into_iter().chain([("empty", Vec::new(), false)]) {
                let skipped = observer.skipped.load(Ordering::Relaxed);
                match post(&source, vendor, body, observer).await {
                    Ok(_) => assert!(is_json, "{}: {what} is accepted", row.kind),
                    Err(error) => {
                        let status = error.status.as_u16();
                        assert!((400..500).contains(&status) && status != 401, "{}: {what} {error:?}", row.kind);
                        assert_eq!(observer.skipped.load(Ordering::Relaxed), skipped + 1, "{}: {what}", row.kind);
                    }
                }
            }
            let accepted = post(&source, vendor, vendor.body.into(), observer).await;
            assert_eq!(accepted, Ok(Accepted::new(1)), "{}", row.kind);
            assert_eq!(*observer.link.borrow(), LinkState::Up, "{}", row.kind);
        })
        .await;
    }
}

#[tokio::test]
async fn after_hostile_messages_a_source_goes_on() {
    for row in ROWS {
        let Some(connect) = row.connect() else { continue };
        for (_, message, is_json) in hostile() {
            let events = vec![connect.event.as_bytes(); 1 + connect.swallowed];
            let server = vendor(row, &[&[message.as_slice()], &events[..]].concat(), false).await;
            let source = row.open(address(&server), "1ms");
            run(row, &source, None, async |observer| {
                observer.up().await;
                if !connect.event.is_empty() {
                    observer.event().await;
                }
                // The reply to a request is no message: what is wrong with it is the reason of a lost link.
                if !is_json && !matches!(row.kind, "poll" | "vcenter") {
                    let counted = async {
                        while observer.skipped.load(Ordering::Relaxed) == 0 {
                            tokio::task::yield_now().await;
                        }
                    };
                    soon(counted).await;
                }
            })
            .await;
        }
    }
}
