//! The public listener: its limits, its address file, and serving.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;

use super::router::{Endpoint, Receiver, Router, RouterLimits};
use crate::fault::Fault;
use crate::http_server::{self, Address, ServerLimits};
use crate::metrics::EndpointMetrics;
use crate::stop::Stop;

/// Each connection may hold a whole body.
pub(super) const LIMITS: ServerLimits =
    ServerLimits { name: "listen", connections: 512, head: Duration::from_secs(10), idle: Duration::from_secs(60) };

/// A request waits so long for space in the intake before it is answered 429.
pub const INTAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// The file beside the state file that holds the listener's address.
pub fn address_file(state: &Path) -> PathBuf {
    Address::file(state, LIMITS.name)
}

/// Serves `endpoints` until the stop. `unmatched` counts the requests to other paths.
pub async fn serve<R: Receiver>(
    listener: TcpListener,
    endpoints: Vec<Endpoint<R>>,
    unmatched: EndpointMetrics,
    stop: Stop,
) -> Result<(), Fault> {
    let router = Router::new(endpoints, unmatched, RouterLimits::default(), stop.clone());
    http_server::serve(listener, router.into_axum(), LIMITS, stop).await
}
