//! One audit: a catch-up that should find nothing which the tail has not brought.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use crate::sources::vcenter::api::EventApi;
use crate::sources::vcenter::cursor::{CLOCK_TOLERANCE, before};
use crate::sources::vcenter::reader::{ReadResult, Reader, SessionEnd, Tail};

/// An event that the audit found may be newer than the last page of a working tail, but not by more than this.
const TAIL_DELAY: Duration = Duration::from_secs(10);
/// The wait for pages of the tail before the audit.
const PENDING_PAGES: Duration = Duration::from_secs(1);

impl Reader<'_> {
    pub(crate) async fn audit<A: EventApi>(&mut self, api: &A, tail: &mut Tail<A>) -> ReadResult<()> {
        let now = self.read_clock(api).await?;
        if before(self.cursor()?.listened_until, CLOCK_TOLERANCE) > now {
            return Err(SessionEnd::RestartTail);
        }
        // Pages that are on their way are not missed ones.
        if let Some(pages) = tail.next_pages(self, api, PENDING_PAGES).await? {
            tail.take(self, api, pages).await?;
        }
        let missed = self.catch_up(api, self.audit_begin()?).await?;
        self.audits.done(now);
        self.commit(Vec::new()).await?;
        if missed == 0 {
            return Ok(());
        }
        if let Some(pages) = tail.next_pages(self, api, TAIL_DELAY).await? {
            return tail.take(self, api, pages).await;
        }
        warn!(source = %self.out.source(), events = missed, "vCenter did not announce new events, an audit found them");
        if self.audits.restart_tail() { Err(SessionEnd::RestartTail) } else { Ok(()) }
    }

    /// An event that a stalled tail missed may be older than the newest event by all the time since the last complete
    /// reading. What the cursor no longer remembers is not read again.
    fn audit_begin(&self) -> ReadResult<Option<Timestamp>> {
        let (cursor, overlap) = (self.cursor()?, self.options.overlap);
        let begin = cursor.begin(overlap);
        let last_reading = self.audits.complete_reading;
        let last_reading = last_reading.map(|time| before(time, overlap).max(cursor.since.unwrap_or(Timestamp::MIN)));
        let begin = begin.map(|begin| last_reading.map_or(begin, |time| begin.min(time)));
        let remembered = cursor.seen.complete_after().map(|time| time.saturating_add(SignedDuration::from_nanos(1)));
        Ok(begin.max(remembered.and_then(Result::ok)))
    }
}
