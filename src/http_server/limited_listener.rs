//! Accepts connections, each with a [`Slot`] of the [`ConnectionLimiter`], and enforces its deadlines on the stream.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep, sleep_until};

use super::connection_limiter::{ConnectionLimiter, Slot};
use crate::stop::Stop;

/// A client that reads nothing of its answer for so long is disconnected.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) struct LimitedListener {
    pub(super) listener: TcpListener,
    pub(super) limiter: Arc<ConnectionLimiter>,
    /// From here on connections wait at the socket, for the listener that a reload starts.
    pub(super) stop: Stop,
}

impl Listener for LimitedListener {
    type Io = TimedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TimedStream, SocketAddr) {
        let accepted = self.stop.or(Listener::accept(&mut self.listener)).await;
        let Some((stream, peer)) = accepted else { return std::future::pending().await };
        let slot = self.limiter.admit().await;
        // Answers are small and written whole. If it fails they are only later.
        let _set = stream.set_nodelay(true);
        (TimedStream { stream, slot, read_timer: None, write_timer: None }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

pub(super) struct TimedStream {
    stream: TcpStream,
    slot: Slot,
    read_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
}

impl Connected<IncomingStream<'_, LimitedListener>> for Slot {
    fn connect_info(stream: IncomingStream<'_, LimitedListener>) -> Self {
        stream.io().slot.clone()
    }
}

impl Drop for TimedStream {
    fn drop(&mut self) {
        self.slot.release();
    }
}

/// Ready once `deadline` has passed.
fn poll_deadline(timer: &mut Option<Pin<Box<Sleep>>>, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
    if timer.deadline() != deadline {
        timer.as_mut().reset(deadline);
    }
    timer.as_mut().poll(cx)
}

impl AsyncRead for TimedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Ok(deadline) = self.slot.read_deadline(cx.waker()) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        };
        // Checked before reading: the deadline is for the whole head, however the bytes trickle in.
        if let Some(deadline) = deadline
            && poll_deadline(&mut self.read_timer, deadline, cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.slot.bytes_received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if written.is_ready() {
            self.write_timer = None;
            return written;
        }
        let deadline =
            self.write_timer.as_ref().map_or_else(|| Instant::now() + WRITE_TIMEOUT, |timer| timer.deadline());
        ready!(poll_deadline(&mut self.write_timer, deadline, cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
