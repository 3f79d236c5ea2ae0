//! What the writer is asked for, and how it answers.

use std::mem;

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::silences::NewSilence;
use super::words::{Committed, Entry, Silence, StoreError};
use super::work::Portion;

pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

#[derive(Debug)]
pub(super) enum Ask {
    Commit {
        entries: Vec<Entry>,
        accepted: Timestamp,
        answer: Answer<Vec<Committed>>,
    },
    Flush(Answer<()>),
    /// Answered with how many, and the ceiling for the next portion.
    Replay(Portion, Answer<(usize, i64)>),
    DropDead(Portion, Answer<(usize, i64)>),
    AddSilence(NewSilence, Answer<Silence>),
    ExpireSilences(Option<i64>, Answer<Vec<i64>>),
    Close(Answer<()>),
}

/// What was written for one ask, to be answered when it is on disk.
pub(super) enum Done {
    Committed(Vec<Committed>),
    Nothing,
    Portion(usize, i64),
    Silence(Silence),
    Ended(Vec<i64>),
}

/// Flushes are answered after whatever else is written, so they are put aside.
pub(super) fn flush_or_ask(ask: Ask, flushes: &mut Vec<Answer<()>>) -> Option<Ask> {
    match ask {
        Ask::Flush(answer) | Ask::Close(answer) => {
            flushes.push(answer);
            None
        }
        other => Some(other),
    }
}

pub(super) fn answer_flushes(flushes: &mut Vec<Answer<()>>, outcome: &Result<(), StoreError>) {
    for flush in mem::take(flushes) {
        reply(flush, outcome.clone());
    }
}

pub(super) fn answer(ask: Ask, done: Done) {
    match (ask, done) {
        (Ask::Commit { answer, .. }, Done::Committed(committed)) => reply(answer, Ok(committed)),
        (Ask::Replay(_, answer) | Ask::DropDead(_, answer), Done::Portion(count, ceiling)) => {
            reply(answer, Ok((count, ceiling)));
        }
        (Ask::AddSilence(_, answer), Done::Silence(silence)) => reply(answer, Ok(silence)),
        (Ask::ExpireSilences(_, answer), Done::Ended(ids)) => reply(answer, Ok(ids)),
        (Ask::Flush(answer) | Ask::Close(answer), _) => reply(answer, Ok(())),
        // Cannot be: each ask was given its own kind of answer. Dropping the sender says `Closed`.
        (_, _) => (),
    }
}

pub(super) fn refuse(asks: Vec<Ask>, error: &StoreError) {
    for ask in asks {
        match ask {
            Ask::Commit { answer, .. } => reply(answer, Err(error.clone())),
            Ask::Replay(_, answer) | Ask::DropDead(_, answer) => reply(answer, Err(error.clone())),
            Ask::AddSilence(_, answer) => reply(answer, Err(error.clone())),
            Ask::ExpireSilences(_, answer) => reply(answer, Err(error.clone())),
            Ask::Flush(answer) | Ask::Close(answer) => reply(answer, Err(error.clone())),
        }
    }
}

/// Whoever asked may have left meanwhile; what they asked for is done all the same.
pub(super) fn reply<T>(answer: Answer<T>, result: Result<T, StoreError>) {
    drop(answer.send(result));
}
