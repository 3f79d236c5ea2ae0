//! The server that the sources connect to.

use std::collections::VecDeque;

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::row::Row;
use crate::test_support::scripted_server::{ReceivedRequest, ScriptedServer, Step, reply};

/// A vendor that accepts `row`'s source and sends `messages`. Look-ups are not answered if `stalls_look_ups`.
pub(super) async fn vendor(row: &'static Row, messages: &[&[u8]], stalls_look_ups: bool) -> ScriptedServer {
    let mut messages: VecDeque<Vec<u8>> = messages.iter().map(|message| message.to_vec()).collect();
    ScriptedServer::choosing(move |request| match (&row.look_up, row.connect()) {
        (Some(look_up), _) if stalls_look_ups && (look_up.is_look_up)(request) => Step::Stall,
        (_, Some(connect)) => (connect.answer)(request, &mut messages),
        (_, None) => reply(200, "", "{}"),
    })
    .await
}

/// A server that does the same with every request.
pub(super) async fn constant(step: Step) -> ScriptedServer {
    ScriptedServer::choosing(move |_| step.clone()).await
}

/// Host and port.
pub(super) fn address(server: &ScriptedServer) -> &str {
    server.url.strip_prefix("http://").expect("a URL with http")
}

pub(super) fn is_upgrade(request: &ReceivedRequest) -> bool {
    header(request, "upgrade").is_some()
}

/// Accepts the WebSocket and sends the messages: text, and as binary what is not UTF-8.
pub(super) fn upgrade(request: &ReceivedRequest, messages: impl Iterator<Item = Vec<u8>>) -> Step {
    let accept = derive_accept_key(header(request, "sec-websocket-key").expect("a key").as_bytes());
    let head =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ";
    let mut bytes = format!("{head}{accept}\r\n\r\n").into_bytes();
    for message in messages {
        bytes.push(if std::str::from_utf8(&message).is_ok() { 0x81 } else { 0x82 });
        // The length in 64 bits.
        bytes.push(127);
        bytes.extend(u64::try_from(message.len()).expect("a length").to_be_bytes());
        bytes.extend(message);
    }
    // An empty close frame, masked with four bytes.
    Step::ReplyUntil(bytes, |received| received.iter().rev().skip(4).take(2).eq(&[0x80, 0x88]))
}

/// A success with any bytes as its body. The connection is not used again.
pub(super) fn raw_reply(body: &[u8]) -> Step {
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    Step::ReplyAndStall([head.as_bytes(), body].concat())
}

/// One line of an endless body for each message.
pub(super) fn chunked(messages: impl Iterator<Item = Vec<u8>>) -> Step {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for message in messages {
        bytes.extend(format!("{:x}\r\n", message.len() + 1).bytes());
        bytes.extend(message);
        bytes.extend(b"\n\r\n");
    }
    Step::ReplyAndStall(bytes)
}

fn header<'r>(request: &'r ReceivedRequest, name: &str) -> Option<&'r str> {
    let fields = request.head.lines().skip(1).filter_map(|line| line.split_once(": "));
    fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
}
