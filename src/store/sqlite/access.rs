//! How async tasks reach the threads that own the connections.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::reader::Reader;
use super::requests::{Job, Reply, Request};
use super::settle::Settlement;
use super::shared::Shared;
use super::transaction::WriteTransaction;
use crate::event::Name;
use crate::store::error::StoreError;
use crate::store::types::{DeliveryId, Note, Outcome};

#[derive(Debug)]
pub(super) struct Access {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) settlements: mpsc::Sender<Settlement>,
    /// For lanes and metrics, which must not wait behind an operator's long listing.
    pub(super) reader: Reader,
    pub(super) lister: Reader,
    pub(super) shared: Arc<Shared>,
    pub(super) remember: Duration,
    pub(super) warnings: Vec<String>,
}

impl Access {
    pub(super) async fn request<T>(&self, make: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreError> {
        let (reply, replied) = oneshot::channel();
        self.requests.send(make(reply)).await.map_err(|_| StoreError::Closed)?;
        replied.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Does `work` in a transaction of the writer; resolves when it is on disk.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut WriteTransaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.request(|reply| Request::Write(Box::new(Job { work, result: None, reply }))).await
    }

    pub(super) async fn settle(
        &self,
        ids: Vec<DeliveryId>,
        outcome: Outcome,
        notes: Vec<(Name, Note)>,
    ) -> Result<(), StoreError> {
        let settlement = Settlement { ids, outcome, notes, at: Timestamp::now() };
        self.settlements.send(settlement).await.map_err(|_| StoreError::Closed)
    }
}
