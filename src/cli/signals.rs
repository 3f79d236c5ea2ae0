//! The signals that stop the daemon or reload relays.toml.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::{Exit, Failure};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// SIGTERM or SIGINT. The first starts the drain, the second ends it.
    Stop(&'static str),
    /// SIGHUP: read relays.toml again.
    Reload,
}

pub(super) struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    /// From here on these signals no longer end the process.
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::new(Exit::Internal, format!("signals cannot be received: {error}")))
        };
        let (term, int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        Ok(Self { term, int, hup: listen(SignalKind::hangup())? })
    }

    /// Cancel safe.
    pub(super) async fn next(&mut self) -> Request {
        tokio::select! {
            Some(()) = self.term.recv() => Request::Stop("SIGTERM"),
            Some(()) = self.int.recv() => Request::Stop("SIGINT"),
            Some(()) = self.hup.recv() => Request::Reload,
            // Unreachable: signal streams do not end.
            else => std::future::pending().await,
        }
    }
}
