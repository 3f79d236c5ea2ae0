//! The threads of a lane's keys: the receipt of the latest message of each. Read once, at the lane's start, and written
//! beside the verdicts.

use jiff::{SignedDuration, Timestamp};

use super::ttl_map::{TtlMap, note_name};
use crate::message::{Message, Signal};
use crate::store::Note;

const THREAD: &str = "thread";
/// After so long without a message the next one begins a new thread.
const LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How often the note of a thread that goes on is renewed.
const RENEWED_EVERY: SignedDuration = SignedDuration::from_hours(24);

#[derive(Debug, Default)]
pub(super) struct Threads(TtlMap<String>);

impl Threads {
    pub(super) fn restore(notes: &[Note]) -> Self {
        let mut threads = TtlMap::default();
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

    /// The note to write beside this message's verdict. A resolve ends the thread: the next incident has its own.
    pub(super) fn remember(&mut self, message: &Message, receipt: &str, now: Timestamp) -> Option<Note> {
        if message.key.is_empty() {
            return None;
        }
        let name = note_name(THREAD, &message.key);
        if message.signal == Some(Signal::Resolve) {
            return self.0.remove(&name).then_some(Note { name, value: None, until: now });
        }
        let until = now.checked_add(LIFETIME).unwrap_or(Timestamp::MAX);
        let is_new = self.0.get(&name, now).is_none_or(|known| known != receipt);
        if !is_new && self.0.until(&name).is_some_and(|known| until.duration_since(known) < RENEWED_EVERY) {
            return None;
        }
        self.0.put(name.clone(), receipt.to_owned(), until, now);
        Some(Note { name, value: Some(receipt.to_owned()), until })
    }
}
