//! Why reading in a session ended.

use crate::fault::Fault;
use crate::vsphere::ApiError;

#[derive(Debug)]
pub(crate) enum SessionEnd {
    Stopped,
    /// The tail has to be opened again, in the same session.
    RestartTail,
    Failed(ApiError),
    /// vCenter answers, but the canary event did not return.
    CanaryMissed(Fault),
}

pub(crate) type ReadResult<T> = Result<T, SessionEnd>;

impl SessionEnd {
    /// Whether objects that were made in the session can still be destroyed, and have to be.
    pub(crate) fn leaves_objects(&self) -> bool {
        !matches!(self, Self::Stopped | Self::Failed(ApiError::SessionLost | ApiError::Transport(_)))
    }
}
