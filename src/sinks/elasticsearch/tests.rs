//! The bulk API against a scripted server.

use serde_json::json;

use super::*;
use crate::sinks::harness::{message, opened, read, verdict};
use crate::sinks::{Sink, SinkConfig};
use crate::test_support::scripted_server::{ScriptedServer, Step, reply};

const TOML: &str = "url = \"@\"\napi_key = \"s3cr3t-key\"";

fn items(statuses: &[u16]) -> String {
    let item = |status: &u16| match status {
        200..300 => json!({ "create": { "status": status } }),
        _ => json!({ "create": { "status": status, "error": { "type": "some_exception", "reason": "no" } } }),
    };
    json!({ "errors": true, "items": statuses.iter().map(item).collect::<Vec<_>>() }).to_string()
}

async fn verdicts(many: usize, acts: impl IntoIterator<Item = Step>) -> (Vec<String>, ScriptedServer) {
    let server = ScriptedServer::start(acts).await;
    let sink = opened("elasticsearch", TOML, &server.url, &Outbound::new());
    let messages: Vec<_> = (0..many).map(|n| message(&n.to_string())).collect();
    let verdicts = sink.send_all(&messages.iter().collect::<Vec<_>>()).await;
    (verdicts.iter().map(verdict).collect(), server)
}

#[tokio::test]
async fn each_document_is_two_lines_with_a_stable_id() {
    let (verdicts, server) = verdicts(1, [reply(200, "", &items(&[201]))]).await;
    assert_eq!(verdicts, ["delivered"]);
    let seen = server.only_request();
    assert!(seen.target().starts_with("/_bulk?filter_path="), "{}", seen.head);
    let head = seen.head.to_lowercase();
    assert!(head.contains("content-type: application/x-ndjson") && head.contains("authorization: apikey s3cr3t-key"));
    assert!(seen.body.ends_with('\n'));
    let lines: Vec<Value> = seen.body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0], json!({ "create": { "_index": "tidings", "_id": "3d8126a14e9941ca5c1cc5f1b9fe4bca" } }));
    assert_eq!(
        lines[1],
        json!({
            "@timestamp": "1970-01-01T00:00:00Z", "id": "t-1", "source": "prod", "kind": "tutum",
            "type": "container.create", "subject": "/api/v1/container/<7a>/", "relay": "containers",
            "message": "0", "severity": "info", "key": "prod/web", "data": { "action": "create" },
        })
    );
}

#[tokio::test]
async fn every_document_has_a_verdict_of_its_own() {
    let answer = reply(200, "", &items(&[201, 409, 429, 400, 503, 404, 403]));
    let (verdicts, _) = verdicts(7, [answer]).await;
    assert_eq!(
        verdicts,
        [
            "delivered",
            "delivered",
            "later, all: rate_limited",
            "never, message: status_400",
            "later, all: status_503",
            "never, destination: status_404",
            "never, destination: status_403",
        ]
    );
}

#[tokio::test]
async fn a_request_too_long_for_the_server_is_sent_in_halves() {
    let acts = [reply(413, "", ""), reply(200, "", &items(&[201])), reply(200, "", &items(&[201, 400]))];
    let (verdicts, server) = verdicts(3, acts).await;
    assert_eq!(verdicts, ["delivered", "delivered", "never, message: status_400"]);
    assert_eq!(server.requests().iter().map(|seen| seen.body.lines().count()).collect::<Vec<_>>(), [6, 2, 4]);
}

#[tokio::test]
async fn after_an_incomplete_reply_halves_are_sent_and_a_single_document_waits() {
    let half = "{\"errors\":false,\"items\":[{\"create\"";
    let acts = [reply(200, "", half), reply(200, "", &items(&[201])), reply(200, "", half)];
    let (verdicts, _) = verdicts(2, acts).await;
    assert_eq!(verdicts, ["delivered", "later: failed_with_2xx"]);
}

#[test]
fn names_and_credentials_are_checked() {
    let problems = |toml: &str| read("elasticsearch", toml).1;
    for index in ["", "Upper", "_hidden", "a b", "a/b", "a*"] {
        assert_eq!(problems(&format!("url = \"http://x\"\nindex = \"{index}\"")).len(), 1, "{index}");
    }
    assert_eq!(problems("url = \"http://x\"\napi_key = \"a\"\nbasic = { user = \"u\", password = \"p\" }").len(), 1);
    assert_eq!(problems("url = \"http://x\"\nbasic = { user = \"u\" }").len(), 1);
    assert!(matches!(read("elasticsearch", &TOML.replace('@', "http://x")).0, Some(SinkConfig::Elasticsearch(_))));
}
