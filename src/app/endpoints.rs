//! The endpoints of sources, and the listener that serves them.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tracing::{info, warn};

use super::source::BuiltSource;
use crate::http_server::{Address, HttpError, ListenSocket};
use crate::ingress::{Endpoint, HookRequest, INTAKE_TIMEOUT, Receiver};
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::sources::{AnySource, Source};

/// A source as the receiver of its endpoint.
pub(super) struct SourceReceiver {
    source: Arc<AnySource>,
    outbox: Outbox,
}

impl Receiver for SourceReceiver {
    async fn receive(&self, request: HookRequest) -> Result<Response, HttpError> {
        self.source.receive(request, &self.outbox).await.map(IntoResponse::into_response)
    }
}

pub(super) fn endpoints(sources: &[BuiltSource], metrics: &Metrics) -> Vec<Endpoint<SourceReceiver>> {
    let endpoints = sources.iter().filter_map(|part| {
        let config = part.source.endpoint()?.clone();
        let receiver =
            SourceReceiver { source: Arc::clone(&part.source), outbox: part.outbox.with_timeout(INTAKE_TIMEOUT) };
        Some(Endpoint { name: part.name.clone(), config, receiver, metrics: metrics.endpoint(&part.name) })
    });
    endpoints.collect()
}

/// Binds the listener and writes its address file. Without endpoints there is neither.
pub(super) async fn listen(
    listen: SocketAddr,
    socket: &mut ListenSocket,
    endpoints: &[Endpoint<SourceReceiver>],
    file: &Path,
) -> anyhow::Result<Option<TcpListener>> {
    if endpoints.is_empty() {
        socket.clear();
        // An earlier configuration may have left it.
        match std::fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!("cannot remove {}: {error}", file.display());
            }
            _ => {}
        }
        return Ok(None);
    }
    let listener = socket.listener(listen).await.with_context(|| {
        format!("cannot listen on {listen}: if the port is taken, set `listen` of [daemon]; port 0 takes any free one")
    })?;
    let address = publish(&listener, file)?;
    info!(%address, "listening for requests");
    for endpoint in endpoints {
        info!(source = %endpoint.name, "endpoint of {}: {}", endpoint.name, endpoint.config.public_path(&endpoint.name));
    }
    Ok(Some(listener))
}

/// Writes the address of the listener to its file, for those who look for it.
pub(super) fn publish(listener: &TcpListener, file: &Path) -> anyhow::Result<Address> {
    let address = Address::reached(listener.local_addr()?);
    address.write(file).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(address)
}
