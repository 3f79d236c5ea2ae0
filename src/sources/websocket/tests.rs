//! The whole source against scripted peers. Sockets are real, so no clock is frozen.

use std::sync::atomic::Ordering;

use tokio::join;
use tokio::sync::mpsc;

use super::*;
use crate::config_reader::{ConfigReader, TableReader};
use crate::event::{EventId, Name};
use crate::outbox::{Arrival, LinkState, SourceStatus};
use crate::websocket::peer::{Asked, Peer, hear, say, soon};

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
    let (config, _, _) = read(&format!("url = \"{}\"\n{rest}", peer.at("ws", "/stream?v=1")));
    Websocket::open(config.expect("right"), &Outbound::new())
}

fn ends() -> (Outbox, SourceStatus, mpsc::Receiver<Arrival>) {
    let (sender, arrivals) = mpsc::channel(8);
    let (out, status) = Outbox::new(Name::from("feed"), Name::from("websocket"), sender);
    (out, status, arrivals)
}

async fn asked(rest: &str) -> Asked {
    let peer = Peer::new().await;
    let (source, (out, _pulse, _arrivals), stop) = (source(&peer, rest), ends(), Stop::new());
    let (ran, asked) = join!(Box::pin(source.run(&out, &stop)), async {
        let (_, asked) = peer.socket_and_what_was_asked().await;
        stop.trigger();
        asked
    });
    assert_eq!(ran, Ok(()));
    asked
}

#[tokio::test]
async fn what_is_shown_to_be_let_in_is_exact() {
    let bearer = asked("bearer = { env = \"TOKEN\" }").await;
    assert_eq!((bearer.uri.as_str(), bearer.header("authorization")), ("/stream?v=1", "Bearer s3 cr&t"));
    let basic = asked("basic = { user = \"Aladdin\", password = \"open sesame\" }").await;
    assert_eq!(basic.header("authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    let rest = "query = { key = { env = \"TOKEN\" }, room = \"a/b\" }\nheaders = { X-Key = { env = \"TOKEN\" }, Origin = \"https://o.example\" }";
    let rest = asked(rest).await;
    assert_eq!(rest.uri, "/stream?v=1&key=s3%20cr%26t&room=a%2Fb");
    assert_eq!((rest.header("x-key"), rest.header("origin")), ("s3 cr&t", "https://o.example"));
}

#[tokio::test]
async fn frames_become_events_as_relays_toml_words_them() {
    let peer = Peer::new().await;
    let labels =
        "type = \"{{ data.kind }}\"\nid = \"{{ data.id }}\"\nsubject = \"{{ data.on }}\"\ntime = \"{{ data.at }}\"";
    let (source, (out, mut status, mut arrivals), stop) = (source(&peer, labels), ends(), Stop::new());
    let script = async {
        let mut socket = peer.socket().await;
        soon(status.line.wait_for(|line| *line == LinkState::Up)).await.expect("it lives");
        say(&mut socket, r#"{"kind":"Door.Opened","id":"17","on":"door","at":"2016-02-01T16:47:28Z"}"#).await;
        say(&mut socket, "no JSON").await;
        say(&mut socket, "{}").await;
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
async fn only_a_source_with_an_api_can_be_asked() {
    let peer = Peer::new().await;
    let fault = source(&peer, "").look_up("/x").await.expect_err("no API");
    assert_eq!(fault.reason(), "no_look_up");
    assert!(fault.to_string().contains("`api`"));
    let source =
        source(&peer, &format!("api = \"{}\"\nbearer = \"t\"\nheaders = {{ X-Key = \"k\" }}", peer.at("http", "")));
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]";
    let (found, head) = join!(soon(source.look_up("/things/1")), peer.answer(answer));
    assert_eq!(found, Ok(serde_json::json!([])));
    for line in ["GET /things/1 HTTP/1.1\r\n", "authorization: Bearer t\r\n", "x-key: k\r\n"] {
        assert!(head.contains(line), "{head}");
    }
    assert_eq!(soon(source.look_up("http://evil.example/")).await.expect_err("foreign").reason(), "foreign_host");
}

#[test]
fn what_cannot_be_meant_is_said() {
    const URL: &str = "url = \"wss://h.example/\"\n";
    for (text, wanted) in [
        ("", "`url` is missing here"),
        ("url = \"http://h.example/\"", "a WebSocket's URL begins with ws or wss, not with http"),
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
        (&format!("{URL}subprotocol = \"a b\""), "`a b` is no name of a subprotocol"),
        (&format!("{URL}subscribe = [\"{}\"]", "x".repeat(9000)), "this message is longer than 8192 bytes"),
        (&format!("{URL}query = {{ key = {{ env = \"UNSET\" }} }}"), "`key`: the variable UNSET is not set"),
    ] {
        assert_eq!(read(text).1, [wanted], "{text}");
    }
}

#[tokio::test]
async fn what_is_wanted_is_asked_for_after_every_connecting() {
    let peer = Peer::new().await;
    let rest = "subprotocol = [\"v2.json\"]\nsubscribe = [\"hello\", { op = \"login\", key = { env = \"TOKEN\" } }]";
    let (source, (out, mut status, _arrivals), stop) = (source(&peer, rest), ends(), Stop::new());
    let script = async {
        for _ in 0..2 {
            let mut socket = peer.protocol_socket("v2.json").await;
            assert_eq!(hear(&mut socket).await, "hello");
            let login: Value = serde_json::from_str(&hear(&mut socket).await).expect("JSON");
            assert_eq!(login, serde_json::json!({"op": "login", "key": "s3 cr&t"}));
            soon(status.line.wait_for(|line| *line == LinkState::Up)).await.expect("it lives");
            drop(socket);
            soon(status.line.wait_for(|line| *line != LinkState::Up)).await.expect("it lives");
        }
        stop.trigger();
    };
    assert_eq!(join!(Box::pin(source.run(&out, &stop)), script).0, Ok(()));
}

#[tokio::test]
async fn a_message_is_answered_when_it_is_safe_and_a_heartbeat_is_no_event() {
    let peer = Peer::new().await;
    let rest = "ignore = \"data.type == 'ping'\"\nsplit = \"data.list\"\nsubject = \"{{ body.id }} {{ data }}\"\n\
        ack = \"{% if data.type == 'ping' %}pong{% elif data.id %}got {{ data.id }}{% endif %}\"";
    let (source, (out, status, mut arrivals), stop) = (source(&peer, rest), ends(), Stop::new());
    let script = async {
        let mut socket = peer.socket().await;
        say(&mut socket, r#"{"type":"ping"}"#).await;
        assert_eq!(hear(&mut socket).await, "pong");
        say(&mut socket, r#"{"id":7,"list":[1,2]}"#).await;
        let arrival = soon(arrivals.recv()).await.expect("an event");
        let unanswered = tokio::time::timeout(std::time::Duration::from_millis(50), hear(&mut socket)).await;
        assert!(unanswered.is_err(), "nothing is safe yet");
        arrival.committed.expect("somebody waits").send(Ok(())).expect("still waiting");
        assert_eq!(hear(&mut socket).await, "got 7");
        let subjects: Vec<_> = match arrival.group {
            crate::outbox::Group::Many { events, .. } => events.into_iter().map(|event| event.subject).collect(),
            crate::outbox::Group::One(event) => panic!("{event:?}"),
        };
        assert_eq!(subjects, ["7 1".into(), "7 2".into()]);
        say(&mut socket, r#"{"id":8,"list":3}"#).await;
        say(&mut socket, r#"{"type":"ping"}"#).await;
        assert_eq!(hear(&mut socket).await, "pong", "what could not be split is not answered");
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
fn nothing_printed_shows_a_credential() {
    let (config, _, _) = read(
        "url = \"wss://h.example/?k=secret\"\nbearer = { env = \"TOKEN\" }\nquery = { key = { env = \"TOKEN\" } }",
    );
    let printed = format!("{:?}", Websocket::open(config.expect("right"), &Outbound::new()));
    assert!(!printed.contains("s3") && !printed.contains("k=secret"), "{printed}");
}
