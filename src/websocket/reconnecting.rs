//! A connection that is established again whenever it is lost.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::poll;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::address::Address;
use super::config::ConnectionConfig;
use super::connection::{Connection, Received};
use crate::fault::Fault;
use crate::reconnect::{REFUSED, Reconnect};
use crate::stop::Stop;

/// The longest message that can be sent: half of what is buffered for a peer that does not read.
pub const LONGEST_MESSAGE: usize = 8 * 1024;

#[derive(Debug)]
pub enum SocketEvent {
    /// The handshake is done.
    Connected,
    /// The connection has lasted for one `ping` interval. At most once for each [`SocketEvent::Connected`].
    Stable,
    /// One message: text, or binary that is UTF-8.
    Text(Utf8Bytes),
    /// A message that is not UTF-8.
    Binary,
    /// The connection was lost, or could not be established. The next call waits for the next attempt.
    Lost(Fault),
    /// The stop came and the connection is closed. Nothing follows.
    Stopped,
}

pub struct ReconnectingSocket<'a> {
    address: &'a Address,
    tls: Option<Arc<rustls::ClientConfig>>,
    config: &'a ConnectionConfig,
    stop: &'a Stop,
    connection: Option<Connection>,
    pub(super) reconnect: Reconnect<'a>,
    /// How long the peer may have been dead before the last loss was noticed.
    silent_for: Duration,
}

impl<'a> ReconnectingSocket<'a> {
    /// Does not connect yet. `source` is the name in the log. `tls` is needed where the address is secure.
    pub fn new(
        source: &'a str,
        address: &'a Address,
        tls: Option<Arc<rustls::ClientConfig>>,
        config: &'a ConnectionConfig,
        stop: &'a Stop,
    ) -> Self {
        let reconnect = Reconnect::new(source, address, config.reconnect, stop);
        Self { address, tls, config, stop, connection: None, reconnect, silent_for: Duration::ZERO }
    }

    /// The connection delivered an event, so after a loss it is made again at once.
    pub fn delivered(&mut self) {
        self.reconnect.delivered();
    }

    /// Before the last [`SocketEvent::Lost`]: how long nothing had been received when a deadline found the peer dead.
    pub fn silent_for(&self) -> Duration {
        self.silent_for
    }

    /// Waits for the next frame, the next attempt to connect, or the stop.
    pub async fn next(&mut self) -> SocketEvent {
        // Connecting is rare and its future is large: boxed, it does not add to the cost of every frame.
        let Some(connection) = &mut self.connection else { return Box::pin(self.connect()).await };
        match unless_stopped(self.stop, connection.next()).await {
            Some(Ok(Received::Text(text))) => SocketEvent::Text(text),
            Some(Ok(Received::Binary)) => SocketEvent::Binary,
            Some(Ok(Received::Stable)) => SocketEvent::Stable,
            Some(Err(fault)) => SocketEvent::Lost(self.lost(fault)),
            None => {
                self.close().await;
                SocketEvent::Stopped
            }
        }
    }

    /// Sends one message of at most [`LONGEST_MESSAGE`] bytes. None where there is no connection, or the stop came
    /// first. A failure ends the connection.
    pub async fn send(&mut self, text: &str) -> Option<Result<(), Fault>> {
        let sent = self.stop.or(self.connection.as_mut()?.send(text)).await?;
        Some(sent.map_err(|fault| self.lost(fault)))
    }

    /// The peer accepted the connection and then refused the credentials in a message: closes the connection, and
    /// retries slowly.
    pub async fn close_refused(&mut self, why: String) -> Fault {
        self.close().await;
        self.lost(Fault::new(REFUSED, why))
    }

    async fn connect(&mut self) -> SocketEvent {
        if self.reconnect.wait().await.is_none() {
            return SocketEvent::Stopped;
        }
        let opening = Connection::open(self.address, self.tls.clone(), self.config);
        match Box::pin(self.stop.or(opening)).await {
            None => SocketEvent::Stopped,
            Some(Ok(connection)) => {
                self.reconnect.connected();
                self.connection = Some(connection);
                SocketEvent::Connected
            }
            Some(Err(fault)) => SocketEvent::Lost(self.lost(fault)),
        }
    }

    fn lost(&mut self, fault: Fault) -> Fault {
        self.silent_for = self.connection.take().map_or(Duration::ZERO, |connection| connection.silent_for());
        self.reconnect.lost(&fault);
        fault
    }

    async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
    }
}

/// As [`Stop::or`], but without registering for the stop where `work` is ready at once: for the path of every frame.
pub async fn unless_stopped<T>(stop: &Stop, work: impl Future<Output = T>) -> Option<T> {
    if stop.is_triggered() {
        return None;
    }
    let mut work = pin!(work);
    match poll!(work.as_mut()) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => stop.or(work).await,
    }
}
