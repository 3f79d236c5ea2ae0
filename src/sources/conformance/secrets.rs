//! No secret is in Debug output, a fault, the reason of a lost link or the log, even where the server repeats it.

use super::super::Source;
use super::harness::run;
use super::rows::ROWS;
use super::stand_in::{address, constant, vendor};
use crate::ingress::HookRequest;
use crate::sources::test_support::post::headers;
use crate::test_support::log::Log;
use crate::test_support::scripted_server::{Step, reply};
use crate::websocket::peer::soon;

/// What a server may repeat.
const ECHO: &str = r#"{"message":"no s3cr3t","errors":[{"code":"s3cr3t"}]}"#;

#[tokio::test]
async fn no_secret_is_shown() {
    let (log, _logging) = Log::capture();
    tracing::info!("the log is kept");
    for row in ROWS.iter().filter(|row| row.has_secrets) {
        let (config, _) = row.read("127.0.0.1:1", "1ms");
        assert!(!format!("{config:?}").contains("s3cr3t"), "{}", row.kind);
        for status in [200, 302, 400, 401, 403, 404, 429, 500, 503] {
            let server = constant(reply(status, "X-Echo: s3cr3t\r\n", ECHO)).await;
            let source = row.open(address(&server), "1ms");
            let shown = run(row, &source, None, async |observer| {
                let mut shown = vec![format!("{source:?}")];
                // A poll reads the text as a document.
                if row.connect().is_some() && !(row.kind == "poll" && status == 200) {
                    shown.push(format!("{:?}", observer.down().await));
                }
                if let Some(look_up) = row.look_up.as_ref().filter(|_| row.kind != "vcenter") {
                    shown.push(format!("{:?}", soon(source.look_up(look_up.reference)).await.err()));
                }
                shown.concat()
            })
            .await;
            assert!(!shown.contains("s3cr3t"), "{}: {status} {shown}", row.kind);
        }
        for step in [Step::Reset, Step::ReplyAndClose("s3cr3t".to_owned())] {
            let server = constant(step).await;
            let source = row.open(address(&server), "1ms");
            let down = run(row, &source, None, async |observer| match row.connect() {
                Some(_) => Some(observer.down().await),
                None => None,
            });
            let shown = format!("{:?}", down.await);
            assert!(!shown.contains("s3cr3t"), "{}: {shown}", row.kind);
        }
        let server = vendor(row, &[b"s3cr3t", b"{\"s3cr3t\":"], false).await;
        let source = row.open(address(&server), "1ms");
        run(row, &source, None, async |observer| match row.kind {
            // Neither message is a document.
            "poll" => assert!(!format!("{:?}", observer.down().await).contains("s3cr3t")),
            _ => observer.up().await,
        })
        .await;
    }
    let log = log.text();
    assert!(log.contains("the log is kept") && !log.contains("s3cr3t"), "{log}");
}

#[tokio::test]
async fn a_refusal_does_not_show_the_secret() {
    let (log, _logging) = Log::capture();
    for row in ROWS {
        let Some(post) = row.post().filter(|_| row.kind != "dockerhub") else { continue };
        let source = row.open("127.0.0.1:1", "1ms");
        run(row, &source, None, async |observer| {
            let proven = (post.headers)(post.body.as_bytes());
            for wrong in [vec![], proven.into_iter().map(|(name, value)| (name, value + "x")).collect()] {
                let fields: Vec<_> =
                    wrong.iter().map(|(name, value): &(&str, String)| (*name, value.as_str())).collect();
                let request = HookRequest { headers: headers(&fields), query: None, body: post.body.into() };
                let error = source.receive(request, &observer.out).await.expect_err("refused");
                assert_eq!(error.status.as_u16(), 401, "{}: {error:?}", row.kind);
                assert!(!format!("{error:?}").contains("s3cr3t"), "{}: {error:?}", row.kind);
            }
        })
        .await;
    }
    let log = log.text();
    assert!(log.contains("authentication failed") && !log.contains("s3cr3t"), "{log}");
}

#[test]
fn a_problem_with_a_secret_does_not_repeat_it() {
    for row in ROWS.iter().filter(|row| row.toml.contains('@')) {
        for broken in ["s3cr3t host", "s3cr3t:s3cr3t@x.example", ":"] {
            let (config, problems) = row.read(broken, "1ms");
            assert!(config.is_none() || row.kind == "vcenter", "{}: {config:?}", row.kind);
            assert!(!problems.concat().contains("s3cr3t"), "{}: {problems:?}", row.kind);
        }
    }
}
