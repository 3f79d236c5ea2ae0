//! The door: where others bring us something. May face the internet, behind TLS.
//!
//! It knows paths, limits and patience; what is brought, and whether it is genuine, is its receiver's business.

mod address;
mod hook;
mod knock;
mod patient;
mod porter;
mod refusal;
mod room;
mod serve;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::fault::Fault;
use crate::metrics::DoorMetrics;
use crate::stop::Stop;
use porter::{Limits, Porter};

pub use address::Address;
pub use hook::Hook;
pub use knock::{Answer, Knock, Welcome};
pub use porter::{Place, Receiver};
pub use refusal::Refusal;
pub use room::Manners;
pub use serve::serve;

/// Registries and a reverse proxy keep some connections; a crowd takes the rest.
const MANNERS: Manners =
    Manners { who: "door", room: 512, head: Duration::from_secs(10), idle: Duration::from_secs(60) };

/// How long a sender waits for room in the intake, before it is told to come again.
pub const INTAKE_PATIENCE: Duration = Duration::from_secs(2);

/// The file beside the state file that tells where the door is.
pub fn address_file(state: &Path) -> PathBuf {
    Address::file(state, MANNERS.who)
}

/// Lets in what is brought to `places`, until the stop. `strangers` counts who finds none.
pub async fn open<R: Receiver>(
    listener: TcpListener,
    places: Vec<Place<R>>,
    strangers: DoorMetrics,
    stop: Stop,
) -> Result<(), Fault> {
    let porter = Porter::new(places, strangers, Limits::default(), stop.clone());
    serve(listener, porter.router(), MANNERS, stop).await
}
