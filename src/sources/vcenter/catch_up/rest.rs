//! Whether a collector that returns nothing more has left events unread: its latest page shows.

use super::gap::STUCK;
use super::progress::Progress;
use crate::sources::vcenter::api::{EventApi, PAGE};
use crate::sources::vcenter::reader::{PageDiff, ReadResult, Reader};
use crate::vsphere::Reference;

impl Reader<'_> {
    /// Takes the new events of the latest page. False: events before them are still to be read, with a new collector. On
    /// the last try these are reported as a gap instead.
    pub(super) async fn check_rest<A: EventApi>(
        &mut self,
        api: &A,
        collector: &Reference,
        progress: &mut Progress,
        is_last_try: bool,
    ) -> ReadResult<bool> {
        let elements = self.call(api.latest_page(collector)).await?;
        // A page that is not full holds everything.
        let is_full = elements.len() >= PAGE as usize;
        let PageDiff { all, new, overlaps, reaches_back } = self.diff(elements, progress.since)?;
        let Some(first) = new.first().map(|event| event.identity) else { return Ok(true) };
        let is_torn = if is_full { !reaches_back } else { !overlaps };
        if is_torn && is_full && !is_last_try {
            return Ok(false);
        }
        if is_torn {
            let last_read = self.cursor()?.seen.last_before(first).filter(|_| is_full).or(progress.last_read());
            match last_read {
                None if is_full => {
                    let from = progress.since.unwrap_or(first.0).min(first.0);
                    self.report_missing(from, first.0, None, STUCK).await?;
                }
                last_read => self.check_gap(last_read, first, STUCK).await?,
            }
        }
        progress.latest = progress.latest.max(all.last().copied());
        progress.read += new.len();
        self.commit_new(new, false).await?;
        Ok(true)
    }
}
