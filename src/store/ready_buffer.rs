//! The short way from the writer to a lane: what was just committed, already parsed, without a read.
//!
//! A shelf is bounded. When it is full it is marked `behind`, nothing more is put on it, and its line
//! reads what follows from the file, page by page. How nothing slips between the two ways:
//!
//! - The writer puts deliveries on in commit order, after they are on disk.
//! - What waits on a shelf is always an unbroken continuation of what its line took; while `behind`,
//!   everything after that is in the file, above `reached`.
//! - To come back, a line with an empty shelf clears `behind` *before* its read. What was committed
//!   earlier is then seen by the read, what is committed later is put on the shelf, and what is in both is
//!   told by its id. If the page was full there may be more between it and the shelf: then the shelf
//!   is emptied (the file has it all) and `behind` stands again.
//! - A read that fails, or whose `take` is dropped half-way, puts `behind` and `reached` back as they were.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Store;
use super::words::{Delivery, DeliveryId, Outcome, StoreError};
use crate::event::Name;

/// How many deliveries may wait on one shelf, and how many bytes their bodies may have.
pub(super) const SHELF: usize = 1024;
pub(super) const SHELF_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct ReadyBuffer {
    pub(super) sink: Name,
    state: Mutex<State>,
    /// Held by the one line of this sink.
    news: Notify,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Delivery>,
    bytes: usize,
    behind: bool,
    /// The highest id that was put on the shelf or read from the file.
    reached: i64,
    /// Read from the file, but beyond reading: to be buried.
    broken: VecDeque<Broken>,
    closed: bool,
}

/// A stored delivery that can no longer be sent, and why.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    pub(super) id: DeliveryId,
    pub(super) attempts: u32,
    pub(super) why: String,
}

/// Some of what is pending, in order.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) found: Vec<Delivery>,
    pub(super) broken: Vec<Broken>,
    /// The id of the last row, whole or broken.
    pub(super) last: i64,
    /// There may be more.
    pub(super) full: bool,
}

enum Next<'s> {
    Here(Vec<Delivery>),
    OnDisk(Reading<'s>),
    Nothing,
    Closed,
}

/// A read of the file that has been begun; undone when dropped unfinished.
struct Reading<'s> {
    buffer: &'s ReadyBuffer,
    after: i64,
    finished: bool,
}

impl ReadyBuffer {
    /// Starts behind: what earlier runs left is in the file.
    pub(super) fn new(sink: Name) -> Arc<Self> {
        let state = State {
            waiting: VecDeque::new(),
            bytes: 0,
            behind: true,
            reached: 0,
            broken: VecDeque::new(),
            closed: false,
        };
        Arc::new(Self { sink, state: Mutex::new(state), news: Notify::new() })
    }

    /// The writer's side; all of one commit in one go.
    pub(super) fn put(&self, deliveries: impl Iterator<Item = Delivery>) {
        let mut state = self.state();
        for delivery in deliveries {
            if !state.behind {
                state.push(delivery);
            }
        }
        drop(state);
        self.news.notify_one();
    }

    /// Something was written for this sink that is only in the file.
    pub(super) fn fall_behind(&self) {
        self.state().behind = true;
        self.news.notify_one();
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.news.notify_one();
    }

    fn next(&self, max: usize) -> Next<'_> {
        let mut state = self.state();
        if state.closed {
            return Next::Closed;
        }
        if !state.waiting.is_empty() {
            let count = max.max(1).min(state.waiting.len());
            let taken: Vec<_> = state.waiting.drain(..count).collect();
            state.bytes -= taken.iter().map(weight).sum::<usize>();
            return Next::Here(taken);
        }
        if !mem::replace(&mut state.behind, false) {
            return Next::Nothing;
        }
        Next::OnDisk(Reading { buffer: self, after: state.reached, finished: false })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, delivery: Delivery) {
        // A commit can be read from the file a moment before it is handed over here.
        if delivery.id.0 <= self.reached {
            return;
        }
        let weight = weight(&delivery);
        // One always fits, however large.
        if !self.waiting.is_empty() && (self.waiting.len() >= SHELF || self.bytes + weight > SHELF_BYTES) {
            self.behind = true;
            return;
        }
        self.reached = delivery.id.0;
        self.bytes += weight;
        self.waiting.push_back(delivery);
    }

    fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
    }
}

impl Reading<'_> {
    fn finish(mut self, page: Page) {
        self.finished = true;
        let mut state = self.buffer.state();
        state.broken.extend(page.broken);
        if page.full {
            state.clear();
            state.behind = true;
            state.reached = page.last;
        } else {
            let later = mem::take(&mut state.waiting).into_iter().filter(|delivery| delivery.id.0 > page.last);
            state.waiting = later.collect();
            state.reached = state.reached.max(page.last);
        }
        for delivery in page.found.into_iter().rev() {
            state.waiting.push_front(delivery);
        }
        state.bytes = state.waiting.iter().map(weight).sum();
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if !self.finished {
            let mut state = self.buffer.state();
            state.clear();
            state.behind = true;
            state.reached = self.after;
        }
    }
}

fn weight(delivery: &Delivery) -> usize {
    delivery.event.data.text().len()
}

/// One sink's own ordered road out. Each pending delivery comes once, in the order of ids.
///
/// A second line for the same sink ends the first and begins anew with all that is pending; whoever
/// worked for the first must have stopped by then, or it sends some a second time.
pub struct DeliveryStream {
    store: Store,
    buffer: Arc<ReadyBuffer>,
    /// An earlier line's verdicts may still be on their way to disk.
    flush_first: bool,
}

impl DeliveryStream {
    pub(super) fn new(store: Store, buffer: Arc<ReadyBuffer>, flush_first: bool) -> Self {
        Self { store, buffer, flush_first }
    }

    pub fn sink(&self) -> &Name {
        &self.buffer.sink
    }

    /// Waits until there is at least one; gives at most `max`. After an error nothing is lost: ask again, later.
    /// [`StoreError::Closed`] is final. May be dropped at any time.
    pub async fn take(&mut self, max: usize) -> Result<Vec<Delivery>, StoreError> {
        if self.flush_first {
            self.store.flush().await?;
            self.flush_first = false;
        }
        loop {
            self.mark_broken_dead().await?;
            match self.buffer.next(max) {
                Next::Here(deliveries) => return Ok(deliveries),
                Next::OnDisk(reading) => {
                    let page = self.store.page(self.buffer.sink.clone(), reading.after).await?;
                    reading.finish(page);
                }
                Next::Nothing => self.buffer.news.notified().await,
                Next::Closed => return Err(StoreError::Closed),
            }
        }
    }

    async fn mark_broken_dead(&self) -> Result<(), StoreError> {
        loop {
            let Some(broken) = self.buffer.state().broken.front().cloned() else { return Ok(()) };
            let outcome = Outcome::Dead { attempts: broken.attempts, why: broken.why, reply: None };
            self.store.settle(broken.id, outcome).await?;
            self.buffer.state().broken.pop_front();
        }
    }
}

impl Drop for DeliveryStream {
    fn drop(&mut self) {
        self.store.forget(&self.buffer);
    }
}
