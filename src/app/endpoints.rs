//! The sources that wait at the listener, and the listener's own place.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tracing::{info, warn};

use super::source::BuiltSource;
use crate::http_server::Address;
use crate::ingress::{Answer, Endpoint, HookRequest, INTAKE_TIMEOUT, Receiver};
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::sources::{AnySource, Source};

/// A source, as the listener sees it.
pub(super) struct Waiting {
    source: Arc<AnySource>,
    outbox: Outbox,
}

impl Receiver for Waiting {
    async fn receive(&self, request: HookRequest) -> Answer {
        self.source.receive(request, &self.outbox).await
    }
}

pub(super) fn places(sources: &[BuiltSource], metrics: &Metrics) -> Vec<Endpoint<Waiting>> {
    let waiting = sources.iter().filter_map(|part| {
        let hook = part.source.hook()?.clone();
        let receiver = Waiting { source: Arc::clone(&part.source), outbox: part.outbox.hurried(INTAKE_TIMEOUT) };
        Some(Endpoint { name: part.name.clone(), hook, receiver, metrics: metrics.endpoint(&part.name) })
    });
    waiting.collect()
}

/// The listener's socket, which outlives a reload: who knocks meanwhile waits a moment and is not refused.
#[derive(Debug, Default)]
pub struct ListenSocket(Option<(SocketAddr, std::net::TcpListener)>);

impl ListenSocket {
    /// The daemon is about to end: who knocks from now on must know at once.
    pub fn clear(&mut self) {
        self.0 = None;
    }

    async fn listener(&mut self, listen: SocketAddr) -> io::Result<TcpListener> {
        if self.0.as_ref().is_none_or(|(address, _)| *address != listen) {
            // First the old one goes, which may hold the port that is wanted.
            self.clear();
            self.0 = Some((listen, TcpListener::bind(listen).await?.into_std()?));
        }
        let (_, socket) = self.0.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        TcpListener::from_std(socket.try_clone()?)
    }
}

/// The listener's listener, and the file that tells where it is; nothing of either where nobody waits.
pub(super) async fn listen(
    listen: SocketAddr,
    listen_socket: &mut ListenSocket,
    places: &[Endpoint<Waiting>],
    file: &Path,
) -> anyhow::Result<Option<TcpListener>> {
    if places.is_empty() {
        listen_socket.clear();
        // One that an earlier configuration left would lead astray.
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!("{} cannot be removed: {error}", file.display());
            }
            _ => {}
        }
        return Ok(None);
    }
    let listener = listen_socket.listener(listen).await.with_context(|| {
        format!(
            "the listener cannot listen on {listen}: is the port taken? else set `listen` of [daemon], port 0 for any"
        )
    })?;
    let address = Address::reached(listener.local_addr()?);
    address.write(file).with_context(|| format!("cannot write {}", file.display()))?;
    info!(listener = %address, "the listener is open");
    for place in places {
        info!(source = %place.name, "{} waits at {}", place.name, place.hook.shown(&place.name));
    }
    Ok(Some(listener))
}
