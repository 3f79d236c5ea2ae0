//! How async tasks reach the threads that own the connections.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::reader::Reader;
use super::requests::{Reply, Request};
use super::settle::{Settlement, Target};
use super::shared::Shared;
use crate::event::Name;
use crate::store::error::StoreError;
use crate::store::types::{Note, Outcome};

#[derive(Debug)]
pub(super) struct Access {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) settlements: mpsc::Sender<Settlement>,
    /// For lanes and metrics, which must not wait behind an operator's long listing.
    pub(super) reader: Reader,
    pub(super) lister: Reader,
    pub(super) shared: Arc<Shared>,
}

impl Access {
    pub(super) async fn request<T>(&self, make: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreError> {
        let (reply, replied) = oneshot::channel();
        self.requests.send(make(reply)).await.map_err(|_| StoreError::Closed)?;
        replied.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(super) async fn settle(
        &self,
        target: Target,
        outcome: Outcome,
        notes: Vec<(Name, Note)>,
    ) -> Result<(), StoreError> {
        let settlement = Settlement { target, outcome, notes, at: Timestamp::now() };
        self.settlements.send(settlement).await.map_err(|_| StoreError::Closed)
    }

    /// For short reads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.reader.read(read).await?.map_err(|error| self.shared.classify(&error))
    }

    /// For operators' listings.
    pub(super) async fn list<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.lister.read(read).await?.map_err(|error| self.shared.classify(&error))
    }
}
