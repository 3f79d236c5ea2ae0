//! The admin API: health, readiness, metrics and the operator's requests. For operators only: never expose it.
//!
//! It calls the daemon through [`AdminBackend`] and knows neither its store nor its relays.

mod backend;
mod guard;
mod routes;
pub mod types;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::fault::Fault;
use crate::http_server::{self, ServerLimits};
use crate::stop::Stop;

pub use crate::http_server::{Address, HttpError};
pub use backend::AdminBackend;

/// Operators and a scraper need few connections, and none that stay idle for long.
const LIMITS: ServerLimits =
    ServerLimits { name: "admin", connections: 64, head: Duration::from_secs(10), idle: Duration::from_secs(60) };

/// The file beside the state file that contains the admin API's address.
pub fn address_file(state: &Path) -> PathBuf {
    Address::file(state, LIMITS.name)
}

/// Serves until the stop, then finishes running requests within a time limit.
pub async fn serve<B: AdminBackend>(listener: TcpListener, backend: Arc<B>, stop: Stop) -> Result<(), Fault> {
    http_server::serve(listener, routes::router(backend), LIMITS, stop).await
}
