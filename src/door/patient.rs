//! Connections that are listened to only as long as the [`Room`] puts up with them.

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

use super::room::{Room, Visit};

/// Somebody who takes nothing of their answer for so long does not want it.
const ANSWER: Duration = Duration::from_secs(60);

pub(super) struct Threshold {
    listener: TcpListener,
    room: Arc<Room>,
}

impl Threshold {
    pub(super) fn new(listener: TcpListener, room: Arc<Room>) -> Self {
        Self { listener, room }
    }
}

impl Listener for Threshold {
    type Io = Patient;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Patient, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        let visit = self.room.enter().await;
        // Answers are small and whole. Without it they are only later, so a refusal costs nothing.
        let _later = stream.set_nodelay(true);
        (Patient { stream, visit, listening: None, answering: None }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

pub(super) struct Patient {
    stream: TcpStream,
    visit: Visit,
    listening: Option<Pin<Box<Sleep>>>,
    answering: Option<Pin<Box<Sleep>>>,
}

impl Connected<IncomingStream<'_, Threshold>> for Visit {
    fn connect_info(stream: IncomingStream<'_, Threshold>) -> Self {
        stream.io().visit.clone()
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        self.visit.leave();
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

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Ok(deadline) = self.visit.patience(cx.waker()) else {
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
            self.visit.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Patient {
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
