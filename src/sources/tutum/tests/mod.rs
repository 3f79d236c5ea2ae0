//! The whole source against scripted peers. Sockets are real, so the clock is not paused.

mod config;

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::join;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::backoff::Backoff;
use crate::config_reader::{ConfigReader, TableReader};
use crate::event::{Event, Name};
use crate::outbox::{Arrival, LinkState, SourceStatus};
use crate::websocket::peer::{Handshake, Peer, Socket, send, soon, until_closed};

const PAIR: &str = "user = { env = \"TUTUM_USERNAME\" }\ntoken = { env = \"TUTUM_TOKEN\" }\n";
const WHOLE: &str = "auth = { env = \"TUTUM_AUTH\" }\n";

fn env(name: &str) -> Option<String> {
    let value = match name {
        "TUTUM_USERNAME" => "alice",
        "TUTUM_TOKEN" => "t&k n",
        "TUTUM_AUTH" => "ApiKey alice:t0ken",
        "NEWLINE" => "a\nb",
        _ => return None,
    };
    Some(value.to_owned())
}

fn read(text: &str) -> (Option<Config>, Vec<String>) {
    let reading = ConfigReader::new(text, &env);
    let tree = reading.tree();
    let mut table = TableReader::new(&reading, "source.tutum", &tree);
    table.read_optional();
    let config = Config::read(&table);
    table.finish();
    (config, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
}

fn tutum(peer: &Peer, rest: &str) -> Tutum {
    let (url, api) = (peer.url("ws", "/v1/events"), peer.url("http", ""));
    let (config, problems) = read(&format!("url = \"{url}\"\napi = \"{api}\"\n{rest}"));
    assert_eq!(problems, Vec::<String>::new());
    let mut tutum = Tutum::open(config.expect("a valid configuration"), &Outbound::new());
    tutum.config.connection.reconnect.retry =
        Backoff { first: Duration::from_millis(1), max: Duration::from_millis(5) };
    tutum
}

struct Harness {
    out: Outbox,
    status: SourceStatus,
    arrivals: mpsc::Receiver<Arrival>,
}

fn harness(capacity: usize) -> Harness {
    let (sender, arrivals) = mpsc::channel(capacity);
    let (out, status) = Outbox::new(Name::from("prod"), Name::from("tutum"), sender);
    Harness { out, status, arrivals }
}

async fn next(arrivals: &mut mpsc::Receiver<Arrival>) -> Event {
    soon(arrivals.recv()).await.expect("an event").into_events().remove(0)
}

async fn wait_for_state(status: &mut SourceStatus, wanted: impl Fn(&LinkState) -> bool) -> LinkState {
    soon(status.link.wait_for(wanted)).await.expect("the source runs").clone()
}

/// Runs the source until `script` is done, then stops it.
async fn with<T>(tutum: &Tutum, out: &Outbox, script: impl Future<Output = T>) -> T {
    let stop = Stop::new();
    let (ran, done) = join!(Box::pin(tutum.run(out, &stop)), async {
        let done = script.await;
        stop.trigger();
        done
    });
    assert_eq!(ran, Ok(()));
    done
}

async fn handshake(rest: &str) -> Handshake {
    let peer = Peer::new().await;
    let (tutum, harness) = (tutum(&peer, rest), harness(8));
    with(&tutum, &harness.out, async { peer.accept_with_handshake().await.1 }).await
}

#[tokio::test]
async fn credentials_are_sent_to_the_stream_in_each_of_their_forms() {
    let pair = handshake(PAIR).await;
    assert_eq!(pair.uri, "/v1/events?token=t%26k%20n&user=alice");
    assert_eq!(pair.header("authorization"), "");
    let whole = handshake(WHOLE).await;
    assert_eq!(whole.uri, "/v1/events?auth=ApiKey%20alice%3At0ken");
    let pair = handshake(&format!("{PAIR}send_auth = \"header\"")).await;
    assert_eq!((pair.uri.as_str(), pair.header("authorization")), ("/v1/events", "Basic YWxpY2U6dCZrIG4="));
    let whole = handshake(&format!("{WHOLE}send_auth = \"header\"")).await;
    assert_eq!((whole.uri.as_str(), whole.header("authorization")), ("/v1/events", "ApiKey alice:t0ken"));
}

#[tokio::test]
async fn the_namespace_and_filters_of_docker_cloud_are_requested() {
    let rest = format!(
        "{WHOLE}send_auth = \"header\"\nnamespace = \"acme\"\ntype = [\"service\", \"stack\"]\nobject = \"a b\""
    );
    assert_eq!(handshake(&rest).await.uri, "/v1/acme/events?type=service&type=stack&object=a%20b");
}

#[tokio::test]
async fn events_arrive_in_order_and_the_rest_does_not() {
    let peer = Peer::new().await;
    let (tutum, mut harness) = (tutum(&peer, PAIR), harness(8));
    with(&tutum, &harness.out, async {
        let mut socket = peer.accept().await;
        assert_eq!(*harness.status.link.borrow(), LinkState::Connecting, "not authenticated yet");
        send(&mut socket, r#"{"type":"auth"}"#).await;
        wait_for_state(&mut harness.status, |line| *line == LinkState::Up).await;
        for text in [
            r#"{"type":"user-notifications","data":[]}"#,
            r#"{"type":"container","action":"create","resource_uri":"/api/v1/container/1/","state":"Starting"}"#,
            "no JSON at all",
            "",
            &"[".repeat(100_000),
            r#"{"type":"service","action":"update","resource_uri":"/api/v1/service/2/","state":"Running"}"#,
        ] {
            send(&mut socket, text).await;
        }
        soon(socket.send(Message::binary(vec![0xff, 0x00]))).await.expect("sent");
        soon(socket.send(Message::binary(&br#"{"type":"stack","action":"delete"}"#[..]))).await.expect("sent");
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(next(&mut harness.arrivals).await);
        }
        let seen: Vec<_> = seen.iter().map(|event| (&*event.r#type, &*event.subject)).collect();
        let wanted = [
            ("container.create", "/api/v1/container/1/"),
            ("service.update", "/api/v1/service/2/"),
            ("stack.delete", ""),
        ];
        assert_eq!(seen, wanted);
        assert_eq!(harness.status.skipped.load(Ordering::Relaxed), 4);
    })
    .await;
}

#[tokio::test]
async fn a_peer_without_auth_messages_is_up_with_its_first_event_or_after_a_while() {
    let peer = Peer::new().await;
    let (tutum, mut harness) = (tutum(&peer, &format!("{PAIR}ping = \"300ms\"")), harness(8));
    with(&tutum, &harness.out, async {
        let mut socket = peer.accept().await;
        send(&mut socket, r#"{"type":"node","action":"update"}"#).await;
        wait_for_state(&mut harness.status, |line| *line == LinkState::Up).await;
        soon(socket.close(None)).await.expect("closed");
        wait_for_state(&mut harness.status, |line| matches!(line, LinkState::Down(_))).await;
        let _silent = peer.accept().await;
        wait_for_state(&mut harness.status, |line| *line == LinkState::Up).await;
    })
    .await;
}

#[tokio::test]
async fn refused_credentials_are_named_and_retried_later() {
    let peer = Peer::new().await;
    let (mut tutum, mut harness) = (tutum(&peer, PAIR), harness(8));
    tutum.config.connection.reconnect.refused = Duration::from_millis(1);
    with(&tutum, &harness.out, async {
        let mut socket = peer.accept().await;
        send(&mut socket, r#"{"type":"error","data":{"errorMessage":"UNAUTHORIZED"}}"#).await;
        assert_eq!(until_closed(&mut socket).await, Some(1005), "the source closes the connection");
        let line = wait_for_state(&mut harness.status, |line| matches!(line, LinkState::Down(_))).await;
        let LinkState::Down(fault) = line else { panic!("{line:?}") };
        assert_eq!(fault.reason(), "refused");
        let why = "the stream refuses `user` (env TUTUM_USERNAME) and `token` (env TUTUM_TOKEN)";
        assert_eq!(fault.to_string(), why);
        let mut socket = peer.accept().await;
        send(&mut socket, r#"{"type":"error","data":{"errorMessage":"QUOTA"}}"#).await;
        assert_eq!(&*next(&mut harness.arrivals).await.r#type, "error", "any other error is an event");
    })
    .await;
}

#[tokio::test]
async fn a_full_intake_slows_the_source_down_and_loses_neither_connection_nor_events() {
    const EVENTS: usize = 5;
    let peer = Peer::new().await;
    let ping = Duration::from_millis(200);
    let (tutum, mut harness) = (tutum(&peer, &format!("{PAIR}ping = \"200ms\"")), harness(1));
    let serve = |mut socket: Socket| async move {
        for number in 0..EVENTS {
            send(&mut socket, &format!(r#"{{"type":"node","action":"update","resource_uri":"{number}"}}"#)).await;
        }
        while soon(socket.next()).await.is_some_and(|message| message.is_ok_and(|message| !message.is_close())) {}
    };
    let stop = Stop::new();
    let read = async {
        wait_for_state(&mut harness.status, |line| *line == LinkState::Up).await;
        // No event is received for longer than the limit for a pong: that time is what is tested.
        tokio::time::sleep(ping * 4).await;
        for number in 0..EVENTS {
            assert_eq!(*next(&mut harness.arrivals).await.subject, number.to_string());
        }
        assert_eq!(*harness.status.link.borrow(), LinkState::Up);
        stop.trigger();
    };
    let (ran, (), ()) =
        join!(Box::pin(tutum.run(&harness.out, &stop)), async { serve(peer.accept().await).await }, read);
    assert_eq!(ran, Ok(()));
    assert!(!peer.has_pending_connection(), "there was only one connection");
}

#[tokio::test]
async fn a_stop_ends_a_source_that_waits_for_the_intake() {
    let peer = Peer::new().await;
    let (tutum, mut harness) = (tutum(&peer, PAIR), harness(1));
    let stop = Stop::new();
    let (ran, code) = join!(Box::pin(tutum.run(&harness.out, &stop)), async {
        let mut socket = peer.accept().await;
        for _ in 0..3 {
            send(&mut socket, r#"{"type":"node","action":"update"}"#).await;
        }
        wait_for_state(&mut harness.status, |line| *line == LinkState::Up).await;
        stop.trigger();
        until_closed(&mut socket).await
    });
    assert_eq!((ran, code), (Ok(()), Some(1005)));
}

#[tokio::test]
async fn look_ups_send_the_credentials_to_their_own_host_only() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"name\":\"web\"}";
    for (keys, header) in [(PAIR, "ApiKey alice:t&k n"), (WHOLE, "ApiKey alice:t0ken")] {
        let peer = Peer::new().await;
        let tutum = tutum(&peer, keys);
        let (found, head) = join!(soon(tutum.look_up("/api/v1/stack/1/")), peer.answer(answer));
        assert_eq!(found, Ok(serde_json::json!({"name": "web"})));
        assert!(head.starts_with("GET /api/v1/stack/1/ HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("authorization: {header}\r\n")), "{head}");
        assert!(head.contains("accept: application/json\r\n"), "{head}");
    }
}

#[tokio::test]
async fn foreign_references_are_refused_before_anything_is_sent() {
    let (peer, foreign) = (Peer::new().await, Peer::new().await);
    let tutum = tutum(&peer, PAIR);
    let port = foreign.url("http", "/x");
    for reference in
        [port.as_str(), port.trim_start_matches("http:"), "https://evil.example/", "file:///etc/passwd", ""]
    {
        let fault = soon(tutum.look_up(reference)).await.expect_err(reference);
        assert_eq!(fault.reason(), "foreign_host", "{reference}");
    }
    assert!(!peer.has_pending_connection() && !foreign.has_pending_connection());
}

#[tokio::test]
async fn a_failed_look_up_reports_only_the_status() {
    let peer = Peer::new().await;
    let tutum = tutum(&peer, PAIR);
    let answer = "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n";
    let (found, _) = join!(soon(tutum.look_up("/api/v1/stack/1/")), peer.answer(answer));
    assert_eq!(found, Err(Fault::new("status", "504")));
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>";
    let (found, _) = join!(soon(tutum.look_up("/api/v1/stack/1/")), peer.answer(answer));
    assert_eq!(found.map_err(|fault| fault.reason()), Err("not_json"));
}
