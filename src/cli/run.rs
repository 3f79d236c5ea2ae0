//! `tidings run`: read, build, start, wait, drain. And, when told to reload, once more from the start.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tracing::{info, warn};

use super::args::Common;
use super::check;
use super::failure::{Exit, Failure};
use super::signals::{Signals, Word};
use crate::app::{App, ListenSocket, Running};
use crate::config::Config;

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
    let mut config = check::read(common)?;
    let mut listen_socket = ListenSocket::default();
    loop {
        info!(config = %config.path.display(), "starting");
        let app = App::build(config).map_err(|error| Failure::internal(&error))?;
        let mut running = app.start(&mut listen_socket).await.map_err(|error| Failure::internal(&error))?;
        let next = one_life(&mut running, &mut signals, common).await?;
        if next.is_none() {
            listen_socket.clear();
        }
        tokio::select! {
            () = running.drain() => {}
            Word::Stop(signal) = signals.next() => {
                warn!(signal, "stopping at once; what is not delivered stays in the queue");
                return Ok(Exit::Fine);
            }
        }
        match next {
            Some(changed) => config = changed,
            None => return Ok(Exit::Fine),
        }
    }
}

/// Until a stop (None) or a changed relays.toml that is in order. One that is not changes nothing.
async fn one_life(running: &mut Running, signals: &mut Signals, common: &Common) -> Result<Option<Config>, Failure> {
    loop {
        match running.until(signals.next()).await.map_err(|error| Failure::internal(&error))? {
            Word::Stop(signal) => {
                info!(signal, "asked to stop; once more means at once");
                running.announce_end();
                return Ok(None);
            }
            Word::Reload => match check::read(common) {
                Ok(config) => {
                    info!("relays.toml is in order: starting anew with it");
                    return Ok(Some(config));
                }
                Err(failure) => running.rejected(&failure.said).await,
            },
        }
    }
}
