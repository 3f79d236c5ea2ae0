//! Deliveries that a source refused for good, until its health monitor reports them together.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

/// Deliveries that were refused and do not come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub from: Timestamp,
    pub to: Timestamp,
    pub count: u64,
    /// Why the last one was.
    pub why: String,
}

/// Shared by all clones of one outbox, and held by its health monitor.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<(Mutex<Option<Refused>>, Notify)>);

impl Refusals {
    pub(super) fn add(&self, why: String) {
        let now = Timestamp::now();
        let (refused, added) = &*self.0;
        let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
        let before = refused.take().map_or((now, 0), |before| (before.from, before.count));
        *refused = Some(Refused { from: before.0, to: now, count: before.1 + 1, why });
        added.notify_one();
    }

    /// All since the last call.
    pub fn take(&self) -> Option<Refused> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Resolves when there may be some. Cancel safe.
    pub async fn added(&self) {
        self.0.1.notified().await;
    }
}
