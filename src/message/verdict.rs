//! The result of one attempt to send.

use std::time::Duration;

use crate::fault::Fault;

/// Delivered, with the receiver's id for it (`ts`, thread, dedup key), if there is one. A sink that remembers
/// (`SinkTraits::remembers`) gets it back with the next message of the key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt(pub Option<String>);

/// Not delivered: whether another attempt can help, and what else is affected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// Try again, after `wait` if the receiver named one. `lane`: the receiver or the connection failed, so the whole
    /// lane waits, not only this message. `maybe`: it was sent without a reply, so it may have been delivered.
    Later { wait: Option<Duration>, lane: bool, maybe: bool, cause: Fault },
    /// The receiver will never accept this message; it may accept others.
    NeverMessage(Fault),
    /// The receiver will accept nothing until a person changes something.
    NeverDestination(Fault),
}

impl SendError {
    pub fn cause(&self) -> &Fault {
        match self {
            Self::Later { cause, .. } | Self::NeverMessage(cause) | Self::NeverDestination(cause) => cause,
        }
    }
}
