//! A loopback port that can be closed and opened again at the same address.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::stop::Stop;

type Welcome = Arc<dyn Fn(TcpStream) -> BoxFuture<'static, ()> + Send + Sync>;

/// Owns everything that runs behind it: when it is dropped, all of that ends.
pub(super) struct Port {
    address: SocketAddr,
    /// Bound and never listening: while the port is closed, nobody else's connection can be given its number.
    _reserved: TcpSocket,
    welcome: Welcome,
    open: Mutex<Option<Open>>,
}

struct Open {
    stop: Stop,
    accepting: JoinHandle<()>,
}

impl Port {
    /// `port` 0 is any free one.
    #[expect(clippy::unused_async, reason = "it starts a task, so it wants a runtime around it")]
    pub(super) async fn open(
        port: u16,
        welcome: impl Fn(TcpStream) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let reserved = bound((Ipv4Addr::LOCALHOST, port).into())?;
        let address = reserved.local_addr()?;
        let listener = listening(address)?;
        let welcome: Welcome = Arc::new(welcome);
        let open = Mutex::new(Some(Open::new(listener, Arc::clone(&welcome))));
        Ok(Self { address, _reserved: reserved, welcome, open })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From when this returns, connections are refused and the old ones are gone.
    pub(super) async fn close(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut open) = open {
            open.stop.trigger();
            // A panic of the accepting task has been printed, and what it held is gone: closed all the same.
            drop((&mut open.accepting).await);
        }
    }

    pub(super) async fn reopen(&self) -> io::Result<()> {
        self.close().await;
        let listener = listening(self.address)?;
        let open = Open::new(listener, Arc::clone(&self.welcome));
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(open);
        Ok(())
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn listening(address: SocketAddr) -> io::Result<TcpListener> {
    /// A burst of connections may wait to be accepted.
    const WAITING: u32 = 1024;
    bound(address)?.listen(WAITING)
}

impl Open {
    fn new(listener: TcpListener, welcome: Welcome) -> Self {
        let stop = Stop::new();
        #[expect(clippy::disallowed_methods, reason = "the port owns it: it ends when the port is closed or dropped")]
        let accepting = tokio::spawn(accept(listener, welcome, stop.clone()));
        Self { stop, accepting }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, welcome: Welcome, stop: Stop) {
    /// Out of file handles, most likely: others must end before it can get better.
    const BREATH: Duration = Duration::from_millis(10);
    let mut connections = JoinSet::new();
    while let Some(accepted) = stop.or(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(welcome(stream));
            }
            Err(_) => tokio::time::sleep(BREATH).await,
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    connections.shutdown().await;
}

impl std::fmt::Debug for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Port({})", self.address)
    }
}
