//! The desk: health, readiness, metrics and the operator's API. For the operators only; never to be exposed.
//!
//! It asks the house through [`House`] and knows neither its queue nor its relays.

mod address;
mod asks;
mod guard;
mod patience;
mod refusal;
mod routes;
pub mod shapes;
mod silence_asks;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tracing::warn;

use crate::fault::Fault;
use crate::stop::Stop;

pub use address::{Address, address_file};
pub use asks::{DeadAsk, EventsAsk, ExplainAsk};
pub use refusal::Refusal;
pub use silence_asks::{ExpireAsk, SilenceAsk, SilencesAsk};

/// Requests under way when the stop comes may take so long; idle connections are closed at once.
const GRACE: Duration = Duration::from_secs(3);

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
    let heard = stop.clone();
    let serving = axum::serve(patience::Door::new(listener), routes::router(desk))
        .with_graceful_shutdown(async move { heard.wait().await });
    let too_late = async {
        stop.wait().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        end = serving.into_future() => end.map_err(|error| Fault::new("listen", format!("the desk: {error}"))),
        () = too_late => {
            warn!(limit = ?GRACE, "the desk broke off requests that did not end in time");
            Ok(())
        }
    }
}
