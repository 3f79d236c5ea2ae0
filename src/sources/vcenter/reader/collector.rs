//! Reads one collector of a catch-up to its end, and reports what is missing in between.

use std::collections::HashSet;

use jiff::Timestamp;
use tracing::warn;

use super::page_diff::PageDiff;
use super::state::{ReadResult, Reader};
use crate::sources::vcenter::api::{EventApi, PAGE};
use crate::sources::vcenter::cursor::{EventIdentity, TIME_ROUNDING, before};
use crate::vsphere::Reference;

/// Pages in a row without a readable event, after which the collector counts as read.
const MAX_UNREADABLE_PAGES: u32 = 100;
/// The cause of a gap although vCenter has the events.
pub(super) const STUCK: &str =
    "vCenter shows newer events but not those between (missing rights, or its reading is stuck)";

/// How far one catch-up has come, over all its collectors.
#[derive(Default)]
pub(super) struct Progress {
    /// Events before this time count as read.
    pub(super) since: Option<Timestamp>,
    /// Where the next collector begins: one page before the end of what was read.
    pub(super) begin: Option<Timestamp>,
    /// The last event that was read before, where the history must still contain it.
    pub(super) expected: Option<EventIdentity>,
    /// The latest event of this catch-up.
    pub(super) latest: Option<EventIdentity>,
    /// How many new events were read.
    pub(super) read: usize,
}

impl Progress {
    pub(super) fn is_old(&self, event: &EventIdentity) -> bool {
        self.since.is_some_and(|since| event.0 < since)
    }

    /// The last event that was read, by this catch-up or before it.
    pub(super) fn last_read(&self) -> Option<EventIdentity> {
        self.latest.or(self.expected)
    }
}

impl Reader<'_> {
    /// Reads until the collector returns nothing, or nothing new. After an empty answer it is read again `retries` times.
    pub(super) async fn read_collector(
        &mut self,
        api: &impl EventApi,
        collector: &Reference,
        progress: &mut Progress,
        mut retries: u32,
    ) -> ReadResult<()> {
        let mut previous: Option<HashSet<EventIdentity>> = None;
        let (mut was_empty, mut unreadable_pages) = (false, 0);
        loop {
            let elements = self.call(api.read_next(collector, PAGE)).await?;
            // Only now: a session in which nothing can be read is not up.
            self.report_up();
            if elements.is_empty() {
                if retries == 0 {
                    return Ok(());
                }
                retries -= 1;
                was_empty = true;
                continue;
            }
            let page = self.diff(elements, |event| progress.is_old(event))?;
            // Some servers repeat the last page for ever.
            let repeats = |previous: &HashSet<EventIdentity>| page.all.iter().all(|event| previous.contains(event));
            if !page.all.is_empty() && previous.as_ref().is_some_and(repeats) {
                return Ok(());
            }
            // They may also repeat a page of which nothing can be read.
            unreadable_pages = if page.all.is_empty() { unreadable_pages + 1 } else { 0 };
            if unreadable_pages > MAX_UNREADABLE_PAGES {
                return Ok(());
            }
            self.check_page(&page, progress, previous.is_none(), was_empty).await?;
            was_empty = false;
            previous = Some(page.all.iter().copied().collect());
            progress.read += page.new.len();
            self.commit_new(page.new, false).await?;
        }
    }

    /// Reports a gap before this page, and moves the cursor and the progress.
    async fn check_page(
        &mut self,
        page: &PageDiff,
        progress: &mut Progress,
        is_first: bool,
        was_empty: bool,
    ) -> ReadResult<()> {
        let (Some(first), Some(last)) = (page.all.first(), page.all.last()) else { return Ok(()) };
        // A reading that goes far back for late events need not find anything known on its first page.
        let must_overlap = self.cursor()?.begin(self.options.overlap).is_none_or(|begin| begin <= first.0);
        if is_first && !page.overlaps && must_overlap {
            let why = "vCenter no longer has what followed the last event that was read";
            self.check_gap(progress.last_read(), *first, why).await?;
        } else if was_empty && !page.reaches_back {
            self.check_gap(progress.last_read(), *first, STUCK).await?;
        }
        // Only a rising order proves that nothing older is still to come.
        if let Some(latest) = progress.latest.filter(|latest| latest <= first) {
            self.cursor_mut()?.reach(latest);
        }
        progress.begin = progress.since.max(Some(before(first.0, TIME_ROUNDING)));
        progress.latest = progress.latest.max(Some(*last));
        Ok(())
    }

    /// Reports a gap between `last`, which was read, and `first`, which was found, unless their keys are consecutive.
    pub(super) async fn check_gap(
        &mut self,
        last: Option<EventIdentity>,
        first: EventIdentity,
        why: &str,
    ) -> ReadResult<()> {
        let Some(last) = last else { return Ok(()) };
        // The difference of keys counts events only while keys rise, and only without a filter.
        let keys_rise = first.1 > last.1;
        let missing = first.1.checked_sub(last.1).and_then(|keys| u64::try_from(keys - 1).ok());
        if keys_rise && missing == Some(0) {
            return Ok(());
        }
        let events = missing.filter(|_| keys_rise && self.options.filter == 0);
        let listened_until = self.cursor()?.listened_until;
        let from = if listened_until <= first.0 { last.0.max(listened_until) } else { last.0.min(first.0) };
        let why = if keys_rise { why } else { "vCenter's event keys started over: its history was restored or lost" };
        self.report_missing(from, first.0, events, why).await
    }

    /// Reports events that cannot be read any more.
    pub(super) async fn report_missing(
        &self,
        from: Timestamp,
        to: Timestamp,
        events: Option<u64>,
        why: &str,
    ) -> ReadResult<()> {
        warn!(source = %self.out.source(), %from, %to, events, why, "events are missing and cannot be read any more");
        let committed = self.stop.or(self.out.gap(from, to, events, why)).await;
        self.check_commit(committed).await
    }
}
