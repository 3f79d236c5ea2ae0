//! Requests to the writer, and its replies.

use tokio::sync::oneshot;

use super::transaction::WriteTransaction;
use crate::store::error::StoreError;

/// The caller may be gone; the request is done all the same.
pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

pub(super) enum Request {
    Write(Box<dyn Write>),
    Flush(Reply<()>),
    Close(Reply<()>),
}

/// A change that shares a transaction with others.
pub(super) trait Write: Send {
    fn run(&mut self, transaction: &mut WriteTransaction<'_>) -> rusqlite::Result<()>;

    /// Sends the result once it is on disk, or the error.
    fn reply(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// The one kind of [`Write`], whatever its result.
pub(super) struct Job<W, T> {
    pub(super) work: W,
    pub(super) result: Option<T>,
    pub(super) reply: Reply<T>,
}

impl<W, T> Write for Job<W, T>
where
    W: FnMut(&mut WriteTransaction<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, transaction: &mut WriteTransaction<'_>) -> rusqlite::Result<()> {
        self.result = Some((self.work)(transaction)?);
        Ok(())
    }

    fn reply(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { work, result, reply } = *self;
        // The caller takes back what it lent to the work.
        drop(work);
        drop(reply.send(outcome.and_then(|()| result.ok_or(StoreError::Closed))));
    }
}
