//! What became of one attempt to send.

use std::time::Duration;

use crate::fault::Fault;

/// Delivered. What the receiver gave us to remember it by (`ts`, thread, dedup key), if anything. A sink that asked to be
/// reminded (`Manner::remembers`) gets it back with the next message of the same key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt(pub Option<String>);

/// Not delivered. Says whether trying again can help, and how far the trouble reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// Try again, after `wait` if the receiver named a time. `lane`: the trouble is the receiver's or the
    /// road's, not this message's, so everything behind it waits too. `maybe`: it was sent off and nothing came back,
    /// so it may have arrived all the same.
    Later { wait: Option<Duration>, lane: bool, maybe: bool, cause: Fault },
    /// This message will never be taken; others may.
    NeverMessage(Fault),
    /// Nothing will be taken here until a person changes something.
    NeverDestination(Fault),
}

impl SendError {
    pub fn cause(&self) -> &Fault {
        match self {
            Self::Later { cause, .. } | Self::NeverMessage(cause) | Self::NeverDestination(cause) => cause,
        }
    }
}
