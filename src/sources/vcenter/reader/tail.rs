//! The tail watches the latest page: new events arrive within a second, and idle time costs almost nothing.
//!
//! A page that no longer reaches back to what was read is torn: events fell off it, and a catch-up reads them.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use tracing::debug;

use super::page_diff::NewEvent;
use super::state::{ReadResult, Reader, SessionEnd};
use crate::sources::vcenter::api::{EventApi, PAGE, Pages};
use crate::sources::vcenter::cursor::{EventIdentity, TIME_ROUNDING, before};
use crate::stop::Stop;
use crate::vsphere::{ApiError, PageWatch, Reference};

/// Small, since every change brings the whole page.
const TAIL_PAGE: u32 = 100;
/// The tail was complete a moment ago, so a torn page need not read the whole overlap again.
const TORN_OVERLAP: Duration = Duration::from_secs(10);
/// How far back late events of a reconnected host are read: as long as the store remembers ids.
const MAX_LATE: Duration = Duration::from_secs(86_400);
/// An event from before the beginning whose key is at most this much above the last one is a late event.
const MAX_LATE_KEYS: i64 = 1_000_000;

pub(super) struct Tail {
    collector: Reference,
    watch: PageWatch,
    /// Where reading began when the tail was opened. Older events count as read unless they are late.
    begin: Option<Timestamp>,
    /// Older events that the page shows, at most two pages of them.
    old: HashSet<EventIdentity>,
    /// Whether there was any answer. The first one is the current page.
    answered: bool,
    /// Whether any page had an event.
    had_events: bool,
}

impl Tail {
    /// Its collector has no begin time, so that it shows the newest events whatever the server's clock does.
    pub(super) async fn open(reader: &Reader<'_>, api: &impl EventApi) -> ReadResult<Self> {
        let begin = reader.cursor()?.begin(reader.options.overlap);
        let collector = reader.call(api.create_collector(None, TAIL_PAGE)).await?;
        match reader.call(api.watch(&collector)).await {
            Ok(watch) => Ok(Self { collector, watch, begin, old: HashSet::new(), answered: false, had_events: false }),
            Err(end) => {
                reader.stop.or(async { log_failed(api.destroy(&collector).await) }).await;
                Err(end)
            }
        }
    }

    pub(super) async fn close(self, api: &impl EventApi, stop: &Stop) {
        let destroy = async {
            log_failed(api.destroy(&self.watch.collector).await);
            log_failed(api.destroy(&self.collector).await);
        };
        // After a stop, the log-out destroys them.
        stop.or(destroy).await;
    }

    /// None: no change within `wait`.
    pub(super) async fn next_pages(
        &mut self,
        reader: &Reader<'_>,
        api: &impl EventApi,
        wait: Duration,
    ) -> ReadResult<Option<Pages>> {
        match reader.call(api.next_pages(&mut self.watch, wait)).await {
            Err(SessionEnd::Failed(ApiError::Transport(fault))) if self.answered && fault.reason() == "too_large" => {
                debug!(source = %reader.out.source(), "update too large, catching up with a new tail");
                Err(SessionEnd::RestartTail)
            }
            pages => {
                self.answered |= pages.is_ok();
                pages
            }
        }
    }

    /// Commits the new events of `pages`, in order; catches up first where a page is torn.
    pub(super) async fn take(&mut self, reader: &mut Reader<'_>, api: &impl EventApi, pages: Pages) -> ReadResult<()> {
        let mut new: Vec<NewEvent> = Vec::new();
        let mut in_earlier_page: HashSet<EventIdentity> = HashSet::new();
        let mut torn = false;
        for elements in pages {
            let is_full = elements.len() >= TAIL_PAGE as usize;
            let last = reader.cursor()?.last;
            let page = reader.diff(elements, |event| in_earlier_page.contains(event) || self.is_old(event, last))?;
            torn |= !page.overlaps && !page.all.is_empty() && (is_full || self.had_events);
            self.had_events |= !page.all.is_empty();
            in_earlier_page.extend(page.new.iter().map(|event| event.identity));
            new.extend(page.new);
        }
        if torn {
            debug!(source = %reader.out.source(), "more events than the page holds, catching up");
            let begin = reader.begin_before(new.iter().map(|event| event.identity.0).min())?;
            reader.catch_up(api, begin).await?;
            reader.audits.soon(reader.options.overlap);
            let seen = &reader.cursor()?.seen;
            new.retain(|event| !seen.contains(&event.identity));
        }
        new.sort_by_key(|event| event.identity);
        reader.commit_new(new, true).await
    }

    /// Whether the event lies before the beginning and is not late.
    fn is_old(&mut self, event: &EventIdentity, last: Option<EventIdentity>) -> bool {
        if self.old.contains(event) {
            return true;
        }
        let is_before = self.begin.is_some_and(|begin| event.0 < begin);
        let is_late = last.is_some_and(|last| (1..MAX_LATE_KEYS).contains(&event.1.saturating_sub(last.1)));
        let is_old = is_before && !is_late;
        if is_old {
            if self.old.len() >= 2 * PAGE as usize {
                self.old.clear();
            }
            self.old.insert(*event);
        }
        is_old
    }
}

impl Reader<'_> {
    /// Where to read what fell off a torn page whose first new event is of `earliest`: after a host reconnects, its late
    /// events may be hours old.
    fn begin_before(&self, earliest: Option<Timestamp>) -> ReadResult<Option<Timestamp>> {
        let cursor = self.cursor()?;
        let begin = cursor.begin(self.options.overlap.min(TORN_OVERLAP));
        let Some(earliest) = earliest else { return Ok(begin) };
        let limit = before(self.server_now(), MAX_LATE).max(cursor.since.unwrap_or(Timestamp::MIN));
        let late = before(earliest, TIME_ROUNDING).max(limit);
        Ok(begin.map(|begin| begin.min(late)))
    }
}

/// An object that could not be destroyed ends with the session.
fn log_failed(result: Result<(), ApiError>) {
    if let Err(error) = result {
        debug!(fault = %error.fault(), "could not destroy an object of the tail");
    }
}
