//! One client's connection to Tutum's stream, and the state that all connections share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::{SinkExt, StreamExt};
use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, broadcast, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::log::Log;
use super::tutum_account::Credentials;

pub(super) struct StreamState {
    credentials: Credentials,
    /// Events and pings that no client has received yet.
    pub(super) pending: watch::Sender<VecDeque<Message>>,
    /// Held by the connection that sends the first of `pending`.
    sending: Mutex<()>,
    /// Received by every open connection.
    pub(super) commands: broadcast::Sender<Command>,
    pub(super) refuses: AtomicBool,
    /// How many clients are connected.
    pub(super) connected: watch::Sender<usize>,
    /// How many clients were accepted so far.
    pub(super) accepted: AtomicUsize,
    /// The highest ping that was answered.
    pub(super) answered: watch::Sender<usize>,
    pub(super) pings: AtomicUsize,
    pub(super) offences: Log<String>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Command {
    Reset,
    Silence,
}

impl StreamState {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            pending: watch::Sender::default(),
            sending: Mutex::default(),
            commands: broadcast::Sender::new(16),
            refuses: AtomicBool::new(false),
            connected: watch::Sender::default(),
            accepted: AtomicUsize::new(0),
            answered: watch::Sender::default(),
            pings: AtomicUsize::new(0),
            offences: Log::new("offences"),
        }
    }

    pub(super) async fn serve(&self, stream: TcpStream) -> Result<(), WsError> {
        stream.set_nodelay(true)?;
        let mut commands = self.commands.subscribe();
        let mut knows_credentials = false;
        #[expect(clippy::result_large_err, reason = "the shape of tungstenite's callback")]
        let authenticate = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            let path = request.uri().path();
            if path.trim_end_matches('/') != "/v1/events" {
                self.offences.push(format!("there is no stream at {path:?}"));
                let mut refusal = ErrorResponse::new(None);
                *refusal.status_mut() = StatusCode::NOT_FOUND;
                return Err(refusal);
            }
            knows_credentials = self.is_authentic(request.uri().query().unwrap_or_default());
            Ok(response)
        };
        let mut socket = accept_hdr_async(stream, authenticate).await?;
        if !knows_credentials {
            self.offences.push("a connection to the stream without the account's credentials".to_owned());
        }
        if !knows_credentials || self.refuses.load(Ordering::SeqCst) {
            let error = json!({ "type": "error", "data": { "errorMessage": "UNAUTHORIZED" } });
            socket.send(Message::text(error.to_string())).await?;
            return socket.close(None).await;
        }
        socket.send(Message::text(json!({ "type": "auth" }).to_string())).await?;
        // In this order: when `connected` counts a client, `accepted` counts it too.
        self.accepted.fetch_add(1, Ordering::SeqCst);
        let client = Connected::new(&self.connected);
        let command = tokio::select! {
            command = commands.recv() => command.unwrap_or(Command::Reset),
            ended = self.exchange(&mut socket) => return ended,
        };
        drop(client);
        if matches!(command, Command::Silence) {
            while let Ok(Command::Silence) = commands.recv().await {}
        }
        Ok(socket.get_ref().set_zero_linger()?)
    }

    /// `?token=…&user=…`
    fn is_authentic(&self, query: &str) -> bool {
        let has = |name: &str, wanted: &str| {
            let pair = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
            pair.is_some_and(|(_, value)| percent_decode_str(value).decode_utf8_lossy() == wanted)
        };
        has("token", &self.credentials.token) && has("user", &self.credentials.user)
    }

    async fn exchange(&self, socket: &mut WebSocketStream<TcpStream>) -> Result<(), WsError> {
        loop {
            tokio::select! {
                () = self.is_pending() => self.send_first(socket).await?,
                message = socket.next() => match message {
                    None => return Ok(()),
                    Some(Ok(Message::Pong(number))) => self.note_pong(&number),
                    Some(message) => drop(message?),
                },
            }
        }
    }

    async fn is_pending(&self) {
        // An error would mean that `self` no longer exists.
        drop(self.pending.subscribe().wait_for(|pending| !pending.is_empty()).await);
    }

    /// A message is pending until it is sent: if the connection breaks before, the next client receives it.
    async fn send_first(&self, socket: &mut WebSocketStream<TcpStream>) -> Result<(), WsError> {
        let _sending = self.sending.lock().await;
        let first = self.pending.borrow().front().cloned();
        if let Some(first) = first {
            socket.send(first).await?;
            self.pending.send_modify(|pending| drop(pending.pop_front()));
        }
        Ok(())
    }

    fn note_pong(&self, number: &[u8]) {
        let number = std::str::from_utf8(number).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        self.answered.send_modify(|answered| *answered = number.max(*answered));
    }

    pub(super) fn push(&self, message: Message) {
        self.pending.send_modify(|pending| pending.push_back(message));
    }
}

/// Counts one connected client while it exists.
struct Connected<'a>(&'a watch::Sender<usize>);

impl<'a> Connected<'a> {
    fn new(connected: &'a watch::Sender<usize>) -> Self {
        connected.send_modify(|now| *now += 1);
        Self(connected)
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|now| *now -= 1);
    }
}
