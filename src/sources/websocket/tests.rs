//! The whole source against scripted peers. Sockets are real, so the clock is not paused.

use std::sync::atomic::Ordering;

use tokio::join;
use tokio::sync::mpsc;

use super::*;
use crate::config_reader::{ConfigReader, TableReader};
use crate::event::{EventId, Name};
use crate::outbox::{Arrival, LinkState, SourceStatus};
use crate::test_support::scripted_server::{ScriptedServer, reply};
use crate::websocket::peer::{Handshake, Peer, receive, send, soon};

fn env(name: &str) -> Option<String> {
    (name == "TOKEN").then(|| "s3 cr&t".to_owned())
}

fn read(text: &str) -> (Option<Config>, Vec<String>, Option<String>) {
    let reading = ConfigReader::new(text, &env);
    let tree = reading.tree();
    let mut table = TableReader::new(&reading, "source.websocket", &tree);
    table.read_optional();
    let config = Config::read(&table);
    let left_out = table.unset_secret();
    table.finish();
    let findings = reading.into_findings();
    (config, findings.problems.into_iter().map(|problem| problem.message).collect(), left_out)
}

fn source(peer: &Peer, rest: &str) -> Websocket {
    let (config, _, _) = read(&format!("url = \"{}\"\n{rest}", peer.url("ws", "/stream?v=1")));
    Websocket::open(config.expect("a valid configuration"), &Outbound::new())
}

fn outbox() -> (Outbox, SourceStatus, mpsc::Receiver<Arrival>) {
    let (sender, arrivals) = mpsc::channel(8);
    let (out, status) = Outbox::new(Name::from("feed"), Name::from("websocket"), sender);
    (out, status, arrivals)
}

async fn handshake(rest: &str) -> Handshake {
    let peer = Peer::new().await;
    let (source, (out, _status, _arrivals), stop) = (source(&peer, rest), outbox(), Stop::new());
    let (ran, handshake) = join!(Box::pin(source.run(&out, &stop)), async {
        let (_, handshake) = peer.accept_with_handshake().await;
        stop.trigger();
        handshake
    });
    assert_eq!(ran, Ok(()));
    handshake
}

#[tokio::test]
async fn credentials_are_sent_in_the_handshake() {
    let bearer = handshake("bearer = { env = \"TOKEN\" }").await;
    assert_eq!((bearer.uri.as_str(), bearer.header("authorization")), ("/stream?v=1", "Bearer s3 cr&t"));
    let basic = handshake("basic = { user = \"Aladdin\", password = \"open sesame\" }").await;
    assert_eq!(basic.header("authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    let rest = "query = { key = { env = \"TOKEN\" }, room = \"a/b\" }\nheaders = { X-Key = { env = \"TOKEN\" }, Origin = \"https://o.example\" }";
    let rest = handshake(rest).await;
    assert_eq!(rest.uri, "/stream?v=1&key=s3%20cr%26t&room=a%2Fb");
    assert_eq!((rest.header("x-key"), rest.header("origin")), ("s3 cr&t", "https://o.example"));
}

#[tokio::test]
async fn frames_become_events_with_the_configured_labels() {
    let peer = Peer::new().await;
    let labels =
        "type = \"{{ data.kind }}\"\nid = \"{{ data.id }}\"\nsubject = \"{{ data.on }}\"\ntime = \"{{ data.at }}\"";
    let (source, (out, mut status, mut arrivals), stop) = (source(&peer, labels), outbox(), Stop::new());
    let script = async {
        let mut socket = peer.accept().await;
        soon(status.link.wait_for(|link| *link == LinkState::Up)).await.expect("the source runs");
        send(&mut socket, r#"{"kind":"Door.Opened","id":"17","on":"door","at":"2016-02-01T16:47:28Z"}"#).await;
        send(&mut socket, "no JSON").await;
        send(&mut socket, "{}").await;
        let first = soon(arrivals.recv()).await.expect("an event").into_events().remove(0);
        assert_eq!((&*first.r#type, &*first.subject), ("Door.Opened", "door"));
        assert_eq!(first.id, EventId::Given("17".into()));
        assert_eq!(first.time.to_string(), "2016-02-01T16:47:28Z");
        let bare = soon(arrivals.recv()).await.expect("an event").into_events().remove(0);
        assert_eq!((&*bare.r#type, &*bare.subject, bare.data.text()), ("message", "", "{}"));
        assert!(matches!(bare.id, EventId::Fresh(_)));
        assert_eq!(status.skipped.load(Ordering::Relaxed), 1);
        stop.trigger();
    };
    assert_eq!(join!(Box::pin(source.run(&out, &stop)), script).0, Ok(()));
}

#[tokio::test]
async fn only_a_source_with_an_api_can_look_up() {
    let peer = Peer::new().await;
    let fault = source(&peer, "").look_up("/x").await.expect_err("no API");
    assert_eq!(fault.reason(), "no_look_up");
    assert!(fault.to_string().contains("`api`"));
    let server = ScriptedServer::start([reply(200, "", "[]")]).await;
    let rest = format!("api = \"{}\"\nbearer = \"t\"\nheaders = {{ X-Key = \"k\" }}", server.url);
    let source = source(&peer, &rest);
    assert_eq!(soon(source.look_up("/things/1")).await, Ok(serde_json::json!([])));
    let head = server.only_request().head;
    for line in ["GET /things/1 HTTP/1.1", "authorization: Bearer t", "x-key: k"] {
        assert!(head.lines().any(|sent| sent == line), "{head}");
    }
    assert_eq!(soon(source.look_up("http://evil.example/")).await.expect_err("foreign").reason(), "foreign_host");
}

#[test]
fn invalid_values_are_reported() {
    const URL: &str = "url = \"wss://h.example/\"\n";
    for (text, wanted) in [
        ("", "`url` is missing here"),
        ("url = \"http://h.example/\"", "a WebSocket URL begins with ws or wss, not with http"),
        (
            &format!("{URL}headers = {{ Upgrade = \"x\" }}"),
            "`Upgrade` belongs to the WebSocket's handshake and cannot be set",
        ),
        (&format!("{URL}headers = {{ \"a b\" = \"x\" }}"), "`a b` is no name of an HTTP header"),
        (&format!("{URL}basic = {{ user = \"x\" }}"), "`password` is missing here"),
        (
            &format!("{URL}bearer = {{ env = \"TOKEN\" }}\nheaders = {{ authorization = \"x\" }}"),
            "more than one of `bearer`, `basic` and an `authorization` header",
        ),
        (&format!("{URL}subprotocol = \"a b\""), "`a b` is not a valid subprotocol"),
        (&format!("{URL}subscribe = [\"{}\"]", "x".repeat(9000)), "this message is longer than 8192 bytes"),
        (&format!("{URL}query = {{ key = {{ env = \"UNSET\" }} }}"), "`key`: the variable UNSET is not set"),
    ] {
        assert_eq!(read(text).1, [wanted], "{text}");
    }
}

#[tokio::test]
async fn subscriptions_are_sent_after_every_connect() {
    let peer = Peer::new().await;
    let rest = "subprotocol = [\"v2.json\"]\nsubscribe = [\"hello\", { op = \"login\", key = { env = \"TOKEN\" } }]";
    let (source, (out, mut status, _arrivals), stop) = (source(&peer, rest), outbox(), Stop::new());
    let script = async {
        for _ in 0..2 {
            let mut socket = peer.accept_protocol("v2.json").await;
            assert_eq!(receive(&mut socket).await, "hello");
            let login: Value = serde_json::from_str(&receive(&mut socket).await).expect("JSON");
            assert_eq!(login, serde_json::json!({"op": "login", "key": "s3 cr&t"}));
            soon(status.link.wait_for(|link| *link == LinkState::Up)).await.expect("the source runs");
            drop(socket);
            soon(status.link.wait_for(|link| *link != LinkState::Up)).await.expect("the source runs");
        }
        stop.trigger();
    };
    assert_eq!(join!(Box::pin(source.run(&out, &stop)), script).0, Ok(()));
}

#[tokio::test]
async fn a_message_is_answered_after_its_commit_and_a_heartbeat_is_not_an_event() {
    let peer = Peer::new().await;
    let rest = "ignore = \"data.type == 'ping'\"\nsplit = \"data.list\"\nsubject = \"{{ body.id }} {{ data }}\"\n\
        ack = \"{% if data.type == 'ping' %}pong{% elif data.id %}got {{ data.id }}{% endif %}\"";
    let (source, (out, status, mut arrivals), stop) = (source(&peer, rest), outbox(), Stop::new());
    let script = async {
        let mut socket = peer.accept().await;
        send(&mut socket, r#"{"type":"ping"}"#).await;
        assert_eq!(receive(&mut socket).await, "pong");
        send(&mut socket, r#"{"id":7,"list":[1,2]}"#).await;
        let arrival = soon(arrivals.recv()).await.expect("an event");
        let unanswered = tokio::time::timeout(std::time::Duration::from_millis(50), receive(&mut socket)).await;
        assert!(unanswered.is_err(), "nothing is committed yet");
        arrival.committed.expect("a put that waits").send(Ok(())).expect("the put still waits");
        assert_eq!(receive(&mut socket).await, "got 7");
        let subjects: Vec<_> = match arrival.group {
            crate::outbox::Group::Many { events, .. } => events.into_iter().map(|event| event.subject).collect(),
            crate::outbox::Group::One(event) => panic!("{event:?}"),
        };
        assert_eq!(subjects, ["7 1".into(), "7 2".into()]);
        send(&mut socket, r#"{"id":8,"list":3}"#).await;
        send(&mut socket, r#"{"type":"ping"}"#).await;
        assert_eq!(receive(&mut socket).await, "pong", "a message that cannot be split is not answered");
        assert_eq!(status.skipped.load(Ordering::Relaxed), 1);
        stop.trigger();
    };
    assert_eq!(join!(Box::pin(source.run(&out, &stop)), script).0, Ok(()));
}

#[test]
fn an_unset_secret_inside_leaves_an_optional_source_out() {
    for inside in
        ["headers = { X-Key = { env = \"UNSET\" } }", "basic = { user = \"x\", password = { env = \"UNSET\" } }"]
    {
        let (config, problems, left_out) = read(&format!("optional = true\nurl = \"wss://h.example/\"\n{inside}"));
        assert!(config.is_none(), "{inside}");
        assert_eq!((problems, left_out.as_deref()), (vec![], Some("the variable UNSET is not set")));
    }
}

#[test]
fn debug_output_contains_no_credentials() {
    let (config, _, _) = read(
        "url = \"wss://h.example/?k=secret\"\nbearer = { env = \"TOKEN\" }\nquery = { key = { env = \"TOKEN\" } }",
    );
    let printed = format!("{:?}", Websocket::open(config.expect("a valid configuration"), &Outbound::new()));
    assert!(!printed.contains("s3") && !printed.contains("k=secret"), "{printed}");
}
