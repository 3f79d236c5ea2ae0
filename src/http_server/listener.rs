//! Connections that are listened to only as long as the [`ConnectionLimiter`] puts up with them.

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

/// Somebody who takes nothing of their answer for so long does not want it.
const ANSWER: Duration = Duration::from_secs(60);

pub(super) struct LimitedListener {
    listener: TcpListener,
    room: Arc<ConnectionLimiter>,
}

impl LimitedListener {
    pub(super) fn new(listener: TcpListener, room: Arc<ConnectionLimiter>) -> Self {
        Self { listener, room }
    }
}

impl Listener for LimitedListener {
    type Io = TimedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TimedStream, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        let slot = self.room.enter().await;
        // Answers are small and whole. Without it they are only later, so a refusal costs nothing.
        let _later = stream.set_nodelay(true);
        (TimedStream { stream, slot, listening: None, answering: None }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

pub(super) struct TimedStream {
    stream: TcpStream,
    slot: Slot,
    listening: Option<Pin<Box<Sleep>>>,
    answering: Option<Pin<Box<Sleep>>>,
}

impl Connected<IncomingStream<'_, LimitedListener>> for Slot {
    fn connect_info(stream: IncomingStream<'_, LimitedListener>) -> Self {
        stream.io().slot.clone()
    }
}

impl Drop for TimedStream {
    fn drop(&mut self) {
        self.slot.leave();
    }
}

/// Ready when `end` has come.
fn until(timer: &mut Option<Pin<Box<Sleep>>>, end: Instant, cx: &mut Context<'_>) -> Poll<()> {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
    if timer.deadline() != end {
        timer.as_mut().reset(end);
    }
    timer.as_mut().poll(cx)
}

impl AsyncRead for TimedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Ok(deadline) = self.slot.patience(cx.waker()) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        };
        // Bytes in time are no excuse: the deadline is for the whole.
        if let Some(deadline) = deadline
            && until(&mut self.listening, deadline, cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.slot.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let said = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if said.is_ready() {
            self.answering = None;
            return said;
        }
        let end = self.answering.as_ref().map_or_else(|| Instant::now() + ANSWER, |timer| timer.deadline());
        ready!(until(&mut self.answering, end, cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
