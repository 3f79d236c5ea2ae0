//! How long vCenter may take for an answer.

use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    pub(super) call: Duration,
    /// For reading its event table, which may be large and on a busy disk.
    pub(super) history: Duration,
    /// In addition to the wait that a call asks for.
    pub(super) slack: Duration,
    /// For the whole log-out.
    pub(super) logout: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(30),
            history: Duration::from_secs(120),
            slack: Duration::from_secs(30),
            logout: Duration::from_secs(2),
        }
    }
}
