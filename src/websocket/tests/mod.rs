//! Real sockets and scripted peers; every step is awaited, nothing sleeps.

mod frames;
mod stops;

use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::join;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::peer::{Peer, Socket, send, soon, until_closed};
use super::*;
use crate::backoff::Backoff;
use crate::fault::Fault;
use crate::reconnect::{REFUSED, ReconnectConfig};
use crate::stop::Stop;

const NEVER: Duration = Duration::from_secs(3600);
const BRIEF: Duration = Duration::from_millis(50);

/// Only the first retry is immediate, all others wait for ever: what reconnects under this reconnected at once.
fn config() -> ConnectionConfig {
    let retry = Backoff { first: NEVER, max: NEVER };
    ConnectionConfig {
        ping: NEVER,
        reconnect: ReconnectConfig { retry, refused: NEVER },
        connect_timeout: Duration::from_secs(20),
        ..ConnectionConfig::default()
    }
}

fn retrying_fast() -> ConnectionConfig {
    let retry = Backoff { first: Duration::from_millis(1), max: Duration::from_millis(5) };
    ConnectionConfig { reconnect: ReconnectConfig { retry, refused: NEVER }, ..config() }
}

fn address(peer: &Peer) -> Address {
    Address::parse(&peer.url("ws", "/events")).expect("an address")
}

async fn opened(client: &mut ReconnectingSocket<'_>, peer: &Peer) -> Socket {
    let (event, socket) = join!(soon(client.next()), peer.accept());
    assert!(matches!(event, SocketEvent::Connected), "{event:?}");
    socket
}

async fn lost(client: &mut ReconnectingSocket<'_>) -> Fault {
    loop {
        match soon(client.next()).await {
            SocketEvent::Lost(fault) => return fault,
            SocketEvent::Stable => {}
            other => panic!("not lost but {other:?}"),
        }
    }
}

async fn text(client: &mut ReconnectingSocket<'_>) -> String {
    loop {
        match soon(client.next()).await {
            SocketEvent::Text(text) => return text.to_string(),
            SocketEvent::Stable => {}
            other => panic!("no text but {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_first_attempt_after_a_loss_is_immediate() {
    let (peer, config, stop) = (Peer::new().await, config(), Stop::new());
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let mut socket = opened(&mut client, &peer).await;
    send(&mut socket, "one").await;
    soon(socket.close(None)).await.expect("closed");
    assert_eq!(text(&mut client).await, "one");
    assert_eq!(lost(&mut client).await.reason(), "closed");
    let mut socket = opened(&mut client, &peer).await;
    send(&mut socket, "two").await;
    assert_eq!(text(&mut client).await, "two");
    drop(socket);
    lost(&mut client).await;
    assert_eq!(client.reconnect.pause(), NEVER, "a second loss without an event is not retried at once");
}

#[tokio::test]
async fn a_peer_that_delivers_and_hangs_up_is_connected_again_at_once() {
    let (peer, config, stop) = (Peer::new().await, config(), Stop::new());
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    for round in 0..3 {
        let mut socket = opened(&mut client, &peer).await;
        send(&mut socket, "one").await;
        soon(socket.close(None)).await.expect("closed");
        assert_eq!(text(&mut client).await, "one");
        client.delivered();
        lost(&mut client).await;
        assert!(client.reconnect.pause() <= Duration::from_secs(1), "{round}");
    }
}

#[tokio::test]
async fn a_closed_port_is_retried() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("bound");
    drop(listener);
    let (config, stop) = (retrying_fast(), Stop::new());
    let address = Address::parse(&format!("ws://{at}/")).expect("an address");
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    for _ in 0..3 {
        assert_eq!(lost(&mut client).await.reason(), "connect");
        assert!(!client.reconnect.pause().is_zero(), "only the loss of a connection is retried at once");
    }
}

#[tokio::test]
async fn refused_credentials_are_reported_and_retried_slowly() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let (peer, stop) = (Peer::new().await, Stop::new());
        let mut config = config();
        config.reconnect.refused = Duration::from_millis(1);
        let address = address(&peer);
        let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        let (fault, _) = join!(lost(&mut client), peer.answer(&answer));
        assert_eq!(fault.reason(), REFUSED);
        assert!(fault.to_string().contains("credentials"), "{fault}");
        assert_eq!(client.reconnect.pause(), config.reconnect.refused, "not the backoff");
        opened(&mut client, &peer).await;
    }
    assert_eq!(ConnectionConfig::default().reconnect.refused.as_secs(), 300);
}

#[tokio::test]
async fn close_codes_that_mean_refusal_are_understood() {
    let (peer, config, stop) = (Peer::new().await, config(), Stop::new());
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let mut socket = opened(&mut client, &peer).await;
    let frame = CloseFrame { code: 3000.into(), reason: "no \n such token".into() };
    soon(socket.close(Some(frame))).await.expect("closed");
    let fault = lost(&mut client).await;
    assert_eq!(fault.reason(), REFUSED);
    assert_eq!(fault.to_string(), r#"the peer closed the connection (3000, "no \n such token")"#);
}

#[tokio::test]
async fn other_answers_are_faults_and_redirects_are_not_followed() {
    let (peer, elsewhere, config, stop) = (Peer::new().await, Peer::new().await, retrying_fast(), Stop::new());
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\n\r\n", elsewhere.url("ws", "/"));
    let (fault, _) = join!(lost(&mut client), peer.answer(&answer));
    assert_eq!(fault.reason(), "redirect");
    let (fault, _) = join!(lost(&mut client), peer.answer("HTTP/1.1 503 Busy\r\n\r\n"));
    assert_eq!((fault.reason(), fault.to_string().contains("503")), ("status", true));
    let (fault, _) = join!(lost(&mut client), peer.answer("SSH-2.0-OpenSSH\r\n\r\n"));
    assert_eq!(fault.reason(), "protocol");
    assert!(!elsewhere.has_pending_connection());
}

#[tokio::test]
async fn a_peer_that_only_accepts_times_out() {
    let (peer, stop) = (Peer::new().await, Stop::new());
    let config = ConnectionConfig { connect_timeout: BRIEF, ..config() };
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let (fault, _silent) = join!(lost(&mut client), peer.accept_tcp());
    assert_eq!(fault.reason(), "timeout");
}

#[tokio::test]
async fn a_handshake_that_drips_times_out() {
    let (peer, stop) = (Peer::new().await, Stop::new());
    let config = ConnectionConfig { connect_timeout: Duration::from_millis(200), ..config() };
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let drip = async {
        let mut tcp = peer.accept_tcp().await;
        let mut drops = tokio::time::interval(Duration::from_millis(10));
        for byte in b"HTTP/1.1 101 Switching Protocols\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'x')) {
            drops.tick().await;
            if tcp.write_u8(*byte).await.is_err() {
                break;
            }
        }
    };
    let (fault, ()) = join!(lost(&mut client), soon(drip));
    assert_eq!(fault.reason(), "timeout");
}

#[tokio::test]
async fn a_peer_that_does_not_answer_pings_is_detected() {
    let (peer, stop) = (Peer::new().await, Stop::new());
    let config = ConnectionConfig { ping: BRIEF, ..config() };
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let _mute = opened(&mut client, &peer).await;
    assert!(matches!(soon(client.next()).await, SocketEvent::Stable));
    assert_eq!(lost(&mut client).await.reason(), "dead_peer");
}

#[tokio::test]
async fn pongs_keep_a_connection_unless_data_is_expected() {
    let (peer, stop) = (Peer::new().await, Stop::new());
    let config = ConnectionConfig { ping: Duration::from_secs(1), idle: Some(Duration::from_secs(3)), ..config() };
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let mut socket = opened(&mut client, &peer).await;
    let (fault, ()) = join!(lost(&mut client), async {
        let mut pings = 0;
        while let Some(Ok(message)) = soon(socket.next()).await {
            pings += usize::from(message.is_ping());
        }
        assert!(pings > 0, "the peer was pinged");
    });
    assert_eq!((fault.reason(), fault.to_string().as_str()), ("idle", "no data for 3s"));
}

#[tokio::test]
async fn the_peer_cannot_time_out_while_nothing_reads() {
    let (peer, stop) = (Peer::new().await, Stop::new());
    let config = ConnectionConfig { ping: Duration::from_millis(500), ..config() };
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let mut socket = opened(&mut client, &peer).await;
    send(&mut socket, "one").await;
    send(&mut socket, "two").await;
    assert_eq!(text(&mut client).await, "one");
    // The intake is full for longer than the limit for a pong. The time itself is tested here.
    tokio::time::sleep(config.ping * 3).await;
    assert_eq!(text(&mut client).await, "two");
    let (three, ()) = join!(text(&mut client), async {
        while !soon(socket.next()).await.expect("open").expect("a message").is_ping() {}
        send(&mut socket, "three").await;
    });
    assert_eq!(three, "three");
}

#[tokio::test]
async fn frames_before_a_loss_are_received_in_order() {
    let (peer, config, stop) = (Peer::new().await, config(), Stop::new());
    let address = address(&peer);
    let mut client = ReconnectingSocket::new("prod", &address, None, &config, &stop);
    let mut socket = opened(&mut client, &peer).await;
    let send = async {
        for number in 0..20_000 {
            soon(socket.feed(Message::text(number.to_string()))).await.expect("sent");
        }
        soon(socket.close(None)).await.expect("closed");
    };
    let receive = async {
        for number in 0..20_000 {
            assert_eq!(text(&mut client).await, number.to_string());
        }
        lost(&mut client).await
    };
    let (fault, ()) = join!(receive, send);
    assert_eq!(fault.reason(), "closed");
}

#[tokio::test]
async fn a_secure_address_is_never_used_without_tls() {
    let (peer, config, stop) = (Peer::new().await, config(), Stop::new());
    let address = Address::parse(&peer.url("wss", "/")).expect("an address");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let mut client = ReconnectingSocket::new("prod", &address, Some(Arc::new(tls)), &config, &stop);
    let serve = async {
        let mut tcp = peer.accept_tcp().await;
        assert_eq!(soon(tcp.read_u8()).await.expect("a byte"), 22, "a TLS handshake begins");
        soon(tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await.expect("written");
        tcp
    };
    let (fault, _tcp) = join!(lost(&mut client), serve);
    assert_eq!(fault.reason(), "tls", "{fault}");
}
