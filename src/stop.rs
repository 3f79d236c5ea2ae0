//! The signal to stop, handed to every task; never a global.

use tokio_util::sync::CancellationToken;

/// Cheap to clone. Once triggered it stays triggered.
#[derive(Debug, Clone, Default)]
pub struct Stop(CancellationToken);

impl Stop {
    pub fn new() -> Self {
        Self::default()
    }

    /// A stop that its parent triggers too, but that does not trigger its parent.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    pub fn trigger(&self) {
        self.0.cancel();
    }

    pub fn is_triggered(&self) -> bool {
        self.0.is_cancelled()
    }

    pub async fn wait(&self) {
        self.0.cancelled().await;
    }

    /// The result of `work`, or None if the stop comes first; `work` is dropped then.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.0.run_until_cancelled(work).await
    }
}
