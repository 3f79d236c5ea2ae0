//! What a lane remembers beyond a restart: the threads of its keys, and what its [`Gate`](super::gate::Gate) decides by.
//! It is read once, at the lane's start, and written beside the verdicts.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::event::digest;
use crate::message::{Message, Signal};
use crate::queue::Note;

const THREAD: &str = "thread";
/// A thread in which nothing was said for so long is over: what comes then begins a new one.
const LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How often a thread that goes on is noted anew.
const NOTED_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// A note's name has no need of more than this of a key; a digest tells the rest apart.
const SHOWN: usize = 80;

/// The receipts of the latest message of each key.
#[derive(Debug, Default)]
pub(super) struct Threads(HashMap<String, Thread>);

#[derive(Debug, Clone)]
struct Thread {
    receipt: String,
    until: Timestamp,
}

impl Threads {
    pub(super) fn recall(notes: &[Note]) -> Self {
        let threads = notes.iter().filter(|note| matches!(note.name.split_once(':'), Some((THREAD, _))));
        let thread = |note: &Note| {
            let thread = Thread { receipt: note.value.clone()?, until: note.until };
            Some((note.name.clone(), thread))
        };
        Self(threads.filter_map(thread).collect())
    }

    pub(super) fn earlier(&self, key: &str, now: Timestamp) -> Option<String> {
        if key.is_empty() {
            return None;
        }
        let thread = self.0.get(&note_name(THREAD, key))?;
        (now < thread.until).then(|| thread.receipt.clone())
    }

    /// Notes what the receiver gave for this message. A resolve ends the thread: the next incident has its own.
    pub(super) fn remember(&mut self, message: &Message, receipt: &str, now: Timestamp) -> Option<Note> {
        if message.key.is_empty() {
            return None;
        }
        let name = note_name(THREAD, &message.key);
        if message.signal == Some(Signal::Resolve) {
            return self.0.remove(&name).map(|_| Note { name, value: None, until: now });
        }
        let until = now.checked_add(LASTS).unwrap_or(Timestamp::MAX);
        let known = self.0.get(&name);
        if known.is_some_and(|known| known.receipt == receipt && until.duration_since(known.until) < NOTED_EVERY) {
            return None;
        }
        if self.0.len() >= MANY {
            self.0.retain(|_, thread| now < thread.until);
        }
        self.0.insert(name.clone(), Thread { receipt: receipt.to_owned(), until });
        Some(Note { name, value: Some(receipt.to_owned()), until })
    }
}

/// Threads in memory before those that are over are let go.
const MANY: usize = 4096;

/// A short name for what is noted of `key`; two keys never share one (a digest of 64 bits tells long ones apart).
pub(super) fn note_name(sort: &str, key: &str) -> String {
    if key.len() <= SHOWN {
        return format!("{sort}:{key}");
    }
    let head: String = key.chars().take(SHOWN / 4).collect();
    format!("{sort}:{head}#{}", digest(&[key]))
}

/// For a wait that is counted from now although the clock of the machine may have jumped.
pub(super) fn until(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO)
}
