//! What the server side of a WebSocket sends: its handshake, its frames, and the messages in them.

use tidings::outbox::LinkState;
use tidings::sources::Source;
use tidings::stop::Stop;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::corpus;
use crate::engine::{Target, gist};
use crate::posts::{Hall, check, runtime};

const HANDSHAKE: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: KEY\r\n\r\n";

/// A server that sends the input to the client and closes the connection.
struct Peer {
    hall: Hall,
    listener: TcpListener,
    runtime: tokio::runtime::Runtime,
}

impl Peer {
    fn new(kind: &str, keys: &str) -> Self {
        let runtime = runtime();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("loopback");
        let url = format!("ws://{}/", listener.local_addr().expect("bound"));
        let hall = Hall::new(kind, &format!("url = \"{url}\"\nmax_frame = \"64KiB\"\n{keys}"));
        Self { hall, listener, runtime }
    }

    /// Returns the number of events, and why the connection was lost. `KEY` in the input is replaced by the handshake's key.
    fn play(&mut self, input: &[u8]) -> (usize, String) {
        let Self { hall: Hall { source, out, arrivals, status, .. }, listener, runtime } = self;
        let stop = Stop::default();
        let mut events = 0;
        runtime.block_on(async {
            out.up();
            status.link.mark_unchanged();
            let peer = async {
                let (mut tcp, request) = loop {
                    let (mut tcp, _) = listener.accept().await.expect("loopback");
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") && tcp.read_buf(&mut request).await.is_ok_and(|read| read > 0)
                    {
                    }
                    // Otherwise the source began this connection and was dropped when the previous input ended.
                    if request.ends_with(b"\r\n\r\n") {
                        break (tcp, request);
                    }
                };
                let request = String::from_utf8(request).expect("text");
                let key = request.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("sec-websocket-key").then(|| derive_accept_key(value.as_bytes()))
                });
                let key = key.expect("a key");
                let bytes = match input.windows(3).position(|window| window == b"KEY") {
                    Some(at) => [&input[..at], key.as_bytes(), &input[at + 3..]].concat(),
                    None => input.to_vec(),
                };
                // The client may close the connection before the end.
                let _sent = tcp.write_all(&bytes).await;
                let _shut_down = tcp.shutdown().await;
                while tcp.read_buf(&mut Vec::with_capacity(1024)).await.is_ok_and(|read| read > 0) {}
            };
            let lost = async {
                peer.await;
                status.link.wait_for(|link| matches!(link, LinkState::Down(_))).await.expect("the outbox exists");
            };
            let receive = async {
                while let Some(arrival) = arrivals.recv().await {
                    arrival.into_events().iter().for_each(check);
                    events += 1;
                }
            };
            tokio::select! {
                () = lost => {}
                () = receive => unreachable!("the outbox exists"),
                end = source.run(out, &stop) => panic!("the source ended: {end:?}"),
            }
        });
        while let Ok(arrival) = arrivals.try_recv() {
            arrival.into_events().iter().for_each(check);
            events += 1;
        }
        let LinkState::Down(why) = &*status.link.borrow() else { unreachable!("the connection is lost") };
        (events, why.to_string())
    }
}

#[test]
fn frames() {
    let mut peer = Peer::new("websocket", "type = \"{{ data.kind }}\"");
    let corpus = corpus::frames().into_iter().map(|frames| [HANDSHAKE.as_bytes(), &frames].concat());
    let words = &[
        "KEY",
        "\r\n",
        "\r\n\r\n",
        "HTTP/1.1 ",
        "101",
        "401",
        "200",
        "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        "Sec-WebSocket-Protocol: x\r\n",
        "\u{1}",
        "{}",
        "null",
        "~",
        "\u{7f}",
    ];
    let target = Target { name: "frames", corpus: corpus.collect(), words, longest: 1 << 15 };
    target.fuzz(|bytes| {
        let (events, why) = peer.play(bytes);
        (events.min(3), gist(&why))
    });
}

/// Each line of the input is a message, in a valid frame.
#[test]
fn messages() {
    let mut peer = Peer::new("tutum", "user = \"u\"\ntoken = \"t\"");
    let words = &[
        "\"type\":",
        "\"action\":",
        "\"state\":",
        "\"resource_uri\":",
        "\"datetime\":",
        "auth",
        "error",
        "UNAUTHORIZED",
        "user-notifications",
        "\n",
        "\"data\":",
        "\"errorMessage\":",
        "null",
        "[]",
        "{}",
        ",",
    ];
    let target = Target { name: "messages", corpus: corpus::messages(), words, longest: 1 << 15 };
    target.fuzz(|bytes| {
        let mut stream = HANDSHAKE.as_bytes().to_vec();
        for line in bytes.split(|byte| *byte == b'\n').take(20) {
            let length = u32::try_from(line.len()).expect("short");
            stream.push(if std::str::from_utf8(line).is_ok() { 0x81 } else { 0x82 });
            stream.extend([127, 0, 0, 0, 0]);
            stream.extend(length.to_be_bytes());
            stream.extend(line);
        }
        let (events, why) = peer.play(&stream);
        (events.min(20), gist(&why))
    });
}
