//! The desk: health, readiness, metrics and the operator's API. For the operators only; never to be exposed.
//!
//! It asks the house through [`House`] and knows neither its queue nor its relays.

mod asks;
mod guard;
mod refusal;
mod routes;
pub mod shapes;
mod silence_asks;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;

use crate::door::{self, Manners};
use crate::fault::Fault;
use crate::stop::Stop;

pub use crate::door::{Address, Refusal};
pub use asks::{DeadAsk, EventsAsk, ExplainAsk};
pub use silence_asks::{ExpireAsk, SilenceAsk, SilencesAsk};

/// Operators and a scraper need a few connections, and their verbs none that stand about.
const MANNERS: Manners =
    Manners { who: "desk", room: 64, head: Duration::from_secs(10), idle: Duration::from_secs(60) };

/// The file beside the state file that tells where the desk is.
pub fn address_file(state: &Path) -> PathBuf {
    Address::file(state, MANNERS.who)
}

/// What the desk asks of the house; `app` answers. The answers' form is in [`shapes`].
pub trait House: Send + Sync + 'static {
    /// Why not, if not: it is starting, draining, or cannot write.
    fn ready(&self) -> Result<(), String>;
    /// Prometheus' text format.
    fn metrics(&self) -> impl Future<Output = String> + Send;
    /// A [`shapes::Status`].
    fn status(&self) -> impl Future<Output = Value> + Send;
    /// A [`shapes::Events`], latest last; of more than `limit` the latest.
    fn events(&self, ask: EventsAsk) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// A [`shapes::Dead`], oldest first. Without any choice: all.
    fn dead(&self, ask: DeadAsk) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// A [`shapes::Moved`]. The desk lets no empty choice through.
    fn replay(&self, ask: DeadAsk) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// A [`shapes::Moved`]. The desk lets no empty choice through.
    fn drop_dead(&self, ask: DeadAsk) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// A [`shapes::Silences`], oldest first.
    fn silences(&self, ask: SilencesAsk) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// The [`shapes::SilenceShown`] that is in force now.
    fn add_silence(&self, ask: SilenceAsk) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// A [`shapes::Moved`].
    fn expire_silences(&self, ask: ExpireAsk) -> impl Future<Output = Result<Value, Refusal>> + Send;
    /// A [`shapes::Explained`].
    fn explain(&self, ask: ExplainAsk) -> impl Future<Output = Result<Value, Refusal>> + Send;
}

/// What the desk is made of; filled in by `app`.
pub struct Desk<H> {
    pub house: Arc<H>,
    /// Host names under which it may be called, besides `localhost` and literal addresses.
    pub hosts: Vec<String>,
}

/// Serves until the stop, and then lets what is under way finish, within a limit.
pub async fn serve<H: House>(listener: TcpListener, desk: Desk<H>, stop: Stop) -> Result<(), Fault> {
    door::serve(listener, routes::router(desk), MANNERS, stop).await
}
