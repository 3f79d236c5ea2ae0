//! One connection: everything between its first and its last packet has a limit.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{SinkExt, StreamExt, poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use super::address::Address;
use super::config::ConnectionConfig;
use super::faults;
use crate::config_reader::print_duration;
use crate::fault::Fault;

/// The limit of what is buffered for a peer that does not read: pings, pongs, a close and short messages.
const WRITE_BUFFER: usize = 16 * 1024;
/// Each read zeroes its buffer first, so a large one is slow when frames arrive one by one. This holds about a hundred.
const READ_BUFFER: usize = 32 * 1024;
/// The limit for the closing handshake, so that a source stops within a second.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

pub(super) struct Connection {
    socket: WebSocketStream<MaybeTlsStream<ActivityStream<TcpStream>>>,
    ping: Duration,
    idle: Option<Duration>,
    ping_at: Instant,
    /// Data arrived since the timer last fired. The clock is read when it fires, not for every frame.
    data_arrived: bool,
    quiet_since: Instant,
    timer: Pin<Box<Sleep>>,
    is_stable: bool,
    /// How long nothing was received before a deadline ended the connection.
    silent_for: Duration,
}

pub(super) enum Received {
    Text(Utf8Bytes),
    /// A message that is not UTF-8.
    Binary,
    /// The connection has lasted for one ping interval. Reported once.
    Stable,
}

impl Connection {
    pub(super) async fn open(
        address: &Address,
        tls: Option<Arc<rustls::ClientConfig>>,
        config: &ConnectionConfig,
    ) -> Result<Self, Fault> {
        let limit = config.connect_timeout;
        let late = |_| Fault::new("timeout", format!("no connection within {}", print_duration(limit)));
        let socket = timeout(limit, connect(address, tls, config)).await.map_err(late)??;
        let now = Instant::now();
        let mut connection = Self {
            socket,
            ping: config.ping,
            idle: config.idle,
            ping_at: now + config.ping,
            data_arrived: false,
            quiet_since: now,
            timer: Box::pin(tokio::time::sleep_until(now)),
            is_stable: false,
            silent_for: Duration::ZERO,
        };
        connection.set_timer();
        Ok(connection)
    }

    /// The next message. Between calls nothing is read and the peer cannot time out: what it sent meanwhile is read
    /// before the timer is polled.
    pub(super) async fn next(&mut self) -> Result<Received, Fault> {
        loop {
            // A flood of frames that are ready at once must not starve the other tasks.
            tokio::task::consume_budget().await;
            let received = tokio::select! {
                biased;
                frame = self.socket.next() => self.handle_frame(frame).await?,
                () = &mut self.timer => self.handle_timer().await?,
            };
            if let Some(received) = received {
                return Ok(received);
            }
        }
    }

    /// Sends one message. A peer that does not accept it in time is considered dead.
    pub(super) async fn send(&mut self, text: &str) -> Result<(), Fault> {
        self.send_in_time(Message::text(text)).await
    }

    async fn send_in_time(&mut self, message: Message) -> Result<(), Fault> {
        let sent = timeout(self.ping, self.socket.send(message)).await;
        sent.map_err(|_| faults::not_reading())?.map_err(faults::from_error)
    }

    pub(super) fn silent_for(&self) -> Duration {
        self.silent_for
    }

    /// Sends a close frame, and waits shortly for the peer's.
    pub(super) async fn close(mut self) {
        let closing = async {
            if self.socket.close(None).await.is_ok() {
                // Closing a socket with unread data resets the connection, and the close frame would be lost.
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        // Nothing depends on the peer's answer.
        let _in_time = timeout(CLOSE_TIMEOUT, closing).await;
    }

    async fn handle_frame(&mut self, frame: Option<Result<Message, Error>>) -> Result<Option<Received>, Fault> {
        match frame {
            Some(Ok(Message::Text(text))) => {
                self.data_arrived = true;
                Ok(Some(Received::Text(text)))
            }
            Some(Ok(Message::Binary(bytes))) => {
                self.data_arrived = true;
                Ok(Some(Utf8Bytes::try_from(bytes).map_or(Received::Binary, Received::Text)))
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
            Some(Ok(Message::Close(frame))) => {
                // tungstenite has queued the answer; if it cannot be sent at once, the peer does not need it.
                let _answered = poll!(self.socket.flush());
                Err(faults::closed(frame.as_ref()))
            }
            Some(Err(error)) => {
                if matches!(error, Error::Capacity(_)) {
                    let too_big = CloseFrame { code: CloseCode::Size, reason: Utf8Bytes::from_static("too big") };
                    let _sent = poll!(self.socket.send(Message::Close(Some(too_big))));
                }
                Err(faults::from_error(error))
            }
            None => Err(faults::closed(None)),
        }
    }

    /// The timer fired with nothing left to read: checks whether the peer is alive, pings it, and sets the timer again.
    async fn handle_timer(&mut self) -> Result<Option<Received>, Fault> {
        let now = Instant::now();
        if std::mem::take(&mut self.data_arrived) {
            self.quiet_since = now;
        }
        if let Some(idle) = self.idle.filter(|idle| now >= self.quiet_since + *idle) {
            self.silent_for = now - self.quiet_since;
            return Err(Fault::new("idle", format!("no data for {}", print_duration(idle))));
        }
        let mut became_stable = false;
        if now >= self.ping_at {
            if !self.socket.get_ref().get_ref().has_read.swap(false, Ordering::Relaxed) {
                let why = format!("no answer to a ping for {}", print_duration(self.ping));
                // Something was received in the interval before this one, perhaps at its beginning.
                self.silent_for = self.ping * 2;
                return Err(Fault::new("dead_peer", why));
            }
            self.ping_at = now + self.ping;
            self.send_in_time(Message::Ping(Bytes::new())).await?;
            became_stable = !std::mem::replace(&mut self.is_stable, true);
        }
        self.set_timer();
        Ok(became_stable.then_some(Received::Stable))
    }

    fn set_timer(&mut self) {
        let idle_at = self.idle.map(|idle| self.quiet_since + idle);
        let at = idle_at.map_or(self.ping_at, |idle_at| idle_at.min(self.ping_at));
        self.timer.as_mut().reset(at);
    }
}

async fn connect(
    address: &Address,
    tls: Option<Arc<rustls::ClientConfig>>,
    config: &ConnectionConfig,
) -> Result<WebSocketStream<MaybeTlsStream<ActivityStream<TcpStream>>>, Fault> {
    let stream = connect_tcp(address, config.connect_timeout).await?;
    // A ping must not wait until a packet is full.
    stream.set_nodelay(true).map_err(|error| Fault::new("connect", error.to_string()))?;
    let stream = ActivityStream { stream, has_read: AtomicBool::new(true) };
    let limits = WebSocketConfig::default()
        .max_frame_size(Some(config.max_frame))
        .max_message_size(Some(config.max_frame))
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER);
    let connector = tls.map_or(Connector::Plain, Connector::Rustls);
    // Makes one request and accepts one answer, so redirects are not followed.
    let opened = client_async_tls_with_config(address.request()?, stream, Some(limits), Some(connector)).await;
    opened.map(|(socket, _)| socket).map_err(faults::from_error)
}

/// Tries each address of the host. One that drops packets (IPv6 where there is none) must not use up the others' time.
async fn connect_tcp(address: &Address, limit: Duration) -> Result<TcpStream, Fault> {
    let found = tokio::net::lookup_host(address.host_and_port()).await;
    let found: Vec<SocketAddr> = found.map_err(|error| Fault::new("dns", error.to_string()))?.collect();
    let share = limit / u32::try_from(found.len().max(1)).unwrap_or(u32::MAX);
    let mut last = Fault::new("dns", "the host has no address");
    for at in found {
        match timeout(share, TcpStream::connect(at)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = Fault::new("connect", error.to_string()),
            Err(_) => last = Fault::new("timeout", format!("{at} does not answer")),
        }
    }
    Err(last)
}

/// A stream that records whether anything was read from it: one byte of a long frame shows that the peer is alive.
struct ActivityStream<S> {
    stream: S,
    has_read: AtomicBool,
}

impl<S: AsyncRead + Unpin> AsyncRead for ActivityStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, into);
        if into.filled().len() > before {
            *this.has_read.get_mut() = true;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ActivityStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
