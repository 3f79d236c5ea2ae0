//! The admin API: health, readiness, metrics and the operator's API. For the operators only; never to be exposed.
//!
//! It asks the house through [`AdminBackend`] and knows neither its queue nor its relays.

mod guard;
mod requests;
mod routes;
mod silence_requests;
pub mod types;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;

use crate::fault::Fault;
use crate::http_server::{self, ServerLimits};
use crate::stop::Stop;

pub use crate::http_server::{Address, HttpError};
pub use requests::{DeadRequest, EventsRequest, ExplainRequest};
pub use silence_requests::{ExpireRequest, SilenceRequest, SilencesRequest};

/// Operators and a scraper need a few connections, and their verbs none that stand about.
const LIMITS: ServerLimits =
    ServerLimits { name: "admin", connections: 64, head: Duration::from_secs(10), idle: Duration::from_secs(60) };

/// The file beside the state file that tells where the admin API is.
pub fn address_file(state: &Path) -> PathBuf {
    Address::file(state, LIMITS.name)
}

/// What the admin API asks of the house; `app` answers. The answers' form is in [`types`].
pub trait AdminBackend: Send + Sync + 'static {
    /// Why not, if not: it is starting, draining, or cannot write.
    fn ready(&self) -> Result<(), String>;
    /// Prometheus' text format.
    fn metrics(&self) -> impl Future<Output = String> + Send;
    /// A [`types::Status`].
    fn status(&self) -> impl Future<Output = Value> + Send;
    /// A [`types::Events`], latest last; of more than `limit` the latest.
    fn events(&self, ask: EventsRequest) -> impl Future<Output = Result<Value, HttpError>> + Send;
    /// A [`types::Dead`], oldest first. Without any choice: all.
    fn dead(&self, ask: DeadRequest) -> impl Future<Output = Result<Value, HttpError>> + Send;
    /// A [`types::Moved`]. The admin API lets no empty choice through.
    fn replay(&self, ask: DeadRequest) -> impl Future<Output = Result<Value, HttpError>> + Send;
    /// A [`types::Moved`]. The admin API lets no empty choice through.
    fn drop_dead(&self, ask: DeadRequest) -> impl Future<Output = Result<Value, HttpError>> + Send;
    /// A [`types::Silences`], oldest first.
    fn silences(&self, ask: SilencesRequest) -> impl Future<Output = Result<Value, HttpError>> + Send;
    /// The [`types::SilenceShown`] that is in force now.
    fn add_silence(&self, ask: SilenceRequest) -> impl Future<Output = Result<Value, HttpError>> + Send;
    /// A [`types::Moved`].
    fn expire_silences(&self, ask: ExpireRequest) -> impl Future<Output = Result<Value, HttpError>> + Send;
    /// A [`types::Explained`].
    fn explain(&self, ask: ExplainRequest) -> impl Future<Output = Result<Value, HttpError>> + Send;
}

/// What the admin API is made of; filled in by `app`.
pub struct AdminServer<H> {
    pub backend: Arc<H>,
    /// Host names under which it may be called, besides `localhost` and literal addresses.
    pub hosts: Vec<String>,
}

/// Serves until the stop, and then lets what is under way finish, within a limit.
pub async fn serve<H: AdminBackend>(listener: TcpListener, server: AdminServer<H>, stop: Stop) -> Result<(), Fault> {
    http_server::serve(listener, routes::router(server), LIMITS, stop).await
}
