//! A listening socket that outlives a reload, so that connections meanwhile wait and are not refused.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

#[derive(Debug, Default)]
pub struct ListenSocket(Option<(SocketAddr, std::net::TcpListener)>);

impl ListenSocket {
    /// Closes the socket: from here on clients are refused at once.
    pub fn clear(&mut self) {
        self.0 = None;
    }

    /// A listener on the kept socket, which is opened again only if `address` has changed.
    pub async fn listener(&mut self, address: SocketAddr) -> io::Result<TcpListener> {
        if self.0.as_ref().is_none_or(|(current, _)| *current != address) {
            // The old socket may hold the port that is wanted.
            self.clear();
            self.0 = Some((address, TcpListener::bind(address).await?.into_std()?));
        }
        let (_, socket) = self.0.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        TcpListener::from_std(socket.try_clone()?)
    }
}
