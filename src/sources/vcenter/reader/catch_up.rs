//! Reads what happened since a time, with event collectors of its own that are destroyed afterwards.
//!
//! An empty answer does not prove the end: a collector may be stuck, may skip events without a read permission, or the
//! next burst came a moment later. Its latest page shows whether newer events exist; then a new collector reads on. Only
//! what a new collector cannot read either is missing.

use jiff::Timestamp;
use tracing::debug;

use super::collector::{Progress, STUCK};
use super::page_diff::PageDiff;
use super::state::{ReadResult, Reader, SessionEnd};
use crate::sources::vcenter::api::{EventApi, PAGE};
use crate::vsphere::Reference;

/// Collectors in a row that bring nothing, before what they should have brought counts as missing.
const MAX_TRIES: u32 = 4;
/// How often the last of them is read again after an empty answer: vCenter may have filtered out a whole page.
const RETRIES_WHEN_EMPTY: u32 = 3;

impl Reader<'_> {
    /// Reads everything since `begin` that was not read before. Returns the number of new events.
    pub(super) async fn catch_up(&mut self, api: &impl EventApi, begin: Option<Timestamp>) -> ReadResult<usize> {
        self.caught_up = false;
        let cursor = self.cursor()?;
        let expected = cursor.last.filter(|_| cursor.expects_last());
        let mut progress = Progress { since: begin, begin, expected, ..Progress::default() };
        let mut without_progress = 0;
        loop {
            let before = progress.read;
            let is_last_try = without_progress + 1 >= MAX_TRIES;
            if self.read_with_new_collector(api, &mut progress, is_last_try).await? {
                break;
            }
            without_progress = if progress.read > before { 0 } else { without_progress + 1 };
            debug!(source = %self.out.source(), read = progress.read, "events remain, reading on with a new collector");
        }
        if let Some(latest) = progress.latest {
            self.cursor_mut()?.reach(latest);
        }
        if progress.read > 0 {
            self.commit(Vec::new()).await?;
        }
        self.caught_up = true;
        Ok(progress.read)
    }

    /// True: nothing is left.
    async fn read_with_new_collector(
        &mut self,
        api: &impl EventApi,
        progress: &mut Progress,
        is_last_try: bool,
    ) -> ReadResult<bool> {
        let collector = self.call(api.create_collector(progress.begin, PAGE)).await?;
        let retries = if is_last_try { RETRIES_WHEN_EMPTY } else { 0 };
        let done = match self.read_collector(api, &collector, progress, retries).await {
            Ok(()) => self.check_rest(api, &collector, progress, is_last_try).await,
            Err(end) => Err(end),
        };
        // A session may have few collectors, so each is destroyed; those of a lost session are gone with it.
        if done.as_ref().err().is_none_or(SessionEnd::leaves_objects)
            && let Some(Err(error)) = self.stop.or(api.destroy(&collector)).await
        {
            debug!(source = %self.out.source(), fault = %error.fault(), "could not destroy an event collector");
        }
        done
    }

    /// Takes the new events of the latest page. False: events before them are still to be read, with a new collector. On
    /// the last try these are reported as a gap instead.
    async fn check_rest(
        &mut self,
        api: &impl EventApi,
        collector: &Reference,
        progress: &mut Progress,
        is_last_try: bool,
    ) -> ReadResult<bool> {
        let elements = self.call(api.latest_page(collector)).await?;
        // A page that is not full holds everything.
        let is_full = elements.len() >= PAGE as usize;
        let PageDiff { all, new, overlaps, reaches_back } = self.diff(elements, |event| progress.is_old(event))?;
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
