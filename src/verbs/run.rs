//! `tidings run`: read, build, start, wait, drain.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tracing::{info, warn};

use super::args::Common;
use super::check;
use super::failure::{Exit, Failure};
use super::signals::Signals;
use crate::app::App;

/// What still runs in other threads after the drain (a name being looked up) gets so long.
const LAST: Duration = Duration::from_secs(1);

pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let end = runtime.block_on(live(common));
    runtime.shutdown_timeout(LAST);
    end
}

/// One thread does it all: the daemon waits far more than it computes, and one thread has no races.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let built = Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Failure::new(Exit::Internal, format!("the runtime cannot be started: {error}")))
}

async fn live(common: &Common) -> Result<Exit, Failure> {
    let mut signals = Signals::listen()?;
    let config = check::read(common)?;
    info!(config = %config.path.display(), "starting");
    let internal = |error: anyhow::Error| Failure::new(Exit::Internal, format!("{error:#}"));
    let app = App::build(config).map_err(internal)?;
    let mut running = app.start().await.map_err(internal)?;
    let signal = running.until(signals.next()).await.map_err(internal)?;
    info!(signal, "asked to stop; once more means at once");
    tokio::select! {
        () = running.drain() => {}
        signal = signals.next() => warn!(signal, "stopping at once; what is not delivered stays in the queue"),
    }
    Ok(Exit::Fine)
}
