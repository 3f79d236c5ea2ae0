//! `tidings run`: load, build, start, wait, drain; after a reload, the same again.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tracing::{info, warn};

use super::common::Common;
use super::config_file;
use super::failure::{Exit, Failure};
use super::signals::{Request, Signals};
use crate::app::{App, ListenSocket, Running};
use crate::config::Config;

/// The limit for what still runs in other threads after the drain, like a DNS lookup.
const THREADS_LIMIT: Duration = Duration::from_secs(1);

pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let end = runtime.block_on(run_until_stop(common));
    runtime.shutdown_timeout(THREADS_LIMIT);
    end
}

/// A single thread: the daemon waits far more than it computes, and one thread has no races.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    let built = Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Failure::new(Exit::Internal, format!("the runtime cannot be started: {error}")))
}

async fn run_until_stop(common: &Common) -> Result<Exit, Failure> {
    let mut signals = Signals::listen()?;
    let mut config = config_file::load(common)?;
    let mut listen_socket = ListenSocket::default();
    loop {
        info!(config = %config.path.display(), "starting");
        let app = App::build(config)?;
        let mut running = app.start(&mut listen_socket).await?;
        let next = stop_or_reload(&mut running, &mut signals, common).await?;
        if next.is_none() {
            listen_socket.clear();
        }
        tokio::select! {
            () = running.drain() => {}
            Request::Stop(signal) = signals.next() => {
                warn!(signal, "stopping at once; undelivered messages are kept");
                return Ok(Exit::Success);
            }
        }
        match next {
            Some(changed) => config = changed,
            None => return Ok(Exit::Success),
        }
    }
}

/// Waits for a stop (None) or for a changed and valid relays.toml. An invalid one changes nothing.
async fn stop_or_reload(
    running: &mut Running,
    signals: &mut Signals,
    common: &Common,
) -> Result<Option<Config>, Failure> {
    loop {
        match running.until(signals.next()).await? {
            Request::Stop(signal) => {
                info!(signal, "shutting down; send the signal again to stop at once");
                running.announce_end();
                return Ok(None);
            }
            Request::Reload => match config_file::load(common) {
                Ok(config) => {
                    info!("relays.toml is valid, restarting with it");
                    return Ok(Some(config));
                }
                Err(failure) => running.reject_config(&failure.message).await,
            },
        }
    }
}
