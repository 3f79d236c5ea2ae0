//! The other side, for tests: each test scripts what it does, step by step.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderMap;

pub(crate) type Socket = WebSocketStream<TcpStream>;

pub(crate) struct Peer {
    listener: TcpListener,
    /// The same one, to be asked without the runtime in between.
    raw: std::net::TcpListener,
}

/// What the client asked for.
pub(crate) struct Asked {
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("plain text"))
    }
}

/// `work`, which must not take for ever.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), Box::pin(work)).await.expect("this should have happened long ago")
}

impl Peer {
    #[expect(clippy::unused_async, reason = "reads better beside the other steps, and wants a runtime")]
    pub(crate) async fn new() -> Self {
        let raw = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        raw.set_nonblocking(true).expect("as tokio wants it");
        let twin = raw.try_clone().expect("a second handle");
        Self { listener: TcpListener::from_std(twin).expect("a listener"), raw }
    }

    pub(crate) fn at(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.listener.local_addr().expect("bound"))
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        soon(self.listener.accept()).await.expect("a connection").0
    }

    /// Whether somebody is waiting to be accepted.
    pub(crate) fn was_called(&self) -> bool {
        self.raw.accept().is_ok()
    }

    pub(crate) async fn socket(&self) -> Socket {
        self.socket_and_what_was_asked().await.0
    }

    #[expect(clippy::result_large_err, reason = "tungstenite's callback has this form")]
    pub(crate) async fn socket_and_what_was_asked(&self) -> (Socket, Asked) {
        let mut asked = None;
        let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            asked = Some(Asked { uri: request.uri().to_string(), headers: request.headers().clone() });
            Ok(response)
        };
        let tcp = self.tcp().await;
        let socket = soon(tokio_tungstenite::accept_hdr_async(tcp, note)).await.expect("a handshake");
        (socket, asked.expect("noted"))
    }

    /// A peer that speaks this subprotocol, and was asked for it.
    #[expect(clippy::result_large_err, reason = "tungstenite's callback has this form")]
    pub(crate) async fn protocol_socket(&self, protocol: &'static str) -> Socket {
        let agree = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            let asked = request.headers().get("sec-websocket-protocol").expect("a subprotocol is asked for");
            assert_eq!(asked, protocol);
            response.headers_mut().insert("sec-websocket-protocol", asked.clone());
            Ok(response)
        };
        let tcp = self.tcp().await;
        soon(tokio_tungstenite::accept_hdr_async(tcp, agree)).await.expect("a handshake")
    }

    /// Reads one HTTP request and answers it. Returns the request's head.
    pub(crate) async fn answer(&self, answer: &str) -> String {
        let mut tcp = self.tcp().await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(tcp.read_u8()).await.expect("a whole request"));
        }
        soon(tcp.write_all(answer.as_bytes())).await.expect("written");
        String::from_utf8(head).expect("text")
    }
}

pub(crate) async fn say(socket: &mut Socket, text: &str) {
    soon(socket.send(Message::text(text))).await.expect("sent");
}

/// The next text, pings aside.
pub(crate) async fn hear(socket: &mut Socket) -> String {
    loop {
        match soon(socket.next()).await.expect("somebody is there").expect("a frame") {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Answers pings and reads until the client is gone. Returns the close frame's code, if it said goodbye.
pub(crate) async fn until_goodbye(socket: &mut Socket) -> Option<u16> {
    let mut code = None;
    while let Some(Ok(message)) = soon(socket.next()).await {
        if let Message::Close(frame) = message {
            code = Some(frame.map_or(1005, |frame| frame.code.into()));
        }
    }
    code
}
