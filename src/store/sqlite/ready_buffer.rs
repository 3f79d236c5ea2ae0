//! New deliveries on their way from the writer to a lane: in memory and parsed already, without a read.
//!
//! A buffer is bounded. When it is full it is `behind`: nothing more is added, and its stream reads what follows from
//! the file, page by page. How none is lost or doubled between the two:
//!
//! - The writer adds deliveries in commit order, after they are on disk.
//! - The buffer is always an unbroken continuation of what its stream took; while `behind`, everything after that is in
//!   the file, above `reached`.
//! - To catch up, a stream with an empty buffer clears `behind` *before* it reads. What was committed earlier is in the
//!   read, what is committed later is added to the buffer, and what is in both is recognized by its id. If the page was
//!   full there may be more between it and the buffer: then the buffer is cleared (the file has it all) and is
//!   `behind` again.
//! - A read that fails, or is dropped half-way, restores `behind` and `reached`.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::event::Name;
use crate::store::types::{Delivery, DeliveryId};

/// How many deliveries one buffer holds, and how many bytes of bodies.
const CAPACITY: usize = 1024;
pub(super) const CAPACITY_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct ReadyBuffer {
    pub(super) sink: Name,
    content: Mutex<Content>,
    /// Awaited by the one stream of this sink.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Content {
    waiting: VecDeque<Delivery>,
    bytes: usize,
    behind: bool,
    /// The highest id that was added to the buffer or read from the file.
    reached: i64,
    /// Found in the file but damaged: to be settled as dead.
    unreadable: VecDeque<Unreadable>,
    closed: bool,
}

/// A stored delivery that can no longer be sent, and why.
#[derive(Debug, Clone)]
pub(super) struct Unreadable {
    pub(super) id: DeliveryId,
    pub(super) attempts: u32,
    pub(super) why: String,
}

/// Some of what is pending, in order.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) found: Vec<Delivery>,
    pub(super) unreadable: Vec<Unreadable>,
    /// The id of the last row, readable or not.
    pub(super) last: i64,
    /// There may be more.
    pub(super) full: bool,
}

pub(super) enum Next<'b> {
    Buffered(Vec<Delivery>),
    OnDisk(PageRead<'b>),
    Nothing,
    Closed,
}

/// A read of the file in progress; undone when dropped unfinished.
pub(super) struct PageRead<'b> {
    buffer: &'b ReadyBuffer,
    pub(super) after: i64,
    finished: bool,
}

impl ReadyBuffer {
    /// Starts behind: deliveries of earlier runs are in the file.
    pub(super) fn new(sink: Name) -> Arc<Self> {
        let content = Content { behind: true, ..Content::default() };
        Arc::new(Self { sink, content: Mutex::new(content), changed: Notify::new() })
    }

    /// Called by the writer with all deliveries of one commit.
    pub(super) fn add(&self, deliveries: impl Iterator<Item = Delivery>) {
        let mut content = self.content();
        for delivery in deliveries {
            if !content.behind {
                content.push(delivery);
            }
        }
        drop(content);
        self.changed.notify_one();
    }

    /// The file has deliveries of this sink that are not added to the buffer.
    pub(super) fn fall_behind(&self) {
        self.content().behind = true;
        self.changed.notify_one();
    }

    pub(super) fn close(&self) {
        self.content().closed = true;
        self.changed.notify_one();
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    pub(super) fn first_unreadable(&self) -> Option<Unreadable> {
        self.content().unreadable.front().cloned()
    }

    pub(super) fn remove_first_unreadable(&self) {
        self.content().unreadable.pop_front();
    }

    pub(super) fn next(&self, max: usize) -> Next<'_> {
        let mut content = self.content();
        if content.closed {
            return Next::Closed;
        }
        if !content.waiting.is_empty() {
            let count = max.max(1).min(content.waiting.len());
            let taken: Vec<_> = content.waiting.drain(..count).collect();
            content.bytes -= taken.iter().map(size_of_body).sum::<usize>();
            return Next::Buffered(taken);
        }
        if !mem::replace(&mut content.behind, false) {
            return Next::Nothing;
        }
        Next::OnDisk(PageRead { buffer: self, after: content.reached, finished: false })
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn push(&mut self, delivery: Delivery) {
        // A commit can be read from the file a moment before it is handed over here.
        if delivery.id.0 <= self.reached {
            return;
        }
        let size = size_of_body(&delivery);
        // One always fits, whatever its size.
        if !self.waiting.is_empty() && (self.waiting.len() >= CAPACITY || self.bytes + size > CAPACITY_BYTES) {
            self.behind = true;
            return;
        }
        self.reached = delivery.id.0;
        self.bytes += size;
        self.waiting.push_back(delivery);
    }

    fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
    }
}

impl PageRead<'_> {
    pub(super) fn finish(mut self, page: Page) {
        self.finished = true;
        let mut content = self.buffer.content();
        content.unreadable.extend(page.unreadable);
        if page.full {
            content.clear();
            content.behind = true;
            content.reached = page.last;
        } else {
            let later = mem::take(&mut content.waiting).into_iter().filter(|delivery| delivery.id.0 > page.last);
            content.waiting = later.collect();
            content.reached = content.reached.max(page.last);
        }
        for delivery in page.found.into_iter().rev() {
            content.waiting.push_front(delivery);
        }
        content.bytes = content.waiting.iter().map(size_of_body).sum();
    }
}

impl Drop for PageRead<'_> {
    fn drop(&mut self) {
        if !self.finished {
            let mut content = self.buffer.content();
            content.clear();
            content.behind = true;
            content.reached = self.after;
        }
    }
}

fn size_of_body(delivery: &Delivery) -> usize {
    delivery.event.data.text().len()
}
