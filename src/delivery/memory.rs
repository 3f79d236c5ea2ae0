//! What a lane remembers beyond a restart: the threads of its keys, and what its [`Gate`](super::gate::Gate) decides by.
//! It is read once, at the lane's start, and written beside the verdicts.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::lasting::Lasting;
use crate::event::digest;
use crate::message::{Message, Signal};
use crate::store::Note;

const THREAD: &str = "thread";
/// A thread in which nothing was said for so long is over: what comes then begins a new one.
const LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How often a thread that goes on is noted anew.
const NOTED_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// A note's name has no need of more than this of a key; a digest tells the rest apart.
const SHOWN: usize = 80;

/// The receipts of the latest message of each key.
#[derive(Debug, Default)]
pub(super) struct Threads(Lasting<String>);

impl Threads {
    pub(super) fn recall(notes: &[Note]) -> Self {
        let mut threads = Lasting::default();
        for note in notes.iter().filter(|note| matches!(note.name.split_once(':'), Some((THREAD, _)))) {
            if let Some(receipt) = &note.value {
                threads.put(note.name.clone(), receipt.clone(), note.until, Timestamp::MIN);
            }
        }
        Self(threads)
    }

    pub(super) fn earlier(&self, key: &str, now: Timestamp) -> Option<String> {
        if key.is_empty() { None } else { self.0.get(&note_name(THREAD, key), now).cloned() }
    }

    /// Notes what the receiver gave for this message. A resolve ends the thread: the next incident has its own.
    pub(super) fn remember(&mut self, message: &Message, receipt: &str, now: Timestamp) -> Option<Note> {
        if message.key.is_empty() {
            return None;
        }
        let name = note_name(THREAD, &message.key);
        if message.signal == Some(Signal::Resolve) {
            return self.0.remove(&name).then_some(Note { name, value: None, until: now });
        }
        let until = now.checked_add(LASTS).unwrap_or(Timestamp::MAX);
        let is_new = self.0.get(&name, now).is_none_or(|known| known != receipt);
        if !is_new && self.0.until(&name).is_some_and(|known| until.duration_since(known) < NOTED_EVERY) {
            return None;
        }
        self.0.put(name.clone(), receipt.to_owned(), until, now);
        Some(Note { name, value: Some(receipt.to_owned()), until })
    }
}

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
