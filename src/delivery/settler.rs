//! A lane's verdicts on their way to the store, written down often enough that a kill repeats few messages.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use tracing::debug;

use super::clock::later;
use super::pending::Payload;
use crate::event::Name;
use crate::fault::Fault;
use crate::store::{DeliveryId, Note, Outcome, Store, StoreError};

/// A sink with more posts at once than this is made for quantity: its verdicts share writes, this many times as many as it
/// has posts at once, because the disk would limit it otherwise.
const SHARED_WRITES: usize = 8;

pub(super) struct Settler {
    sink: Name,
    store: Store,
    /// Delivered, but the verdicts are not known to be on disk.
    unwritten: usize,
    /// So many may be unwritten. One post at a time is sent twice at most after a kill; more at a time some less than twice
    /// as many, however fast the receiver or slow the disk.
    limit: usize,
    flush: Option<BoxFuture<'static, (usize, Result<(), StoreError>)>>,
}

impl Settler {
    /// `at_once`: messages that may be on their way at the same time.
    pub(super) fn new(sink: Name, store: Store, at_once: usize) -> Self {
        let limit = if at_once > SHARED_WRITES { at_once * SHARED_WRITES } else { at_once };
        Self { sink, store, unwritten: 0, limit, flush: None }
    }

    pub(super) async fn delivered(
        &mut self,
        payload: &Payload,
        receipt: Option<String>,
        notes: Vec<Note>,
    ) -> Result<(), Fault> {
        self.unwritten += 1;
        let others = payload.ids().len().saturating_sub(1);
        let outcome = match payload {
            Payload::One(_) => Outcome::Delivered { receipt },
            Payload::Many(_) if payload.is_throttled() => Outcome::Suppressed {
                why: format!("held back by the throttle, counted in one line with {others} others"),
            },
            Payload::Many(_) => Outcome::Delivered { receipt: Some(format!("in one message with {others} others")) },
        };
        self.settle(payload.ids(), outcome, notes).await
    }

    /// Of a bundle only the first is written: after a restart its members come together again.
    pub(super) async fn postponed(
        &mut self,
        payload: &Payload,
        pause: Duration,
        attempts: u32,
        cause: &Fault,
    ) -> Result<(), Fault> {
        let (why, reply) = (cause.to_string(), cause.reply().map(str::to_owned));
        let outcome = Outcome::Postponed { due: later(Timestamp::now(), pause), attempts, why, reply };
        self.settle(payload.ids().get(..1).unwrap_or_default(), outcome, Vec::new()).await
    }

    pub(super) async fn suppressed(&mut self, id: DeliveryId, why: String) -> Result<(), Fault> {
        self.settle(&[id], Outcome::Suppressed { why }, Vec::new()).await
    }

    pub(super) async fn dead(&mut self, payload: &Payload, attempts: u32, cause: &Fault) -> Result<(), Fault> {
        let (why, reply) = (cause.to_string(), cause.reply().map(str::to_owned));
        self.settle(payload.ids(), Outcome::Dead { attempts, why, reply }, Vec::new()).await
    }

    /// Whether another message may be sent before verdicts are on disk.
    pub(super) fn has_room(&self) -> bool {
        self.unwritten < self.limit
    }

    /// Has the verdicts written down, once half of those are there that may be unwritten.
    pub(super) fn start_flush(&mut self) {
        if self.flush.is_none() && self.unwritten >= self.limit.div_ceil(2) {
            let (store, count) = (self.store.clone(), self.unwritten);
            self.flush = Some(async move { (count, store.flush().await) }.boxed());
        }
    }

    /// Until the flush under way has ended, for ever where none is. Cancel safe.
    pub(super) async fn flushed(&mut self) {
        let Some(flush) = &mut self.flush else { return std::future::pending().await };
        let (count, written) = flush.await;
        self.flush = None;
        self.unwritten -= count;
        written.unwrap_or_else(|error| debug!(sink = %self.sink, "verdicts are not written yet: {error}"));
    }

    async fn settle(&mut self, ids: &[DeliveryId], outcome: Outcome, notes: Vec<Note>) -> Result<(), Fault> {
        let settled = match ids {
            [] => return Ok(()),
            [id] if notes.is_empty() => self.store.settle(*id, outcome).await,
            ids => {
                let notes = notes.into_iter().map(|note| (self.sink.clone(), note)).collect();
                self.store.settle_all(ids.to_vec(), outcome, notes).await
            }
        };
        settled.map_err(|error| Fault::new("state_file", error.to_string()))
    }
}

#[cfg(test)]
mod tests;
