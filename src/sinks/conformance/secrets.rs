//! No secret is in Debug output, an error or the log, even where the vendor repeats it.

use super::super::Sink;
use super::super::harness::{message, read};
use super::row::Row;
use super::with_server;
use crate::test_support::log::Log;
use crate::test_support::scripted_server::{ScriptedServer, Step, reply};

/// Every secret of the row, whole and in the pieces that a vendor might repeat.
fn repeated(row: &Row, url: &str) -> String {
    let toml = row.toml.replace('@', url);
    let values = toml.split('"').skip(1).step_by(2);
    let pieces = values.flat_map(|value| [value].into_iter().chain(value.split(['/', '?', '&', '=', ' '])));
    let secret: Vec<String> =
        pieces.filter(|piece| piece.contains("s3cr3t")).map(|piece| format!("`{piece}`")).collect();
    format!("there is no {}", secret.join(" and no "))
}

#[tokio::test]
async fn no_secret_is_shown() {
    let (log, _logging) = Log::capture();
    tracing::info!("the log is kept");
    for (row, _) in with_server() {
        for status in [200, 202, 302, 400, 401, 403, 404, 410, 429, 500, 503] {
            let server = ScriptedServer::start([]).await;
            let echo = repeated(row, &server.url);
            assert!(echo.contains("s3cr3t"), "{}", row.kind);
            drop(server);
            for step in [reply(status, "", &echo), Step::ReplyAndClose(echo.clone()), Step::Reset] {
                let server = ScriptedServer::start([step]).await;
                let sink = row.open(&server.url);
                let result = sink.send(&message("up")).await;
                let cause = result.as_ref().err().map(|error| error.cause().to_string());
                let shown = format!("{sink:?} {result:?} {cause:?} {:?}", sink.traits());
                assert!(!shown.contains("s3cr3t"), "{}: {shown}", row.kind);
            }
        }
    }
    let log = log.text();
    assert!(log.contains("the log is kept") && !log.contains("s3cr3t"), "{log}");
}

#[test]
fn a_problem_with_a_secret_does_not_repeat_it() {
    for (row, _) in with_server() {
        let (config, _) = read(row.kind, &row.toml.replace('@', "https://x.example"));
        assert!(!format!("{config:?}").contains("s3cr3t"), "{}", row.kind);
        for broken in ["s3cr3t host", "ftp://s3cr3t", "https://s3cr3t:s3cr3t@x.example", ""] {
            let (config, problems) = read(row.kind, &row.toml.replace('@', broken));
            assert!(config.is_none() && !problems.is_empty(), "{}", row.kind);
            assert!(!problems.concat().contains("s3cr3t"), "{}: {problems:?}", row.kind);
        }
    }
}
