//! What a stand-in has received, in order. Waiting is for entries that exist, not for changes, so nothing is missed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Only grows. `next` returns one entry after the other; `unread` returns those that it has not returned.
#[derive(Debug)]
pub struct Log<T> {
    entries: watch::Sender<Vec<T>>,
    read: AtomicUsize,
    what: &'static str,
}

/// The entries did not come in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("waited {limit:?} for {wanted} {what}, and there are {had}")]
pub struct WaitTimeout {
    what: &'static str,
    wanted: usize,
    had: usize,
    limit: Duration,
}

impl<T: Clone> Log<T> {
    /// `what` names the entries in the plural, for errors.
    pub fn new(what: &'static str) -> Self {
        Self { entries: watch::Sender::new(Vec::new()), read: AtomicUsize::new(0), what }
    }

    pub fn push(&self, entry: T) {
        self.entries.send_modify(|entries| entries.push(entry));
    }

    pub fn all(&self) -> Vec<T> {
        self.entries().clone()
    }

    /// For a look without a copy. Nothing can be pushed until it is dropped.
    pub fn entries(&self) -> watch::Ref<'_, Vec<T>> {
        self.entries.borrow()
    }

    /// All entries, as soon as there are `wanted`.
    pub async fn wait_for(&self, wanted: usize, limit: Duration) -> Result<Vec<T>, WaitTimeout> {
        self.reach(wanted, limit).await?;
        Ok(self.all())
    }

    /// The first entry that `next` has not returned yet.
    pub async fn next(&self, limit: Duration) -> Result<T, WaitTimeout> {
        let place = self.read.fetch_add(1, Ordering::SeqCst);
        let entry = match self.reach(place + 1, limit).await {
            Ok(()) => self.entries().get(place).cloned(),
            Err(timeout) => {
                self.read.fetch_sub(1, Ordering::SeqCst);
                return Err(timeout);
            }
        };
        entry.ok_or(WaitTimeout { what: self.what, wanted: place + 1, had: place, limit })
    }

    /// What `next` has not returned yet: at the end of a test it should be nothing.
    pub fn unread(&self) -> Vec<T> {
        self.entries().get(self.read.load(Ordering::SeqCst)..).unwrap_or_default().to_vec()
    }

    /// Returns what is unread, as `next` would one by one.
    pub fn read_all(&self) -> Vec<T> {
        let entries = self.entries();
        let first = self.read.swap(entries.len(), Ordering::SeqCst);
        entries.get(first..).unwrap_or_default().to_vec()
    }

    /// For waiting for several logs at once.
    pub fn watch(&self) -> watch::Receiver<Vec<T>> {
        self.entries.subscribe()
    }

    async fn reach(&self, wanted: usize, limit: Duration) -> Result<(), WaitTimeout> {
        reach(&self.entries, Vec::len, (wanted, self.what), limit).await
    }
}

/// Waits until `count` of the value is at least `wanted`.
pub(super) async fn reach<T>(
    value: &watch::Sender<T>,
    count: impl Fn(&T) -> usize,
    (wanted, what): (usize, &'static str),
    limit: Duration,
) -> Result<(), WaitTimeout> {
    let mut watching = value.subscribe();
    match timeout(limit, watching.wait_for(|value| count(value) >= wanted)).await {
        Ok(Ok(_)) => Ok(()),
        _ => Err(WaitTimeout { what, wanted, had: count(&value.borrow()), limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_returns_the_entries_or_an_error_with_what_is_missing() {
        let log = Log::new("posts");
        let limit = Duration::from_secs(5);
        let (timed_out, ()) = tokio::join!(log.wait_for(2, limit), async {
            log.push("a");
        });
        assert_eq!(timed_out.unwrap_err().to_string(), "waited 5s for 2 posts, and there are 1");

        let (both, ()) = tokio::join!(log.wait_for(2, limit), async {
            log.push("b");
        });
        assert_eq!(both.unwrap(), ["a", "b"]);
        assert_eq!(log.next(limit).await.unwrap(), "a");
        assert_eq!(log.unread(), ["b"]);
        assert_eq!(log.next(limit).await.unwrap(), "b");
        assert!(log.next(limit).await.is_err());
        assert!(log.unread().is_empty());
        log.push("c");
        assert_eq!((log.read_all(), log.read_all()), (vec!["c"], vec![]));
    }
}
