//! A tail can stall without an error. An audit is a catch-up that should find nothing that the tail has not read; a
//! canary event that does not return although audits work shows that vCenter itself records nothing.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::{error, warn};

use super::state::{ReadResult, Reader, SessionEnd};
use super::tail::Tail;
use crate::sources::vcenter::api::EventApi;
use crate::sources::vcenter::cursor::{CLOCK_TOLERANCE, before};
use crate::vsphere::ApiError;

/// An event that the audit found may be newer than the last page of a working tail, but not by more than this.
const TAIL_DELAY: Duration = Duration::from_secs(10);
/// The wait for pages of the tail before the audit.
const PENDING_PAGES: Duration = Duration::from_secs(1);
/// Faults of a vCenter that works but never accepts a user event.
const UNSUPPORTED: [&str; 4] = ["MethodNotFound", "NoPermission", "NotSupported", "InvalidRequest"];

impl Reader<'_> {
    pub(super) async fn audit(&mut self, api: &impl EventApi, tail: &mut Tail) -> ReadResult<()> {
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
        let remembered = cursor.seen.forgotten.map(|time| time.saturating_add(SignedDuration::from_nanos(1)));
        Ok(begin.max(remembered.and_then(Result::ok)))
    }

    /// Sends the canary event when it is due, and ends the session when it does not return.
    pub(super) async fn check_canary(&mut self, api: &impl EventApi, tail: &mut Tail) -> ReadResult<()> {
        if self.canary.is_overdue() {
            // A stalled tail is repaired by the audit. A canary that the history itself does not hold is worse.
            self.audit(api, tail).await?;
            if let Some(fault) = self.canary.miss() {
                error!(source = %self.out.source(), %fault, "canary event did not return, reconnecting");
                return Err(SessionEnd::Failed(ApiError::Transport(fault)));
            }
        }
        let Some(message) = self.canary.next() else { return Ok(()) };
        match self.call(api.log_event(&message)).await {
            Err(SessionEnd::Failed(ApiError::Server { name, fault })) if UNSUPPORTED.contains(&name.as_str()) => {
                warn!(source = %self.out.source(), fault = name, "canary disabled, vCenter refuses the event: {fault}");
                self.canary.disable();
                self.out.up();
                Ok(())
            }
            result => {
                if result.is_err() {
                    self.canary.send_again();
                }
                result
            }
        }
    }
}
