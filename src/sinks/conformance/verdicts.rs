//! Verdicts on replies.

use std::time::Duration;

use super::super::Sink;
use super::super::harness::{message, opened, verdict};
use super::row::Row;
use super::{broken_connections, with_server};
use crate::outbound::{Outbound, Timeouts};
use crate::test_support::scripted_server::{ScriptedServer, Step, reply};

/// What statuses usually mean.
const USUAL: &[(u16, &str)] = &[
    (301, "never, destination: redirect"),
    (302, "never, destination: redirect"),
    (307, "never, destination: redirect"),
    (308, "never, destination: redirect"),
    (400, "never, message: status_400"),
    (401, "never, destination: status_401"),
    (403, "never, destination: status_403"),
    (404, "never, destination: status_404"),
    (408, "later: status_408"),
    (410, "never, destination: status_410"),
    (413, "never, message: status_413"),
    (415, "never, message: status_415"),
    (422, "never, message: status_422"),
    (425, "later: status_425"),
    (429, "later, all: rate_limited"),
    (500, "later: status_500"),
    (502, "later, all: status_502"),
    (503, "later, all: status_503"),
    (504, "later, all: status_504"),
];

/// What proxies, login pages and failing servers reply instead of the vendor.
const GARBAGE: &[&str] = &["", "<html>Please log in</html>", "{\"half\":", "null", "[]", "\"ok?\"", "{}", "\u{1}\u{2}"];

/// The verdicts on one message that is sent once for each step.
async fn verdicts(row: &Row, steps: Vec<Step>) -> Vec<String> {
    let count = steps.len();
    let server = ScriptedServer::start(steps).await;
    let sink = row.open(&server.url);
    let mut verdicts = Vec::new();
    for _ in 0..count {
        verdicts.push(verdict(&sink.send(&message("up")).await));
    }
    verdicts
}

#[tokio::test]
async fn every_status_has_the_same_meaning_for_all_sinks_whatever_the_body() {
    for (row, _) in with_server() {
        let cases: Vec<_> = USUAL.iter().flat_map(|usual| GARBAGE.iter().map(move |body| (usual, *body))).collect();
        let steps = cases.iter().map(|((status, _), body)| reply(*status, "", body)).collect();
        let verdicts = verdicts(row, steps).await;
        for (((status, usual), body), verdict) in cases.iter().zip(verdicts) {
            let unlike = row.unlike.iter().find(|(unlike, _)| unlike == status);
            let expected = unlike.map_or(*usual, |(_, verdict)| verdict);
            assert_eq!(verdict, expected, "{}: {status} {body:?}", row.kind);
        }
    }
}

#[tokio::test]
async fn a_success_is_delivered() {
    for (row, (_, body)) in with_server() {
        let steps = [200, 201, 202].map(|status| reply(status, "", body));
        for verdict in verdicts(row, steps.into()).await {
            assert!(verdict.starts_with("delivered"), "{}: {verdict}", row.kind);
        }
        let steps = GARBAGE.iter().map(|body| reply(200, "", body)).chain([reply(204, "", "")]);
        for verdict in verdicts(row, steps.collect()).await {
            assert!(verdict.starts_with(row.when_garbled), "{}: {verdict}", row.kind);
        }
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = ScriptedServer::start([]).await;
    let there = format!("Location: {}/\r\n", elsewhere.url);
    for (row, _) in with_server() {
        let steps = [301, 302, 303, 307, 308].map(|status| reply(status, &there, ""));
        assert_eq!(verdicts(row, steps.into()).await, ["never, destination: redirect"; 5], "{}", row.kind);
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn retry_after_is_read_in_both_forms_and_optional() {
    let date = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(600);
    let date = format!("Retry-After: {}\r\n", date.strftime("%a, %d %b %Y %H:%M:%S GMT"));
    for (row, _) in with_server() {
        for (status, reason) in [(429, "rate_limited"), (503, "status_503")] {
            let headers = ["Retry-After: 30\r\n", &date, "", "Retry-After: soon\r\n", "Retry-After: -1\r\n"];
            let steps = headers.map(|headers| reply(status, headers, "")).into();
            let [seconds, until, none, unreadable, negative] = verdicts(row, steps).await.try_into().expect("five");
            assert_eq!(seconds, format!("later in 30s, all: {reason}"), "{}", row.kind);
            assert!(until.starts_with("later in 5") || until.starts_with("later in 600s"), "{}: {until}", row.kind);
            for bare in [none, unreadable, negative] {
                assert_eq!(bare, format!("later, all: {reason}"), "{}", row.kind);
            }
        }
    }
}

#[tokio::test]
async fn after_a_broken_connection_the_message_is_tried_again() {
    for (row, _) in with_server() {
        for (when, step) in broken_connections() {
            assert_eq!(verdicts(row, vec![step]).await, ["later: reset"], "{}: {when}", row.kind);
        }
        let banner = Step::ReplyAndClose("220 mail.example ESMTP\r\n\r\n".to_owned());
        assert_eq!(verdicts(row, vec![banner]).await, ["later: garbled"], "{}", row.kind);
    }
}

#[tokio::test]
async fn a_timeout_holds_the_lane() {
    let brief = Duration::from_millis(300);
    let net = Outbound::with_timeouts(Timeouts { connect: brief, total: brief });
    for (row, _) in with_server() {
        let server = ScriptedServer::start([Step::Stall]).await;
        let sink = opened(row.kind, row.toml, &server.url, &net);
        assert_eq!(verdict(&sink.send(&message("up")).await), "later, all: timeout", "{}", row.kind);
    }
}

#[tokio::test]
async fn an_endless_reply_is_cut_and_has_the_verdict_of_its_status() {
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    for (row, _) in with_server() {
        let head = "HTTP/1.1 400 X\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
        let verdicts = verdicts(row, vec![Step::Endless(head, chunk.clone())]).await;
        assert_eq!(verdicts, ["never, message: status_400"], "{}", row.kind);
    }
}
