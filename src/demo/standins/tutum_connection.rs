//! One client's connection to Tutum's stream, and the state that all connections share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::{Notify, broadcast, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::log::Log;
use super::tutum_account::Credentials;
use super::tutum_auth::{self, Admission, AuthForm, AuthRefusal};

pub(super) struct StreamState {
    pub(super) credentials: Credentials,
    pub(super) pending: Mutex<VecDeque<Item>>,
    pub(super) new_item: Notify,
    pub(super) hold: AtomicBool,
    pub(super) missed: AtomicUsize,
    pub(super) sent: AtomicUsize,
    /// Received by every open connection.
    pub(super) commands: broadcast::Sender<Command>,
    pub(super) refusal: Mutex<Option<AuthRefusal>>,
    /// How many clients are connected.
    pub(super) connected: watch::Sender<usize>,
    /// The highest ping that was answered.
    pub(super) answered: watch::Sender<usize>,
    pub(super) pings: AtomicUsize,
    /// One entry for each client that was accepted.
    pub(super) admitted: Log<AuthForm>,
    pub(super) offences: Log<String>,
}

#[derive(Debug, Clone)]
pub(super) enum Item {
    Text(String),
    Ping(usize),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Command {
    Close,
    Reset,
    Silence,
}

impl StreamState {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            pending: Mutex::default(),
            new_item: Notify::new(),
            hold: AtomicBool::new(true),
            missed: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
            commands: broadcast::Sender::new(16),
            refusal: Mutex::default(),
            connected: watch::Sender::new(0),
            answered: watch::Sender::new(0),
            pings: AtomicUsize::new(0),
            admitted: Log::new("connections to the stream"),
            offences: Log::new("offences"),
        }
    }

    pub(super) async fn serve(&self, stream: TcpStream) -> Result<(), WsError> {
        stream.set_nodelay(true)?;
        let mut commands = self.commands.subscribe();
        let refusal = *lock(&self.refusal);
        let mut admission = Admission::Unauthorized;
        let authenticate = tutum_auth::authenticate(&self.credentials, refusal, &mut admission);
        let accepted = accept_hdr_async(stream, authenticate).await;
        if let Some(offence) = admission.offence() {
            self.offences.push(offence);
        }
        let mut socket = accepted?;
        let Admission::Accepted(form) = admission else {
            let error = json!({ "type": "error", "data": { "errorMessage": "UNAUTHORIZED" } });
            socket.send(Message::text(error.to_string())).await?;
            return socket.close(None).await;
        };
        socket.send(Message::text(json!({ "type": "auth" }).to_string())).await?;
        // In this order: when `connected` counts a client, `admitted` has it too.
        self.admitted.push(form);
        let client = Connected::new(&self.connected);
        let command = tokio::select! {
            command = commands.recv() => command.unwrap_or(Command::Reset),
            ended = self.exchange(&mut socket) => return ended,
        };
        drop(client);
        match command {
            Command::Close => {
                socket.close(None).await?;
                while let Some(Ok(_)) = socket.next().await {}
                Ok(())
            }
            Command::Reset => Ok(socket.get_ref().set_zero_linger()?),
            Command::Silence => {
                while let Ok(Command::Silence) = commands.recv().await {}
                Ok(socket.get_ref().set_zero_linger()?)
            }
        }
    }

    async fn exchange(&self, socket: &mut WebSocketStream<TcpStream>) -> Result<(), WsError> {
        loop {
            tokio::select! {
                () = self.is_pending() => self.send_pending(socket).await?,
                message = socket.next() => match message {
                    None => return Ok(()),
                    Some(Ok(Message::Pong(number))) => self.note_pong(&number),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                },
            }
        }
    }

    async fn is_pending(&self) {
        while lock(&self.pending).is_empty() {
            self.new_item.notified().await;
        }
    }

    async fn send_pending(&self, socket: &mut WebSocketStream<TcpStream>) -> Result<(), WsError> {
        let Some(sending) = Sending::take(self) else { return Ok(()) };
        let message = match &sending.item {
            Some(Item::Ping(number)) => Message::Ping(number.to_string().into_bytes().into()),
            Some(Item::Text(text)) => Message::text(text.clone()),
            None => return Ok(()),
        };
        socket.send(message).await?;
        sending.done();
        Ok(())
    }

    fn note_pong(&self, number: &[u8]) {
        let number = std::str::from_utf8(number).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        self.answered.send_if_modified(|answered| {
            let is_new = number > *answered;
            *answered = number.max(*answered);
            is_new
        });
    }

    pub(super) fn send(&self, text: String) {
        if *self.connected.borrow() == 0 && !self.hold.load(Ordering::SeqCst) {
            self.missed.fetch_add(1, Ordering::SeqCst);
        } else {
            self.push(Item::Text(text));
        }
    }

    pub(super) fn push(&self, item: Item) {
        lock(&self.pending).push_back(item);
        self.new_item.notify_one();
    }
}

/// The item being sent. It returns to the front if the connection breaks before `done`.
struct Sending<'a> {
    state: &'a StreamState,
    item: Option<Item>,
}

impl<'a> Sending<'a> {
    fn take(state: &'a StreamState) -> Option<Self> {
        let item = Some(lock(&state.pending).pop_front()?);
        Some(Self { state, item })
    }

    fn done(mut self) {
        let is_text = matches!(self.item.take(), Some(Item::Text(_)));
        self.state.sent.fetch_add(usize::from(is_text), Ordering::SeqCst);
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if let Some(item) = self.item.take() {
            lock(&self.state.pending).push_front(item);
            self.state.new_item.notify_one();
        }
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

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
