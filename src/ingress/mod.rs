//! The listener: where others bring us something. May face the internet, behind TLS.
//!
//! It knows paths, limits and patience; what is brought, and whether it is genuine, is its receiver's business.

mod hook;
mod request;
mod router;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::fault::Fault;
use crate::http_server::{Address, ServerLimits, serve};
use crate::metrics::EndpointMetrics;
use crate::stop::Stop;
use router::{Limits, Router};

pub use hook::Hook;
pub use request::{Accepted, Answer, HookRequest};
pub use router::{Endpoint, Receiver};

/// Registries and a reverse proxy keep some connections; a crowd takes the rest.
const LIMITS: ServerLimits =
    ServerLimits { who: "listen", room: 512, head: Duration::from_secs(10), idle: Duration::from_secs(60) };

/// How long a sender waits for room in the intake, before it is told to come again.
pub const INTAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// The file beside the state file that tells where the listener is.
pub fn address_file(state: &Path) -> PathBuf {
    Address::file(state, LIMITS.who)
}

/// Lets in what is brought to `places`, until the stop. `unmatched` counts who finds none.
pub async fn open<R: Receiver>(
    listener: TcpListener,
    places: Vec<Endpoint<R>>,
    unmatched: EndpointMetrics,
    stop: Stop,
) -> Result<(), Fault> {
    let router = Router::new(places, unmatched, Limits::default(), stop.clone());
    serve(listener, router.router(), LIMITS, stop).await
}
