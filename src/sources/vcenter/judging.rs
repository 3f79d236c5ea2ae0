//! What a page of vCenter's says: which of its events are new, whether it reaches back to what was read; and handing
//! over what is new.

use std::collections::HashSet;

use jiff::Timestamp;

use super::catch_up::PAGE;
use super::meaning;
use super::place::Mark;
use super::reading::{End, Reader, Step};
use crate::event::Event;
use crate::vsphere::Element;

/// An event that was not read before. None: one of our own making, which nobody needs to hear of.
pub(super) struct Fresh {
    pub(super) mark: Mark,
    event: Option<Event>,
}

impl Fresh {
    pub(super) fn time(&self) -> Timestamp {
        self.mark.0
    }
}

/// A page, judged.
pub(super) struct Page {
    /// Everything in it that is an event, in order.
    pub(super) all: Vec<Mark>,
    /// What of it was not read before, in order.
    pub(super) fresh: Vec<Fresh>,
    /// Whether it holds anything that was read before.
    pub(super) anchored: bool,
    /// Whether something that was read before comes before everything new: then it holds all that is new.
    pub(super) reaches_back: bool,
}

impl Reader<'_> {
    /// Which of these events were read before, and which were not.
    pub(super) fn judge(&mut self, elements: Vec<Element>, begin: Option<Timestamp>) -> Step<Page> {
        self.judge_by(elements, |mark| begin.is_some_and(|begin| mark.0 < begin))
    }

    /// The same where `is_old` says what needs no reading.
    pub(super) fn judge_by(&mut self, elements: Vec<Element>, mut is_old: impl FnMut(&Mark) -> bool) -> Step<Page> {
        let place = self.place()?;
        let (mut all, mut new) = (Vec::with_capacity(elements.len()), Vec::new());
        let mut oldest_known: Option<Mark> = None;
        let mut in_here = HashSet::new();
        let instance = place.instance.clone();
        for element in elements {
            let mark = match meaning::mark(&element) {
                Ok(mark) => mark,
                Err(why) => {
                    if self.odd.note(self.out.source(), &element, why) {
                        self.out.skipped();
                    }
                    continue;
                }
            };
            if !in_here.insert(mark) {
                continue;
            }
            all.push(mark);
            let place = self.place()?;
            // What had to be forgotten was read all the same.
            let forgotten = || place.forgot(mark.0, self.wants.overlap);
            let is_read = place.seen.contains(&mark) || is_old(&mark);
            if is_read || forgotten() {
                oldest_known = Some(oldest_known.map_or(mark, |known| known.min(mark)));
            }
            if !is_read {
                new.push((mark, element));
            }
        }
        all.sort_unstable();
        new.sort_unstable_by_key(|(mark, _)| *mark);
        let reaches_back = new.first().is_none_or(|(first, _)| oldest_known.is_some_and(|known| known <= *first));
        let fresh = new.into_iter().map(|(mark, element)| {
            let event = (!self.is_of_our_making(&element)).then(|| meaning::event(&element, mark, &instance, self.out));
            Fresh { mark, event }
        });
        Ok(Page { fresh: fresh.collect(), all, anchored: oldest_known.is_some(), reaches_back })
    }

    fn is_of_our_making(&mut self, element: &Element) -> bool {
        if self.canary.hear(element) {
            // Withheld while it was missed.
            self.out.up();
        }
        self.canary.is_ours(element) || self.own.made(element)
    }

    /// Hands over what was not read before, at most a page at a time. With `reaching`, nothing older is still to come.
    pub(super) async fn hand_over(&mut self, mut fresh: Vec<Fresh>, reaching: bool) -> Step<()> {
        while !fresh.is_empty() {
            let later = fresh.split_off(fresh.len().min(PAGE as usize));
            let now = std::mem::replace(&mut fresh, later);
            let clock = self.server_now();
            let place = self.place_mut()?;
            let last = place.last;
            let marks: Vec<_> = now.iter().map(|event| event.mark).collect();
            for mark in &marks {
                place.seen.insert(*mark, clock);
                if reaching {
                    place.reach(*mark);
                }
            }
            self.audits.heard();
            let events: Vec<_> = now.into_iter().filter_map(|event| event.event).collect();
            if events.is_empty() {
                continue;
            }
            let committed = self.commit(events).await;
            if matches!(committed, Err(End::Anew)) {
                let place = self.place_mut()?;
                place.last = last;
                place.seen.remove(&marks);
            }
            committed?;
        }
        Ok(())
    }
}
