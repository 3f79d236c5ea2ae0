//! Real sockets, scripted peers, and no waiting: every step is awaited.

mod frames;
mod stops;

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::join;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::peer::{Peer, Socket, say, soon, until_goodbye};
use super::*;
use crate::backoff::Backoff;

const NEVER: Duration = Duration::from_secs(3600);
const BRIEF: Duration = Duration::from_millis(50);

/// Waits for nothing but the first free try: whoever comes back under these came back at once.
fn habits() -> ConnectionConfig {
    let retry = Backoff { first: NEVER, max: NEVER };
    ConnectionConfig {
        ping: NEVER,
        retry,
        refused: NEVER,
        patience: Duration::from_secs(20),
        ..ConnectionConfig::default()
    }
}

fn stubborn() -> ConnectionConfig {
    ConnectionConfig { retry: Backoff { first: Duration::from_millis(1), max: Duration::from_millis(5) }, ..habits() }
}

fn address(peer: &Peer) -> Address {
    Address::parse(&peer.at("ws", "/events")).expect("an address")
}

async fn opened(wire: &mut ReconnectingSocket<'_>, peer: &Peer) -> Socket {
    let (news, socket) = join!(soon(wire.next()), peer.socket());
    assert!(matches!(news, News::Open), "{news:?}");
    socket
}

async fn lost(wire: &mut ReconnectingSocket<'_>) -> Fault {
    loop {
        match soon(wire.next()).await {
            News::Lost(fault) => return fault,
            News::Standing => {}
            other => panic!("not lost but {other:?}"),
        }
    }
}

async fn text(wire: &mut ReconnectingSocket<'_>) -> String {
    loop {
        match soon(wire.next()).await {
            News::Text(text) => return text.to_string(),
            News::Standing => {}
            other => panic!("no text but {other:?}"),
        }
    }
}

#[tokio::test]
async fn after_a_loss_the_next_try_is_at_once() {
    let (peer, habits, stop) = (Peer::new().await, habits(), Stop::new());
    let address = address(&peer);
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let mut socket = opened(&mut wire, &peer).await;
    say(&mut socket, "one").await;
    soon(socket.close(None)).await.expect("closed");
    assert_eq!(text(&mut wire).await, "one");
    assert_eq!(lost(&mut wire).await.reason(), "closed");
    let mut socket = opened(&mut wire, &peer).await;
    say(&mut socket, "two").await;
    assert_eq!(text(&mut wire).await, "two");
    drop(socket);
    lost(&mut wire).await;
    assert_eq!(wire.wait, NEVER, "the second loss within a minute is no accident");
}

#[tokio::test]
async fn a_closed_port_is_tried_again_and_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("bound");
    drop(listener);
    let (habits, stop) = (stubborn(), Stop::new());
    let address = Address::parse(&format!("ws://{at}/")).expect("an address");
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    for _ in 0..3 {
        assert_eq!(lost(&mut wire).await.reason(), "connect");
        assert!(!wire.wait.is_zero(), "only losses are followed by a try at once");
    }
}

#[tokio::test]
async fn refused_credentials_are_said_and_not_hammered() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let (peer, stop) = (Peer::new().await, Stop::new());
        let habits = ConnectionConfig { refused: Duration::from_millis(1), ..habits() };
        let address = address(&peer);
        let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let (fault, _) = join!(lost(&mut wire), peer.answer(&answer));
        assert_eq!(fault.reason(), REFUSED);
        assert!(fault.to_string().contains("credentials"), "{fault}");
        assert_eq!(wire.wait, habits.refused, "not the usual wait");
        opened(&mut wire, &peer).await;
    }
    assert_eq!(ConnectionConfig::default().refused.as_secs(), 300);
}

#[tokio::test]
async fn close_codes_that_mean_refusal_are_understood() {
    let (peer, habits, stop) = (Peer::new().await, habits(), Stop::new());
    let address = address(&peer);
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let mut socket = opened(&mut wire, &peer).await;
    let frame = CloseFrame { code: 3000.into(), reason: "no \n such token".into() };
    soon(socket.close(Some(frame))).await.expect("closed");
    let fault = lost(&mut wire).await;
    assert_eq!(fault.reason(), REFUSED);
    assert_eq!(fault.to_string(), r#"the peer closed the connection (3000, "no \n such token")"#);
}

#[tokio::test]
async fn other_answers_are_faults_and_redirects_are_not_followed() {
    let (peer, elsewhere, habits, stop) = (Peer::new().await, Peer::new().await, stubborn(), Stop::new());
    let address = address(&peer);
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\n\r\n", elsewhere.at("ws", "/"));
    let (fault, _) = join!(lost(&mut wire), peer.answer(&answer));
    assert_eq!(fault.reason(), "redirect");
    let (fault, _) = join!(lost(&mut wire), peer.answer("HTTP/1.1 503 Busy\r\n\r\n"));
    assert_eq!((fault.reason(), fault.to_string().contains("503")), ("status", true));
    let (fault, _) = join!(lost(&mut wire), peer.answer("SSH-2.0-OpenSSH\r\n\r\n"));
    assert_eq!(fault.reason(), "protocol");
    assert!(!elsewhere.was_called());
}

#[tokio::test]
async fn a_peer_that_only_takes_calls_runs_out_of_time() {
    let (peer, stop) = (Peer::new().await, Stop::new());
    let habits = ConnectionConfig { patience: BRIEF, ..habits() };
    let address = address(&peer);
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let (fault, _silent) = join!(lost(&mut wire), peer.tcp());
    assert_eq!(fault.reason(), "timeout");
}

#[tokio::test]
async fn a_handshake_that_drips_runs_out_of_time() {
    let (peer, stop) = (Peer::new().await, Stop::new());
    let habits = ConnectionConfig { patience: Duration::from_millis(200), ..habits() };
    let address = address(&peer);
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let drip = async {
        let mut tcp = peer.tcp().await;
        let mut drops = tokio::time::interval(Duration::from_millis(10));
        for byte in b"HTTP/1.1 101 Switching Protocols\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'x')) {
            drops.tick().await;
            if tcp.write_u8(*byte).await.is_err() {
                break;
            }
        }
    };
    let (fault, ()) = join!(lost(&mut wire), soon(drip));
    assert_eq!(fault.reason(), "timeout");
}

#[tokio::test]
async fn a_peer_that_answers_nothing_is_found() {
    let (peer, stop) = (Peer::new().await, Stop::new());
    let habits = ConnectionConfig { ping: BRIEF, ..habits() };
    let address = address(&peer);
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let _mute = opened(&mut wire, &peer).await;
    assert!(matches!(soon(wire.next()).await, News::Standing));
    assert_eq!(lost(&mut wire).await.reason(), "dead_peer");
}

#[tokio::test]
async fn pongs_keep_a_connection_unless_data_is_expected() {
    let (peer, stop) = (Peer::new().await, Stop::new());
    let habits = ConnectionConfig { ping: Duration::from_secs(1), idle: Some(Duration::from_secs(3)), ..habits() };
    let address = address(&peer);
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let mut socket = opened(&mut wire, &peer).await;
    let (fault, ()) = join!(lost(&mut wire), async {
        let mut pings = 0;
        while let Some(Ok(message)) = soon(socket.next()).await {
            pings += usize::from(message.is_ping());
        }
        assert!(pings > 0, "the peer was asked");
    });
    assert_eq!((fault.reason(), fault.to_string().as_str()), ("idle", "no data for 3s"));
}

#[tokio::test]
async fn the_clock_stands_while_nobody_reads() {
    let (peer, stop) = (Peer::new().await, Stop::new());
    let habits = ConnectionConfig { ping: Duration::from_millis(500), ..habits() };
    let address = address(&peer);
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let mut socket = opened(&mut wire, &peer).await;
    say(&mut socket, "one").await;
    say(&mut socket, "two").await;
    assert_eq!(text(&mut wire).await, "one");
    // The intake is full for longer than a dead peer would be given. The time itself is what is tested here.
    tokio::time::sleep(habits.ping * 3).await;
    assert_eq!(text(&mut wire).await, "two");
    let (three, ()) = join!(text(&mut wire), async {
        while !soon(socket.next()).await.expect("open").expect("a message").is_ping() {}
        say(&mut socket, "three").await;
    });
    assert_eq!(three, "three");
}

#[tokio::test]
async fn what_came_before_a_loss_is_heard_in_order() {
    let (peer, habits, stop) = (Peer::new().await, habits(), Stop::new());
    let address = address(&peer);
    let mut wire = ReconnectingSocket::new("prod", &address, None, &habits, &stop);
    let mut socket = opened(&mut wire, &peer).await;
    let send = async {
        for number in 0..20_000 {
            soon(socket.feed(Message::text(number.to_string()))).await.expect("sent");
        }
        soon(socket.close(None)).await.expect("closed");
    };
    let hear = async {
        for number in 0..20_000 {
            assert_eq!(text(&mut wire).await, number.to_string());
        }
        lost(&mut wire).await
    };
    let (fault, ()) = join!(hear, send);
    assert_eq!(fault.reason(), "closed");
}

#[tokio::test]
async fn a_secure_address_is_never_spoken_to_in_the_clear() {
    let (peer, habits, stop) = (Peer::new().await, habits(), Stop::new());
    let address = Address::parse(&peer.at("wss", "/")).expect("an address");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let mut wire = ReconnectingSocket::new("prod", &address, Some(Arc::new(tls)), &habits, &stop);
    let serve = async {
        let mut tcp = peer.tcp().await;
        assert_eq!(soon(tcp.read_u8()).await.expect("a byte"), 22, "a TLS handshake begins");
        soon(tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await.expect("written");
        tcp
    };
    let (fault, _tcp) = join!(lost(&mut wire), serve);
    assert_eq!(fault.reason(), "tls", "{fault}");
}
