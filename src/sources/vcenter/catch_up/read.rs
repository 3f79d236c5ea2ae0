//! Reads one collector to its end.

use std::collections::HashSet;

use super::gap::STUCK;
use super::progress::Progress;
use crate::sources::vcenter::api::{EventApi, PAGE};
use crate::sources::vcenter::cursor::{EventIdentity, TIME_ROUNDING, before};
use crate::sources::vcenter::reader::{PageDiff, ReadResult, Reader};
use crate::vsphere::Reference;

/// Pages in a row without a readable event, after which the collector counts as read.
const MAX_UNREADABLE_PAGES: u32 = 100;

impl Reader<'_> {
    /// Reads until the collector returns nothing, or nothing new. After an empty answer it is read again `retries` times.
    pub(super) async fn read_collector<A: EventApi>(
        &mut self,
        api: &A,
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
            let page = self.diff(elements, progress.since)?;
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
}
