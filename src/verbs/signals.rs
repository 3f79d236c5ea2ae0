//! The words that the system has for stopping.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::{Exit, Failure};

/// SIGTERM and SIGINT. The first is to drain; a second one means now.
pub(super) struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    /// From here on these signals do not end the process any more: they are to be waited for.
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::new(Exit::Internal, format!("signals cannot be heard: {error}")))
        };
        Ok(Self { term: listen(SignalKind::terminate())?, int: listen(SignalKind::interrupt())? })
    }

    /// The next one's name. Cancel safe.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            Some(()) = self.term.recv() => "SIGTERM",
            Some(()) = self.int.recv() => "SIGINT",
            // Cannot be: a process is never out of signals.
            else => std::future::pending().await,
        }
    }
}
