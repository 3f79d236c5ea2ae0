//! How many connections there are, how long each may take, and which one is closed when there are too many.
//!
//! A new connection is never refused while another has an incomplete request: the one whose request (or connection)
//! is the oldest without being complete is closed for it. So connections that send nothing, or send slowly, cannot
//! keep others out. A connection whose request is being processed is never closed for another.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// Bytes of request bodies in memory, over all connections of one server.
const MAX_BODY_BYTES: usize = 128 << 20;
/// While a stop waits for the heads of requests.
const HEADS_CHECKED_EVERY: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// The server's name, for the log and the address file.
    pub name: &'static str,
    pub connections: usize,
    /// From the first byte of a request (or the connection's beginning) to the end of its headers.
    pub head: Duration,
    /// Between requests.
    pub idle: Duration,
}

#[derive(Debug)]
pub(super) struct ConnectionLimiter {
    limits: ServerLimits,
    connections: Mutex<HashMap<u64, Arc<Connection>>>,
    next_id: AtomicU64,
    body_bytes: AtomicUsize,
    /// Notified when a connection has ended, or can be evicted.
    freed: Notify,
}

/// A connection's place in the limiter. Held by its stream, which releases it, and by its requests.
#[derive(Debug, Clone)]
pub struct Slot {
    limiter: Arc<ConnectionLimiter>,
    connection: Arc<Connection>,
}

#[derive(Debug)]
struct Connection {
    id: u64,
    progress: Mutex<Progress>,
    /// Of the connection's task.
    waker: AtomicWaker,
}

#[derive(Debug, Clone, Copy)]
struct Progress {
    phase: Phase,
    /// When the connection, or its current request, began.
    since: Instant,
    deadline: Option<Instant>,
    /// Of the current request's body, in memory.
    body_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between requests.
    Idle,
    Head,
    Body,
    Processing,
    Evicted,
}

impl ConnectionLimiter {
    pub(super) fn new(limits: ServerLimits) -> Arc<Self> {
        let (connections, next_id, body_bytes, freed) = Default::default();
        Arc::new(Self { limits, connections, next_id, body_bytes, freed })
    }

    /// Resolves at once unless the requests of all connections are being processed.
    pub(super) async fn admit(self: &Arc<Self>) -> Slot {
        loop {
            let freed = self.freed.notified();
            if let Some(slot) = self.try_admit() {
                return slot;
            }
            freed.await;
        }
    }

    /// Until no connection waits for a request's head, be it its first or one that has begun.
    pub(super) async fn heads_received(&self) {
        loop {
            // First of all, so that what has arrived by now is read.
            sleep(HEADS_CHECKED_EVERY).await;
            let waits = |connection: &Arc<Connection>| lock(&connection.progress).phase == Phase::Head;
            if !lock(&self.connections).values().any(waits) {
                return;
            }
        }
    }

    fn try_admit(self: &Arc<Self>) -> Option<Slot> {
        let mut connections = lock(&self.connections);
        if connections.len() >= self.limits.connections {
            let evicted = self.evict_oldest(&connections, |phase| phase != Phase::Processing)?;
            connections.remove(&evicted);
        }
        let now = Instant::now();
        let progress =
            Progress { phase: Phase::Head, since: now, deadline: Some(now + self.limits.head), body_bytes: 0 };
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection { id, progress: Mutex::new(progress), waker: AtomicWaker::new() });
        connections.insert(id, Arc::clone(&connection));
        Some(Slot { limiter: Arc::clone(self), connection })
    }

    /// Evicts the connection that began its request first, frees its bytes and gives its id.
    fn evict_oldest(
        &self,
        connections: &HashMap<u64, Arc<Connection>>,
        evictable: impl Fn(Phase) -> bool,
    ) -> Option<u64> {
        let evictable = |progress: &Progress| progress.phase != Phase::Evicted && evictable(progress.phase);
        loop {
            let all = connections.values().map(|connection| (*lock(&connection.progress), connection));
            let (_, oldest) =
                all.filter(|(progress, _)| evictable(progress)).min_by_key(|(progress, _)| progress.since)?;
            let mut progress = lock(&oldest.progress);
            // Its request may have been completed meanwhile.
            if evictable(&progress) {
                progress.phase = Phase::Evicted;
                self.body_bytes.fetch_sub(std::mem::take(&mut progress.body_bytes), Ordering::Relaxed);
                oldest.waker.wake();
                return Some(oldest.id);
            }
        }
    }
}

impl Slot {
    /// Until when the connection may go on reading. `waker` is woken when the deadline comes nearer, or at eviction.
    pub(super) fn read_deadline(&self, waker: &Waker) -> Result<Option<Instant>, Evicted> {
        self.connection.waker.register(waker);
        let progress = lock(&self.connection.progress);
        if progress.phase == Phase::Evicted { Err(Evicted) } else { Ok(progress.deadline) }
    }

    pub(super) fn bytes_received(&self) {
        let mut progress = lock(&self.connection.progress);
        if progress.phase == Phase::Idle {
            progress.phase = Phase::Head;
            progress.since = Instant::now();
            progress.deadline = Some(Instant::now() + self.limiter.limits.head);
        }
    }

    /// A request's head is complete: from here its handler limits the time. The request ends when the result is
    /// dropped.
    pub(super) fn begin_request(&self) -> ActiveRequest {
        self.set_phase(Phase::Processing, None);
        ActiveRequest(self.clone())
    }

    /// The connection has ended.
    pub(super) fn release(&self) {
        lock(&self.limiter.connections).remove(&self.connection.id);
        self.limiter.freed.notify_one();
    }

    /// The handler waits for the request's body: the connection can be evicted again.
    pub fn begin_body(&self) {
        self.set_phase(Phase::Body, None);
        self.limiter.freed.notify_one();
    }

    /// Counts so many more bytes of the body in memory.
    pub fn add_body_bytes(&self, bytes: usize) -> Result<(), Evicted> {
        let Self { limiter, connection } = self;
        {
            let mut progress = lock(&connection.progress);
            if progress.phase == Phase::Evicted {
                return Err(Evicted);
            }
            progress.body_bytes += bytes;
            limiter.body_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        while limiter.body_bytes.load(Ordering::Relaxed) > MAX_BODY_BYTES {
            let evicted = limiter.evict_oldest(&lock(&limiter.connections), |phase| phase == Phase::Body);
            if evicted.is_none_or(|evicted| evicted == connection.id) {
                return Err(Evicted);
            }
        }
        Ok(())
    }

    /// The body is complete. Err: the connection was evicted before, so the request must not be processed.
    pub fn end_body(&self) -> Result<(), Evicted> {
        if self.set_phase(Phase::Processing, None) { Ok(()) } else { Err(Evicted) }
    }

    /// False if the connection was evicted.
    fn set_phase(&self, phase: Phase, deadline: Option<Instant>) -> bool {
        let mut progress = lock(&self.connection.progress);
        if progress.phase == Phase::Evicted {
            return false;
        }
        if phase == Phase::Idle {
            progress.since = Instant::now();
        }
        (progress.phase, progress.deadline) = (phase, deadline);
        true
    }
}

/// The connection was closed to make room for others.
#[derive(Debug, PartialEq, Eq)]
pub struct Evicted;

/// One request, from the end of its head to its answer.
#[derive(Debug)]
pub(super) struct ActiveRequest(Slot);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        let Slot { limiter, connection } = &self.0;
        let bytes = std::mem::take(&mut lock(&connection.progress).body_bytes);
        limiter.body_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.0.set_phase(Phase::Idle, Some(Instant::now() + limiter.limits.idle));
        // A read may be pending since a time without deadline.
        connection.waker.wake();
        limiter.freed.notify_one();
    }
}

/// A panic elsewhere leaves the data whole: each change is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const LIMITS: ServerLimits =
        ServerLimits { name: "test", connections: 3, head: Duration::from_secs(10), idle: Duration::from_secs(60) };

    fn admit(limiter: &Arc<ConnectionLimiter>) -> Option<Slot> {
        limiter.admit().now_or_never()
    }

    fn is_evicted(slot: &Slot) -> bool {
        slot.read_deadline(Waker::noop()).is_err()
    }

    async fn a_moment() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_incomplete_request_is_evicted_and_none_in_progress() {
        let limiter = ConnectionLimiter::new(LIMITS);
        let first = admit(&limiter).expect("a slot");
        a_moment().await;
        let second = admit(&limiter).expect("a slot");
        a_moment().await;
        let third = admit(&limiter).expect("a slot");
        let processing = first.begin_request();
        a_moment().await;
        let fourth = admit(&limiter).expect("a slot after an eviction");
        assert_eq!([&first, &second, &third, &fourth].map(is_evicted), [false, true, false, false]);
        second.release();
        let more = [third.begin_request(), fourth.begin_request()];
        assert!(admit(&limiter).is_none(), "all requests are being processed");
        drop(processing);
        assert!(admit(&limiter).is_some() && is_evicted(&first), "an idle connection is evicted");
        drop(more);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_evicted_during_its_body_is_not_processed() {
        let limiter = ConnectionLimiter::new(ServerLimits { connections: 1, ..LIMITS });
        let first = admit(&limiter).expect("a slot");
        let request = first.begin_request();
        first.begin_body();
        let _second = admit(&limiter).expect("a slot after an eviction");
        assert_eq!((first.end_body(), first.add_body_bytes(1)), (Err(Evicted), Err(Evicted)));
        drop(request);
        assert!(is_evicted(&first), "an answer does not undo the eviction");
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_never_fill_the_memory() {
        let limiter = ConnectionLimiter::new(LIMITS);
        let first = admit(&limiter).expect("a slot");
        a_moment().await;
        let (second, third) = (admit(&limiter).expect("a slot"), admit(&limiter).expect("a slot"));
        let slots = [first, second, third];
        let requests = slots.each_ref().map(Slot::begin_request);
        slots.iter().for_each(Slot::begin_body);
        let [first, second, third] = &slots;
        let half = MAX_BODY_BYTES / 2;
        assert_eq!([first.add_body_bytes(half), second.add_body_bytes(half)], [Ok(()), Ok(())]);
        assert_eq!(third.add_body_bytes(half / 2), Ok(()), "the first one is evicted");
        assert_eq!(slots.each_ref().map(is_evicted), [true, false, false]);
        assert!(limiter.body_bytes.load(Ordering::Relaxed) <= MAX_BODY_BYTES);
        assert_eq!([first.end_body(), second.end_body(), third.end_body()], [Err(Evicted), Ok(()), Ok(())]);
        drop(requests);
        assert_eq!(limiter.body_bytes.load(Ordering::Relaxed), 0);
    }
}
