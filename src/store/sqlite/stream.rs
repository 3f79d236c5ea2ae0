//! One sink's deliveries in order, from its ready buffer and from the file.

use std::sync::Arc;

use super::access::Access;
use super::reader;
use super::ready_buffer::{Next, ReadyBuffer};
use super::requests::Request;
use crate::event::Name;
use crate::store::error::StoreError;
use crate::store::types::{Delivery, Outcome};

/// The pending deliveries of one sink. Each comes once, in the order of ids.
///
/// A second stream of the same sink ends the first and starts again with everything that is pending. The user of the
/// first must have stopped by then, or it sends some deliveries a second time.
pub struct DeliveryStream {
    access: Arc<Access>,
    buffer: Arc<ReadyBuffer>,
    /// Verdicts of an earlier stream may not be on disk yet.
    flush_first: bool,
}

impl DeliveryStream {
    pub(super) fn new(access: Arc<Access>, sink: &str) -> Self {
        let (buffer, flush_first) = access.shared.new_buffer(sink);
        Self { access, buffer, flush_first }
    }

    pub fn sink(&self) -> &Name {
        &self.buffer.sink
    }

    /// Waits until there is at least one delivery; returns at most `max`. An error loses nothing: try again later,
    /// except after [`StoreError::Closed`]. Cancel safe.
    pub async fn take(&mut self, max: usize) -> Result<Vec<Delivery>, StoreError> {
        if self.flush_first {
            self.access.request(Request::Flush).await?;
            self.flush_first = false;
        }
        loop {
            self.settle_unreadable().await?;
            match self.buffer.next(max) {
                Next::Buffered(deliveries) => return Ok(deliveries),
                Next::OnDisk(read) => {
                    let (sink, after) = (self.buffer.sink.clone(), read.after);
                    let page = self.access.reader.read(move |db| reader::page(db, &sink, after)).await?;
                    read.finish(page);
                }
                Next::Nothing => self.buffer.changed().await,
                Next::Closed => return Err(StoreError::Closed),
            }
        }
    }

    /// What cannot be read cannot be sent: it becomes a dead letter.
    async fn settle_unreadable(&self) -> Result<(), StoreError> {
        while let Some(unreadable) = self.buffer.first_unreadable() {
            let outcome = Outcome::Dead { attempts: unreadable.attempts, why: unreadable.why, reply: None };
            self.access.settle(vec![unreadable.id], outcome, Vec::new()).await?;
            self.buffer.remove_first_unreadable();
        }
        Ok(())
    }
}

impl Drop for DeliveryStream {
    fn drop(&mut self) {
        self.access.shared.remove_buffer(&self.buffer);
    }
}
