//! What a stand-in has seen, in order. One waits for what it holds, not for a change of it, so nothing is missed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Grows only. `next` walks through it; `unread` is what the walk has not come to.
#[derive(Debug)]
pub struct Log<T> {
    entries: watch::Sender<Vec<T>>,
    read: AtomicUsize,
    what: &'static str,
}

/// Waited in vain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("waited {limit:?} for {wanted} {what}, and there are {had}")]
pub struct Late {
    pub what: &'static str,
    pub wanted: usize,
    pub had: usize,
    pub limit: Duration,
}

impl<T: Clone> Log<T> {
    /// `what` names the entries in the plural, for those who waited in vain.
    pub fn new(what: &'static str) -> Self {
        Self { entries: watch::Sender::new(Vec::new()), read: AtomicUsize::new(0), what }
    }

    pub fn push(&self, entry: T) {
        self.entries.send_modify(|entries| entries.push(entry));
    }

    pub fn all(&self) -> Vec<T> {
        self.entries.borrow().clone()
    }

    /// The entries from number `first` (from 0) on.
    pub fn since(&self, first: usize) -> Vec<T> {
        self.entries.borrow().get(first..).unwrap_or_default().to_vec()
    }

    /// The first entry that `is` says yes to. Unlike a search through [`Self::all`] it copies only that one.
    pub fn first(&self, mut is: impl FnMut(&T) -> bool) -> Option<T> {
        self.entries.borrow().iter().find(|entry| is(entry)).cloned()
    }

    pub fn last(&self, mut is: impl FnMut(&T) -> bool) -> Option<T> {
        self.entries.borrow().iter().rev().find(|entry| is(entry)).cloned()
    }

    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All there is, as soon as there are `wanted`.
    pub async fn wait_for(&self, wanted: usize, limit: Duration) -> Result<Vec<T>, Late> {
        self.reach(wanted, limit).await?;
        Ok(self.all())
    }

    /// The first entry that `next` has not given yet.
    pub async fn next(&self, limit: Duration) -> Result<T, Late> {
        let place = self.read.fetch_add(1, Ordering::SeqCst);
        let entry = match self.reach(place + 1, limit).await {
            Ok(()) => self.entries.borrow().get(place).cloned(),
            Err(late) => {
                self.read.fetch_sub(1, Ordering::SeqCst);
                return Err(late);
            }
        };
        entry.ok_or(Late { what: self.what, wanted: place + 1, had: place, limit })
    }

    /// What `next` has not given yet: at the end of a story it should be nothing.
    pub fn unread(&self) -> Vec<T> {
        self.since(self.read.load(Ordering::SeqCst))
    }

    /// For those who wait for several logs at once.
    pub fn watch(&self) -> watch::Receiver<Vec<T>> {
        self.entries.subscribe()
    }

    async fn reach(&self, wanted: usize, limit: Duration) -> Result<(), Late> {
        let mut entries = self.entries.subscribe();
        let reached = timeout(limit, entries.wait_for(|entries| entries.len() >= wanted)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Late { what: self.what, wanted, had: self.len(), limit }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_waits_for_entries_and_is_told_what_is_missing() {
        let log = Log::new("posts");
        let limit = Duration::from_secs(5);
        let (late, ()) = tokio::join!(log.wait_for(2, limit), async {
            log.push("a");
        });
        assert_eq!(late.unwrap_err().to_string(), "waited 5s for 2 posts, and there are 1");

        let (both, ()) = tokio::join!(log.wait_for(2, limit), async {
            log.push("b");
        });
        assert_eq!(both.unwrap(), ["a", "b"]);
        assert_eq!(log.next(limit).await.unwrap(), "a");
        assert_eq!(log.unread(), ["b"]);
        assert_eq!(log.next(limit).await.unwrap(), "b");
        assert!(log.next(limit).await.is_err());
        assert!(log.unread().is_empty());
    }
}
