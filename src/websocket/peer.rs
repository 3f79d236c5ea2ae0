//! The server side, for tests: each test scripts it step by step.

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
    /// The same socket, for accepting without the runtime.
    raw: std::net::TcpListener,
}

/// The client's request for a WebSocket.
pub(crate) struct Handshake {
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
}

impl Handshake {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("plain text"))
    }
}

/// Fails the test if `work` takes longer than 30 seconds.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), Box::pin(work)).await.expect("completes within 30 seconds")
}

impl Peer {
    #[expect(clippy::unused_async, reason = "consistent with the other steps, and needs a runtime")]
    pub(crate) async fn new() -> Self {
        let raw = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        raw.set_nonblocking(true).expect("tokio needs it non-blocking");
        let twin = raw.try_clone().expect("a second handle");
        Self { listener: TcpListener::from_std(twin).expect("a listener"), raw }
    }

    pub(crate) fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.listener.local_addr().expect("bound"))
    }

    pub(crate) async fn accept_tcp(&self) -> TcpStream {
        soon(self.listener.accept()).await.expect("a connection").0
    }

    /// Whether a connection is waiting to be accepted.
    pub(crate) fn has_pending_connection(&self) -> bool {
        self.raw.accept().is_ok()
    }

    pub(crate) async fn accept(&self) -> Socket {
        self.accept_with_handshake().await.0
    }

    #[expect(clippy::result_large_err, reason = "tungstenite's callback has this form")]
    pub(crate) async fn accept_with_handshake(&self) -> (Socket, Handshake) {
        let mut handshake = None;
        let record = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            handshake = Some(Handshake { uri: request.uri().to_string(), headers: request.headers().clone() });
            Ok(response)
        };
        let tcp = self.accept_tcp().await;
        let socket = soon(tokio_tungstenite::accept_hdr_async(tcp, record)).await.expect("a handshake");
        (socket, handshake.expect("recorded"))
    }

    /// Accepts this subprotocol, which the client must have requested.
    #[expect(clippy::result_large_err, reason = "tungstenite's callback has this form")]
    pub(crate) async fn accept_protocol(&self, protocol: &'static str) -> Socket {
        let agree = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            let asked = request.headers().get("sec-websocket-protocol").expect("a subprotocol is requested");
            assert_eq!(asked, protocol);
            response.headers_mut().insert("sec-websocket-protocol", asked.clone());
            Ok(response)
        };
        let tcp = self.accept_tcp().await;
        soon(tokio_tungstenite::accept_hdr_async(tcp, agree)).await.expect("a handshake")
    }

    /// Reads one HTTP request and answers it. Returns the request's head.
    pub(crate) async fn answer(&self, answer: &str) -> String {
        let mut tcp = self.accept_tcp().await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon(tcp.read_u8()).await.expect("a whole request"));
        }
        soon(tcp.write_all(answer.as_bytes())).await.expect("written");
        String::from_utf8(head).expect("text")
    }
}

pub(crate) async fn send(socket: &mut Socket, text: &str) {
    soon(socket.send(Message::text(text))).await.expect("sent");
}

/// The next text, pings aside.
pub(crate) async fn receive(socket: &mut Socket) -> String {
    loop {
        match soon(socket.next()).await.expect("the client is connected").expect("a frame") {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Answers pings and reads until the client disconnects. Returns the close frame's code, if it sent one.
pub(crate) async fn until_closed(socket: &mut Socket) -> Option<u16> {
    let mut code = None;
    while let Some(Ok(message)) = soon(socket.next()).await {
        if let Message::Close(frame) = message {
            code = Some(frame.map_or(1005, |frame| frame.code.into()));
        }
    }
    code
}
