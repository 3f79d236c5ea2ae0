//! Which events of a page are new, and whether the page reaches back to what was read before; and committing new events.

use std::collections::HashSet;

use tokio::time::Instant;

use super::state::{ReadResult, Reader, SessionEnd};
use crate::event::Event;
use crate::sources::vcenter::api::PAGE;
use crate::sources::vcenter::cursor::EventIdentity;
use crate::sources::vcenter::parse;
use crate::vsphere::Element;

/// An event that was not read before.
pub(super) struct NewEvent {
    pub(super) identity: EventIdentity,
    /// None: an event of our own making, which is not relayed.
    event: Option<Event>,
}

pub(super) struct PageDiff {
    /// All events of the page, in order.
    pub(super) all: Vec<EventIdentity>,
    /// Those of them that were not read before, in order.
    pub(super) new: Vec<NewEvent>,
    /// Whether any event of the page was read before.
    pub(super) overlaps: bool,
    /// Whether an event that was read before precedes all new ones: then no new event lies before the page.
    pub(super) reaches_back: bool,
}

impl Reader<'_> {
    /// Compares a page with what was read. Events for which `is_old` holds count as read.
    pub(super) fn diff(
        &mut self,
        elements: Vec<Element>,
        mut is_old: impl FnMut(&EventIdentity) -> bool,
    ) -> ReadResult<PageDiff> {
        let cursor = self.cursor.as_ref().ok_or(SessionEnd::RestartTail)?;
        let (mut all, mut new) = (Vec::with_capacity(elements.len()), Vec::new());
        let mut oldest_read: Option<EventIdentity> = None;
        let mut in_page = HashSet::new();
        for element in elements {
            let identity = match parse::identity(&element) {
                Ok(identity) => identity,
                Err(why) => {
                    if self.malformed.add(self.out.source(), &element, why) {
                        self.out.skipped();
                    }
                    continue;
                }
            };
            if !in_page.insert(identity) {
                continue;
            }
            all.push(identity);
            let is_read = cursor.seen.contains(&identity) || is_old(&identity);
            // What is no longer remembered was read as well.
            if is_read || cursor.has_forgotten(identity.0, self.options.overlap) {
                oldest_read = Some(oldest_read.map_or(identity, |known| known.min(identity)));
            }
            if !is_read {
                new.push((identity, element));
            }
        }
        let instance = cursor.instance.clone();
        all.sort_unstable();
        new.sort_unstable_by_key(|(identity, _)| *identity);
        let reaches_back = new.first().is_none_or(|(first, _)| oldest_read.is_some_and(|read| read <= *first));
        let new = new.into_iter().map(|(identity, element)| {
            let event = (!self.is_own(&element)).then(|| parse::event(&element, identity, &instance, self.out));
            NewEvent { identity, event }
        });
        Ok(PageDiff { new: new.collect(), all, overlaps: oldest_read.is_some(), reaches_back })
    }

    /// Whether this is a canary or a log-in of the daemon itself.
    fn is_own(&mut self, element: &Element) -> bool {
        if self.canary.observe(element) {
            // Not reported while it was missing.
            self.out.up();
        }
        self.canary.sent(element) || self.own_sessions.caused(element)
    }

    /// Commits new events, at most a page at a time. With `complete`, no older event is still to come.
    pub(super) async fn commit_new(&mut self, mut new: Vec<NewEvent>, complete: bool) -> ReadResult<()> {
        while !new.is_empty() {
            let later = new.split_off(new.len().min(PAGE as usize));
            let group = std::mem::replace(&mut new, later);
            let now = self.server_now();
            let cursor = self.cursor_mut()?;
            let last = cursor.last;
            let identities: Vec<_> = group.iter().map(|event| event.identity).collect();
            for identity in &identities {
                cursor.seen.insert(*identity, now);
                if complete {
                    cursor.reach(*identity);
                }
            }
            self.audits.quiet_since = Instant::now();
            let events: Vec<_> = group.into_iter().filter_map(|event| event.event).collect();
            if events.is_empty() {
                continue;
            }
            let committed = self.commit(events).await;
            if matches!(committed, Err(SessionEnd::RestartTail)) {
                let cursor = self.cursor_mut()?;
                cursor.last = last;
                cursor.seen.remove(&identities);
            }
            committed?;
        }
        Ok(())
    }
}
