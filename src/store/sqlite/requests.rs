//! Requests to the writer, and its replies.

use std::mem;

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::silences::NewSilence;
use super::transaction::DeadBatch;
use crate::store::error::{CommitError, StoreError};
use crate::store::types::{Committed, Entry, Silence};

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

#[derive(Debug)]
pub(super) enum Request {
    Commit {
        entries: Vec<Entry>,
        accepted: Timestamp,
        reply: oneshot::Sender<Result<Vec<Committed>, CommitError>>,
    },
    Flush(Reply<()>),
    /// Replies with how many, and the highest id for the next batch.
    Replay(DeadBatch, Reply<(usize, i64)>),
    DropDead(DeadBatch, Reply<(usize, i64)>),
    AddSilence(NewSilence, Reply<Silence>),
    ExpireSilences(Option<i64>, Reply<Vec<i64>>),
    Close(Reply<()>),
}

/// What was written for one request; sent when it is on disk.
pub(super) enum Written {
    Committed(Vec<Committed>),
    Nothing,
    DeadBatch(usize, i64),
    Silence(Silence),
    ExpiredSilences(Vec<i64>),
}

/// Moves flushes aside: they are answered after everything else is written.
pub(super) fn split_flush(request: Request, flushes: &mut Vec<Reply<()>>) -> Option<Request> {
    match request {
        Request::Flush(reply) | Request::Close(reply) => {
            flushes.push(reply);
            None
        }
        other => Some(other),
    }
}

pub(super) fn answer_flushes(flushes: &mut Vec<Reply<()>>, outcome: &Result<(), StoreError>) {
    for flush in mem::take(flushes) {
        send(flush, outcome.clone());
    }
}

pub(super) fn answer(request: Request, written: Written) {
    match (request, written) {
        (Request::Commit { reply, .. }, Written::Committed(committed)) => send(reply, Ok(committed)),
        (Request::Replay(_, reply) | Request::DropDead(_, reply), Written::DeadBatch(count, highest)) => {
            send(reply, Ok((count, highest)));
        }
        (Request::AddSilence(_, reply), Written::Silence(silence)) => send(reply, Ok(silence)),
        (Request::ExpireSilences(_, reply), Written::ExpiredSilences(ids)) => send(reply, Ok(ids)),
        (Request::Flush(reply) | Request::Close(reply), _) => send(reply, Ok(())),
        // Cannot happen: each request gets its own kind of reply. Dropping the sender means `Closed`.
        (_, _) => (),
    }
}

pub(super) fn refuse(requests: Vec<Request>, error: &StoreError) {
    let error = || error.clone();
    for request in requests {
        match request {
            Request::Commit { entries, reply, .. } => send(reply, Err(CommitError { entries, error: error() })),
            Request::Replay(_, reply) | Request::DropDead(_, reply) => send(reply, Err(error())),
            Request::AddSilence(_, reply) => send(reply, Err(error())),
            Request::ExpireSilences(_, reply) => send(reply, Err(error())),
            Request::Flush(reply) | Request::Close(reply) => send(reply, Err(error())),
        }
    }
}

/// The caller may be gone; the request is done all the same.
pub(super) fn send<T, E>(reply: oneshot::Sender<Result<T, E>>, result: Result<T, E>) {
    drop(reply.send(result));
}
