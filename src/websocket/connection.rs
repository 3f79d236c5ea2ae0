//! One connection from its first packet to its last, with a limit on everything in between.

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

use super::{Address, ConnectionConfig, faults};
use crate::config_reader::print_duration;
use crate::fault::Fault;

/// We write pings, pongs and a close; a peer that reads none of them must not make us store them.
const UNREAD_BY_PEER: usize = 16 * 1024;
/// A read zeroes its buffer first, so a large one costs time when frames come one by one; this holds a hundred.
const READ_AT_ONCE: usize = 32 * 1024;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

pub(super) struct Connection {
    socket: WebSocketStream<MaybeTlsStream<Ear<TcpStream>>>,
    ping: Duration,
    idle: Option<Duration>,
    ping_at: Instant,
    /// Data came since the alarm last rang. Clocks are read when it rings, not for every frame.
    fresh: bool,
    quiet_since: Instant,
    alarm: Pin<Box<Sleep>>,
    stood: bool,
}

pub(super) enum Heard {
    Text(Utf8Bytes),
    /// A message that is not even text.
    Binary,
    /// The connection has stood for one interval of pings. Said once.
    Standing,
}

impl Connection {
    pub(super) async fn open(
        address: &Address,
        tls: Option<Arc<rustls::ClientConfig>>,
        habits: &ConnectionConfig,
    ) -> Result<Self, Fault> {
        let late = || Fault::new("timeout", format!("no connection within {}", print_duration(habits.patience)));
        let socket = timeout(habits.patience, connect(address, tls, habits)).await.map_err(|_| late())??;
        let now = Instant::now();
        let mut connection = Self {
            socket,
            ping: habits.ping,
            idle: habits.idle,
            ping_at: now + habits.ping,
            fresh: false,
            quiet_since: now,
            alarm: Box::pin(tokio::time::sleep_until(now)),
            stood: false,
        };
        connection.set_alarm();
        Ok(connection)
    }

    /// What comes next. While nobody calls this nothing is read, and the peer's clock stands: whatever it sent
    /// meanwhile is read before the alarm is looked at.
    pub(super) async fn next(&mut self) -> Result<Heard, Fault> {
        loop {
            // A flood of frames that need no waiting must not starve the other tasks.
            tokio::task::consume_budget().await;
            let heard = tokio::select! {
                biased;
                frame = self.socket.next() => self.sort(frame).await?,
                () = &mut self.alarm => self.ring().await?,
            };
            if let Some(heard) = heard {
                return Ok(heard);
            }
        }
    }

    /// Says one message. A peer that does not take it in time is dead.
    pub(super) async fn say(&mut self, text: &str) -> Result<(), Fault> {
        let stuck = |_| Fault::new("dead_peer", "the peer takes nothing any more");
        timeout(self.ping, self.socket.send(Message::text(text))).await.map_err(stuck)?.map_err(faults::of)
    }

    /// Says goodbye, and hears the peer's if it comes soon.
    pub(super) async fn close(mut self) {
        let goodbye = async {
            if self.socket.close(None).await.is_ok() {
                // Data that nobody waits for any more: a socket closed over unread data resets the connection,
                // and our goodbye with it.
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        // A peer that takes no goodbye is left without.
        let _in_time = timeout(GOODBYE, goodbye).await;
    }

    async fn sort(&mut self, frame: Option<Result<Message, Error>>) -> Result<Option<Heard>, Fault> {
        match frame {
            Some(Ok(Message::Text(text))) => {
                self.fresh = true;
                Ok(Some(Heard::Text(text)))
            }
            Some(Ok(Message::Binary(bytes))) => {
                self.fresh = true;
                Ok(Some(Utf8Bytes::try_from(bytes).map_or(Heard::Binary, Heard::Text)))
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
            Some(Ok(Message::Close(frame))) => {
                // The answer is prepared already; if it cannot leave at once, the peer does not need it.
                let _answered = poll!(self.socket.flush());
                Err(faults::closed(frame.as_ref()))
            }
            Some(Err(error)) => {
                if matches!(error, Error::Capacity(_)) {
                    let too_big = CloseFrame { code: CloseCode::Size, reason: Utf8Bytes::from_static("too big") };
                    let _told = poll!(self.socket.send(Message::Close(Some(too_big))));
                }
                Err(faults::of(error))
            }
            None => Err(faults::closed(None)),
        }
    }

    /// The alarm rang with nothing left to read: judge the peer, ping it, and set the alarm again.
    async fn ring(&mut self) -> Result<Option<Heard>, Fault> {
        let now = Instant::now();
        if std::mem::take(&mut self.fresh) {
            self.quiet_since = now;
        }
        if let Some(idle) = self.idle.filter(|idle| now >= self.quiet_since + *idle) {
            return Err(Fault::new("idle", format!("no data for {}", print_duration(idle))));
        }
        let mut news = None;
        if now >= self.ping_at {
            if !self.socket.get_ref().get_ref().heard.swap(false, Ordering::Relaxed) {
                let said = format!("no answer to a ping for {}", print_duration(self.ping));
                return Err(Fault::new("dead_peer", said));
            }
            self.ping_at = now + self.ping;
            let ping = self.socket.send(Message::Ping(Bytes::new()));
            let stuck = || Fault::new("dead_peer", "the peer takes nothing any more");
            timeout(self.ping, ping).await.map_err(|_| stuck())?.map_err(faults::of)?;
            news = (!std::mem::replace(&mut self.stood, true)).then_some(Heard::Standing);
        }
        self.set_alarm();
        Ok(news)
    }

    fn set_alarm(&mut self) {
        let idle_at = self.idle.map(|idle| self.quiet_since + idle);
        let at = idle_at.map_or(self.ping_at, |idle_at| idle_at.min(self.ping_at));
        self.alarm.as_mut().reset(at);
    }
}

async fn connect(
    address: &Address,
    tls: Option<Arc<rustls::ClientConfig>>,
    habits: &ConnectionConfig,
) -> Result<WebSocketStream<MaybeTlsStream<Ear<TcpStream>>>, Fault> {
    let stream = connect_tcp(address, habits.patience).await?;
    // A ping must not wait for more to say.
    stream.set_nodelay(true).map_err(|error| Fault::new("connect", error.to_string()))?;
    let stream = Ear { stream, heard: AtomicBool::new(true) };
    let config = WebSocketConfig::default()
        .max_frame_size(Some(habits.max_frame))
        .max_message_size(Some(habits.max_frame))
        .read_buffer_size(READ_AT_ONCE)
        .write_buffer_size(0)
        .max_write_buffer_size(UNREAD_BY_PEER);
    let connector = tls.map_or(Connector::Plain, Connector::Rustls);
    // Redirects are not followed: this makes one request and takes one answer.
    let opened = client_async_tls_with_config(address.request()?, stream, Some(config), Some(connector)).await;
    opened.map(|(socket, _)| socket).map_err(faults::of)
}

/// Tries each address of the host. One that swallows packets (IPv6 where there is none) must not eat the others' time.
async fn connect_tcp(address: &Address, patience: Duration) -> Result<TcpStream, Fault> {
    let found = tokio::net::lookup_host(address.host_and_port()).await;
    let found: Vec<SocketAddr> = found.map_err(|error| Fault::new("dns", error.to_string()))?.collect();
    let share = patience / u32::try_from(found.len().max(1)).unwrap_or(u32::MAX);
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

/// A stream that knows whether something was heard on it: one byte of a long frame is a sign of life too.
struct Ear<S> {
    stream: S,
    heard: AtomicBool,
}

impl<S: AsyncRead + Unpin> AsyncRead for Ear<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, into);
        if into.filled().len() > before {
            *this.heard.get_mut() = true;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ear<S> {
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
