//! One client's connection to Tutum's stream, and what all of them share.

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
use super::tutum::Credentials;
use super::tutum_auth::{self, Admission, AuthForm, Refusal};

pub(super) struct Shared {
    pub(super) credentials: Credentials,
    pub(super) waiting: Mutex<VecDeque<Item>>,
    pub(super) news: Notify,
    pub(super) hold: AtomicBool,
    pub(super) missed: AtomicUsize,
    pub(super) sent: AtomicUsize,
    /// The live connections listen for these.
    pub(super) orders: broadcast::Sender<Order>,
    pub(super) refusal: Mutex<Option<Refusal>>,
    /// How many clients are listening.
    pub(super) listening: watch::Sender<usize>,
    /// The highest ping that was answered.
    pub(super) heard: watch::Sender<usize>,
    pub(super) pings: AtomicUsize,
    /// One entry for each client that was let in.
    pub(super) admitted: Log<AuthForm>,
    pub(super) offences: Log<String>,
}

#[derive(Debug, Clone)]
pub(super) enum Item {
    Text(String),
    Ping(usize),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    Close,
    Reset,
    Silence,
}

impl Shared {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            waiting: Mutex::default(),
            news: Notify::new(),
            hold: AtomicBool::new(true),
            missed: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
            orders: broadcast::Sender::new(16),
            refusal: Mutex::default(),
            listening: watch::Sender::new(0),
            heard: watch::Sender::new(0),
            pings: AtomicUsize::new(0),
            admitted: Log::new("connections to the stream"),
            offences: Log::new("offences"),
        }
    }

    pub(super) async fn converse(&self, stream: TcpStream) -> Result<(), WsError> {
        stream.set_nodelay(true)?;
        let mut orders = self.orders.subscribe();
        let refusal = *lock(&self.refusal);
        let mut admission = Admission::Unauthorized;
        let judge = tutum_auth::judge(&self.credentials, refusal, &mut admission);
        let accepted = accept_hdr_async(stream, judge).await;
        if let Some(offence) = admission.offence() {
            self.offences.push(offence);
        }
        let mut socket = accepted?;
        let Admission::Let(form) = admission else {
            let said = json!({ "type": "error", "data": { "errorMessage": "UNAUTHORIZED" } });
            socket.send(Message::text(said.to_string())).await?;
            return socket.close(None).await;
        };
        socket.send(Message::text(json!({ "type": "auth" }).to_string())).await?;
        // In this order: who sees somebody listening also sees who was let in.
        self.admitted.push(form);
        let listener = Listener::new(&self.listening);
        let order = tokio::select! {
            order = orders.recv() => order.unwrap_or(Order::Reset),
            ended = self.serve(&mut socket) => return ended,
        };
        drop(listener);
        match order {
            Order::Close => {
                socket.close(None).await?;
                while let Some(Ok(_)) = socket.next().await {}
                Ok(())
            }
            Order::Reset => Ok(socket.get_ref().set_zero_linger()?),
            Order::Silence => {
                while let Ok(Order::Silence) = orders.recv().await {}
                Ok(socket.get_ref().set_zero_linger()?)
            }
        }
    }

    async fn serve(&self, socket: &mut WebSocketStream<TcpStream>) -> Result<(), WsError> {
        loop {
            tokio::select! {
                () = self.something_waits() => self.send_waiting(socket).await?,
                message = socket.next() => match message {
                    None => return Ok(()),
                    Some(Ok(Message::Pong(number))) => self.note_pong(&number),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                },
            }
        }
    }

    async fn something_waits(&self) {
        while lock(&self.waiting).is_empty() {
            self.news.notified().await;
        }
    }

    async fn send_waiting(&self, socket: &mut WebSocketStream<TcpStream>) -> Result<(), WsError> {
        let Some(hand) = Hand::take(self) else { return Ok(()) };
        let message = match &hand.item {
            Some(Item::Ping(number)) => Message::Ping(number.to_string().into_bytes().into()),
            Some(Item::Text(text)) => Message::text(text.clone()),
            None => return Ok(()),
        };
        socket.send(message).await?;
        hand.empty();
        Ok(())
    }

    fn note_pong(&self, number: &[u8]) {
        let number = std::str::from_utf8(number).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        self.heard.send_if_modified(|heard| {
            let news = number > *heard;
            *heard = number.max(*heard);
            news
        });
    }

    pub(super) fn say(&self, text: String) {
        if *self.listening.borrow() == 0 && !self.hold.load(Ordering::SeqCst) {
            self.missed.fetch_add(1, Ordering::SeqCst);
        } else {
            self.push(Item::Text(text));
        }
    }

    pub(super) fn push(&self, item: Item) {
        lock(&self.waiting).push_back(item);
        self.news.notify_one();
    }
}

/// Holds what is being sent. Until that is done it goes back to the front when the connection breaks or ends.
struct Hand<'a> {
    shared: &'a Shared,
    item: Option<Item>,
}

impl<'a> Hand<'a> {
    fn take(shared: &'a Shared) -> Option<Self> {
        let item = Some(lock(&shared.waiting).pop_front()?);
        Some(Self { shared, item })
    }

    fn empty(mut self) {
        let text = matches!(self.item.take(), Some(Item::Text(_)));
        self.shared.sent.fetch_add(usize::from(text), Ordering::SeqCst);
    }
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        if let Some(item) = self.item.take() {
            lock(&self.shared.waiting).push_front(item);
            self.shared.news.notify_one();
        }
    }
}

/// Counts one listening client for as long as it lives.
struct Listener<'a>(&'a watch::Sender<usize>);

impl<'a> Listener<'a> {
    fn new(listening: &'a watch::Sender<usize>) -> Self {
        listening.send_modify(|now| *now += 1);
        Self(listening)
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|now| *now -= 1);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
