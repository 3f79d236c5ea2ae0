//! Reading what happened meanwhile, with a collector of its own that is thrown away afterwards.

use std::collections::HashSet;

use jiff::Timestamp;
use tracing::{debug, warn};

use super::history::History;
use super::meaning;
use super::place::Mark;
use super::reading::{End, Reader, Step};
use crate::event::Event;
use crate::vsphere::{Element, Reference, Trouble};

/// The most that vCenter gives at once, and the most that is in memory.
pub(super) const PAGE: u32 = 1000;

/// An event that was not read before. None: one of our own making, which nobody needs to hear of.
pub(super) struct Fresh {
    pub(super) mark: Mark,
    event: Option<Event>,
}

/// A page, judged.
pub(super) struct Page {
    /// Everything in it that is an event, in order.
    pub(super) all: Vec<Mark>,
    /// What of it was not read before, in order.
    pub(super) fresh: Vec<Fresh>,
    /// Whether it reaches back to what was.
    pub(super) anchored: bool,
}

impl Reader<'_> {
    /// Reads everything since `begin` that was not read before; says how much that was.
    pub(super) async fn catch_up<H: History>(&mut self, history: &H, begin: Option<Timestamp>) -> Step<usize> {
        self.whole = false;
        let collector = self.ask(history.collect(begin, PAGE)).await?;
        let read = self.drain(history, &collector, begin).await;
        // A session may have few of them, so none is left behind. Where the session is gone they went with it.
        if !matches!(read, Err(End::Stopped | End::Lost(Trouble::LoggedOut | Trouble::Road(_))))
            && let Err(trouble) = history.destroy(&collector).await
        {
            debug!(source = %self.out.source(), fault = %trouble.fault(), "a collector could not be taken back");
        }
        let read = read?;
        self.whole = true;
        Ok(read)
    }

    async fn drain<H: History>(&mut self, history: &H, collector: &Reference, begin: Option<Timestamp>) -> Step<usize> {
        let place = self.place()?;
        let anchor = place.last.filter(|_| place.has_an_anchor());
        let mut read = 0;
        let mut behind: Option<Mark> = None;
        let mut before: Option<HashSet<Mark>> = None;
        loop {
            let elements = self.ask(history.read_on(collector, PAGE)).await?;
            // A line on which nothing can be read does not stand.
            self.stand();
            if elements.is_empty() {
                break;
            }
            let page = self.judge(elements, begin)?;
            // Some servers repeat themselves at the end, for ever.
            if before.as_ref().is_some_and(|before| page.all.iter().all(|mark| before.contains(mark))) {
                break;
            }
            if let (Some(first), Some(last)) = (page.all.first(), page.all.last()) {
                if behind.is_none() && !page.anchored {
                    self.hole(anchor, *first, "vCenter no longer has what followed the last event that was read")
                        .await?;
                }
                // Only a row that rises proves that nothing older is still to come.
                if let Some(behind) = behind.filter(|behind| behind <= first) {
                    self.place_mut()?.reach(behind);
                }
                behind = behind.max(Some(*last));
            }
            before = Some(page.all.iter().copied().collect());
            read += page.fresh.len();
            self.hand_over(page.fresh, false).await?;
        }
        // A collector that has lost its way says nothing any more while there is more. Its latest page knows.
        let elements = self.ask(history.latest(collector)).await?;
        let page = self.judge(elements, begin)?;
        if let (false, Some(first)) = (page.fresh.is_empty(), page.all.first()) {
            if !page.anchored {
                let why = "vCenter shows newer events but not those between (missing rights, or its reading is stuck)";
                self.hole(behind.or(anchor), *first, why).await?;
            }
            behind = behind.max(page.all.last().copied());
            read += page.fresh.len();
            self.hand_over(page.fresh, false).await?;
        }
        if let Some(behind) = behind {
            self.place_mut()?.reach(behind);
        }
        if read > 0 {
            self.commit(Vec::new()).await?;
        }
        Ok(read)
    }

    /// Which of these events were read before, and which were not.
    fn judge(&mut self, elements: Vec<Element>, begin: Option<Timestamp>) -> Step<Page> {
        self.judge_by(elements, |mark| begin.is_some_and(|begin| mark.0 < begin))
    }

    /// The same where `is_old` says what needs no reading.
    pub(super) fn judge_by(&mut self, elements: Vec<Element>, mut is_old: impl FnMut(&Mark) -> bool) -> Step<Page> {
        let place = self.place()?;
        let (mut all, mut new, mut anchored) = (Vec::with_capacity(elements.len()), Vec::new(), false);
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
            let forgotten = || place.seen.complete_after().is_some_and(|after| mark.0 <= after);
            if place.seen.contains(&mark) || is_old(&mark) {
                anchored = true;
                continue;
            }
            anchored |= forgotten();
            new.push((mark, element));
        }
        all.sort_unstable();
        new.sort_unstable_by_key(|(mark, _)| *mark);
        let fresh = new.into_iter().map(|(mark, element)| {
            let event = (!self.is_of_our_making(&element)).then(|| meaning::event(&element, mark, &instance, self.out));
            Fresh { mark, event }
        });
        Ok(Page { fresh: fresh.collect(), all, anchored })
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
            let place = self.place_mut()?;
            let last = place.last;
            let marks: Vec<_> = now.iter().map(|event| event.mark).collect();
            for mark in &marks {
                place.seen.insert(*mark);
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

    /// Between `last`, which was read, and `first`, which is there, something is missing; unless their keys say otherwise.
    async fn hole(&mut self, last: Option<Mark>, first: Mark, why: &str) -> Step<()> {
        let Some(last) = last else { return Ok(()) };
        // Keys count what happened only where they go on, and only without a filter.
        let goes_on = first.1 > last.1;
        let missing = first.1.checked_sub(last.1).and_then(|keys| u64::try_from(keys - 1).ok());
        if goes_on && missing == Some(0) {
            return Ok(());
        }
        let events = missing.filter(|_| goes_on && self.wants.filter == 0);
        let heard = self.place()?.heard;
        let from = if heard <= first.0 { last.0.max(heard) } else { last.0.min(first.0) };
        let why = if goes_on { why } else { "vCenter's event keys began anew: its history was restored or lost" };
        warn!(source = %self.out.source(), %from, to = %first.0, events, why, "events are missing for good");
        self.tell_gap(from, first.0, events, why).await
    }
}
