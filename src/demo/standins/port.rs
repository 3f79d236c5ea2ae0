//! A loopback port that can be closed and opened again at the same address.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::stop::Stop;

type OnConnection = Arc<dyn Fn(TcpStream) -> BoxFuture<'static, ()> + Send + Sync>;

/// Owns the connections: when it is dropped, all of them end.
pub(super) struct Port {
    address: SocketAddr,
    /// Bound and never listening: while the port is closed, no other socket can be given its number.
    _reserved: TcpSocket,
    on_connection: OnConnection,
    open: Mutex<Option<Open>>,
}

struct Open {
    stop: Stop,
    accepting: JoinHandle<()>,
}

impl Port {
    /// Any free port. Starts a task, so it needs a runtime.
    pub(super) fn open(
        on_connection: impl Fn(TcpStream) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let reserved = bound((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = reserved.local_addr()?;
        let listener = listening(address)?;
        let on_connection: OnConnection = Arc::new(on_connection);
        let open = Mutex::new(Some(Open::new(listener, Arc::clone(&on_connection))));
        Ok(Self { address, _reserved: reserved, on_connection, open })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// When this returns, new connections are refused and the old ones are closed.
    pub(super) async fn close(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut open) = open {
            open.stop.trigger();
            // A panic of the accepting task has been printed already, and its connections are closed too.
            drop((&mut open.accepting).await);
        }
    }

    pub(super) async fn reopen(&self) -> io::Result<()> {
        self.close().await;
        let listener = listening(self.address)?;
        let open = Open::new(listener, Arc::clone(&self.on_connection));
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
    /// Connections that may wait to be accepted.
    const WAITING: u32 = 1024;
    bound(address)?.listen(WAITING)
}

impl Open {
    fn new(listener: TcpListener, on_connection: OnConnection) -> Self {
        let stop = Stop::new();
        #[expect(clippy::disallowed_methods, reason = "the port owns it: it ends when the port is closed or dropped")]
        let accepting = tokio::spawn(accept(listener, on_connection, stop.clone()));
        Self { stop, accepting }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, on_connection: OnConnection, stop: Stop) {
    /// Probably out of file descriptors: other connections must end first.
    const PAUSE: Duration = Duration::from_millis(10);
    let mut connections = JoinSet::new();
    while let Some(accepted) = stop.or(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(on_connection(stream));
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    connections.shutdown().await;
}
