//! Why the demo could not be run to its end.

use std::io;
use std::time::Duration;

use super::daemon::DaemonError;

/// Longer than any step takes, even on a busy machine.
pub(super) const STEP_LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug, thiserror::Error)]
pub(super) enum DemoError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    #[error("waited {STEP_LIMIT:?} until {condition}, which did not happen; the end of the daemon's log:\n{log}")]
    TimedOut { condition: String, log: String },
    #[error("interrupted")]
    Interrupted,
}
