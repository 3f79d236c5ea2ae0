//! Reading what happened meanwhile, with a collector of its own that is thrown away afterwards.
//!
//! That a collector says nothing any more proves little: it may have lost its way, pass over what it may not show, or
//! the next burst came a moment later. Its latest page tells; and only what a new collector cannot read either is missing.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use tracing::{debug, warn};

use super::history::History;
use super::judging::Page;
use super::place::{Mark, back};
use super::reading::{End, Reader, Step};
use crate::vsphere::{Reference, Trouble};

/// The most that vCenter gives at once, and the most that is in memory.
pub(super) const PAGE: u32 = 1000;
/// New collectors that bring nothing, one after the other, before what they should have brought counts as missing.
const TRIES: u32 = 4;
/// How often the last of them is asked on where it says nothing: vCenter may have filtered a whole page away.
const ASKED_ON: u32 = 3;
/// Pages in a row on which nothing can be read.
const MOST_BLANK: u32 = 100;
/// Servers that keep times less finely than they tell them may leave out the very first event.
pub(super) const ROUNDING: Duration = Duration::from_secs(1);

/// Why there is a hole although vCenter has what lies in it.
const STUCK: &str = "vCenter shows newer events but not those between (missing rights, or its reading is stuck)";

/// One catching-up, over all the collectors that it takes.
struct Way {
    /// Since when events are wanted.
    since: Option<Timestamp>,
    /// From where the next collector reads: a page before the end of what was read.
    begin: Option<Timestamp>,
    /// The last event that was read before, if it must be found again.
    anchor: Option<Mark>,
    /// The latest event met on this way.
    behind: Option<Mark>,
    read: usize,
}

/// What a collector that says nothing any more has left behind.
enum Left {
    Nothing,
    /// Newer events are there, and perhaps others before them.
    Something,
}

impl Reader<'_> {
    /// Reads everything since `begin` that was not read before; says how much that was.
    pub(super) async fn catch_up<H: History>(&mut self, history: &H, begin: Option<Timestamp>) -> Step<usize> {
        self.whole = false;
        let place = self.place()?;
        let anchor = place.last.filter(|_| place.has_an_anchor());
        let mut way = Way { since: begin, begin, anchor, behind: None, read: 0 };
        let mut in_vain = 0;
        loop {
            let before = way.read;
            let is_last = in_vain + 1 >= TRIES;
            if matches!(self.try_to_catch_up(history, &mut way, is_last).await?, Left::Nothing) {
                break;
            }
            in_vain = if way.read > before { 0 } else { in_vain + 1 };
            debug!(source = %self.out.source(), read = way.read, "there is more than could be read; with a new collector");
        }
        if let Some(behind) = way.behind {
            self.place_mut()?.reach(behind);
        }
        if way.read > 0 {
            self.commit(Vec::new()).await?;
        }
        self.whole = true;
        Ok(way.read)
    }

    async fn try_to_catch_up<H: History>(&mut self, history: &H, way: &mut Way, is_last: bool) -> Step<Left> {
        let collector = self.ask(history.collect(way.begin, PAGE)).await?;
        let left = match self.drain(history, &collector, way, if is_last { ASKED_ON } else { 0 }).await {
            Ok(()) => self.look_behind(history, &collector, way, is_last).await,
            Err(end) => Err(end),
        };
        // A session may have few of them, so none is left behind. Where the session is gone they went with it.
        if !matches!(left, Err(End::Stopped | End::Lost(Trouble::LoggedOut | Trouble::Road(_))))
            && let Some(Err(trouble)) = self.stop.or(history.destroy(&collector)).await
        {
            debug!(source = %self.out.source(), fault = %trouble.fault(), "a collector could not be taken back");
        }
        left
    }

    /// Reads until the collector says nothing, or nothing new; where it says nothing, asks it `on` so often.
    async fn drain<H: History>(&mut self, history: &H, of: &Reference, way: &mut Way, mut on: u32) -> Step<()> {
        let mut before: Option<HashSet<Mark>> = None;
        let (mut was_empty, mut blank) = (false, 0);
        loop {
            let elements = self.ask(history.read_on(of, PAGE)).await?;
            // A line on which nothing can be read does not stand.
            self.stand();
            if elements.is_empty() {
                if on == 0 {
                    return Ok(());
                }
                on -= 1;
                was_empty = true;
                continue;
            }
            let page = self.judge(elements, way.since)?;
            // Some servers repeat themselves at the end, for ever.
            let repeats = |before: &HashSet<Mark>| page.all.iter().all(|mark| before.contains(mark));
            if !page.all.is_empty() && before.as_ref().is_some_and(repeats) {
                return Ok(());
            }
            // One that can never be read may be repeated as well.
            blank = if page.all.is_empty() { blank + 1 } else { 0 };
            if blank > MOST_BLANK {
                return Ok(());
            }
            if let (Some(first), Some(last)) = (page.all.first(), page.all.last()) {
                let read = way.behind.or(way.anchor);
                // Of a reading that goes far back, for what came late, the first page need not know anything.
                let overlaps = self.place()?.begin(self.wants.overlap).is_none_or(|begin| begin <= first.0);
                if before.is_none() && !page.anchored && overlaps {
                    self.hole(read, *first, "vCenter no longer has what followed the last event that was read").await?;
                } else if was_empty && !page.reaches_back {
                    self.hole(read, *first, STUCK).await?;
                }
                // Only a row that rises proves that nothing older is still to come.
                if let Some(behind) = way.behind.filter(|behind| behind <= first) {
                    self.place_mut()?.reach(behind);
                }
                way.begin = way.since.max(Some(back(first.0, ROUNDING)));
                way.behind = way.behind.max(Some(*last));
            }
            was_empty = false;
            before = Some(page.all.iter().copied().collect());
            way.read += page.fresh.len();
            self.hand_over(page.fresh, false).await?;
        }
    }

    /// A collector that has lost its way says nothing any more while there is more. Its latest page knows.
    async fn look_behind<H: History>(
        &mut self,
        history: &H,
        of: &Reference,
        way: &mut Way,
        is_last: bool,
    ) -> Step<Left> {
        let elements = self.ask(history.latest(of)).await?;
        // A page that is not full holds all there is.
        let is_full = elements.len() >= PAGE as usize;
        let page = self.judge(elements, way.since)?;
        let Page { all, fresh, anchored, reaches_back } = page;
        let Some(first) = fresh.first().map(|event| event.mark) else { return Ok(Left::Nothing) };
        let is_torn = if is_full { !reaches_back } else { !anchored };
        if is_torn && is_full && !is_last {
            return Ok(Left::Something);
        }
        if is_torn {
            let read = self.place()?.seen.last_before(first).filter(|_| is_full);
            match read.or(way.behind).or(way.anchor) {
                None if is_full => {
                    let from = way.since.unwrap_or(first.0).min(first.0);
                    warn!(source = %self.out.source(), %from, to = %first.0, why = STUCK, "events are missing for good");
                    self.tell_gap(from, first.0, None, STUCK).await?;
                }
                read => self.hole(read, first, STUCK).await?,
            }
        }
        way.behind = way.behind.max(all.last().copied());
        way.read += fresh.len();
        self.hand_over(fresh, false).await?;
        Ok(Left::Nothing)
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
