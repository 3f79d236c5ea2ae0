//! The words that the system has for us.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::{Exit, Failure};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// SIGTERM or SIGINT. The first is to drain; a second one means now.
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
    /// From here on these signals do not end the process any more: they are to be waited for.
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::new(Exit::Internal, format!("signals cannot be heard: {error}")))
        };
        let (term, int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        Ok(Self { term, int, hup: listen(SignalKind::hangup())? })
    }

    /// The next one. Cancel safe.
    pub(super) async fn next(&mut self) -> Word {
        tokio::select! {
            Some(()) = self.term.recv() => Word::Stop("SIGTERM"),
            Some(()) = self.int.recv() => Word::Stop("SIGINT"),
            Some(()) = self.hup.recv() => Word::Reload,
            // Cannot be: a process is never out of signals.
            else => std::future::pending().await,
        }
    }
}
