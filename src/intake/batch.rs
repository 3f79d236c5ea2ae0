//! What is committed together: whole groups, in their order, each with its sender that waits for the answer.

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::event::{Event, Name, OURSELVES};
use crate::fault::Fault;
use crate::outbox::Cursor;
use crate::store::Entry;

#[derive(Default)]
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
    pub(super) groups: Vec<Planned>,
}

/// One group on its way to the store. Its entries are in the batch, in the groups' order.
pub(super) struct Planned {
    entries: usize,
    cursor: Option<Cursor>,
    committed: Option<oneshot::Sender<Result<(), Fault>>>,
    /// Its sender could not hand it in again, so after a refusal it stays here.
    must: bool,
}

impl Planned {
    /// Nothing waits for the answer to a stream's event, so nothing could hand it in again.
    pub(super) fn arrived(cursor: Option<Cursor>, committed: Option<oneshot::Sender<Result<(), Fault>>>) -> Self {
        let must = committed.is_none();
        Self { entries: 0, cursor, committed, must }
    }

    pub(super) fn self_reported(committed: oneshot::Sender<Result<(), Fault>>, must: bool) -> Self {
        Self { entries: 0, cursor: None, committed: Some(committed), must }
    }

    /// Whether an earlier group of the same source was refused: this one would move the cursor past it.
    pub(super) fn follows_a_refusal(&self) -> bool {
        self.cursor.as_ref().is_some_and(Cursor::follows_a_refusal)
    }

    pub(super) fn accept(self) {
        self.cursor.into_iter().for_each(Cursor::moved);
        answer(self.committed, Ok(()));
    }

    pub(super) fn refuse(self, fault: &Fault) {
        // Before the answer: what is handed in after the answer does not follow the refusal.
        self.cursor.iter().for_each(Cursor::refused);
        answer(self.committed, Err(fault.clone()));
    }

    fn position(&self) -> Option<String> {
        self.cursor.as_ref().map(|cursor| cursor.position().to_owned())
    }
}

fn answer(waiting: Option<oneshot::Sender<Result<(), Fault>>>, result: Result<(), Fault>) {
    if let Some(waiting) = waiting {
        // The sender may be gone; the commit is done all the same.
        let _gone = waiting.send(result);
    }
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// An entry that writes nothing is answered at once.
    pub(super) fn push(&mut self, mut entry: Entry, mut group: Planned) {
        entry.cursor = group.position();
        if entry.routes.is_empty() && entry.cursor.is_none() && entry.incident.is_none() {
            return group.accept();
        }
        group.entries = 1;
        self.entries.push(entry);
        self.groups.push(group);
    }

    /// The wanted ones of several events of `source`. The cursor moves even if there are none.
    pub(super) fn push_all(&mut self, source: Name, entries: impl Iterator<Item = Entry>, mut group: Planned) {
        let before = self.entries.len();
        self.entries.extend(entries.filter(|entry| !entry.routes.is_empty()));
        if self.entries.len() == before {
            let event =
                Event { source, ..Event::ours("cursor", OURSELVES, Timestamp::now(), &serde_json::Value::Null) };
            let entry = Entry { event: event.into(), routes: Vec::new(), cursor: None, incident: None };
            return self.push(entry, group);
        }
        if let Some(last) = self.entries.last_mut() {
            last.cursor = group.position();
        }
        group.entries = self.entries.len() - before;
        self.groups.push(group);
    }

    /// Groups from the front: as many as fit into `room` entries, but at least one.
    pub(super) fn take_first(&mut self, room: usize) -> Self {
        let (mut groups, mut entries) = (0, 0);
        for group in &self.groups {
            if groups > 0 && entries + group.entries > room {
                break;
            }
            groups += 1;
            entries += group.entries;
        }
        let later = Self { entries: self.entries.split_off(entries), groups: self.groups.split_off(groups) };
        std::mem::replace(self, later)
    }

    /// After a refused commit: what cannot be handed in again returns to the front; all others are refused, and so is
    /// what follows a refusal.
    pub(super) fn take_back(&mut self, refused: Self, fault: &Fault) {
        let later = std::mem::take(self);
        self.take_in(refused, fault, |group| group.must);
        self.take_in(later, fault, |group| !group.follows_a_refusal());
    }

    fn take_in(&mut self, batch: Self, fault: &Fault, may_stay: impl Fn(&Planned) -> bool) {
        let mut entries = batch.entries.into_iter();
        for group in batch.groups {
            let own = entries.by_ref().take(group.entries);
            if may_stay(&group) {
                self.entries.extend(own);
                self.groups.push(group);
            } else {
                own.for_each(drop);
                group.refuse(fault);
            }
        }
    }
}
