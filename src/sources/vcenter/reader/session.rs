//! Reads the history through one session: the tail watches the latest page; a catch-up reads whatever the tail could
//! have missed; audits check the tail.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{info, warn};

use super::state::{ReadResult, Reader, SessionEnd};
use super::tail::Tail;
use crate::sources::vcenter::api::EventApi;
use crate::sources::vcenter::cursor::before;
use crate::vsphere::ApiError;

/// A tail that fails sooner is not opened again in this session.
const MIN_TAIL: Duration = Duration::from_secs(10);
/// vCenter counts waits in whole seconds, and 0 means no wait.
const MIN_WAIT: Duration = Duration::from_secs(1);
/// A larger difference between the clocks is logged, since the times of events are the server's.
const MAX_CLOCK_DIFFERENCE: Duration = Duration::from_secs(60);

impl Reader<'_> {
    pub(super) async fn read_session(&mut self, api: &impl EventApi) -> SessionEnd {
        loop {
            let began = Instant::now();
            let Err(end) = self.open_and_follow(api).await;
            match end {
                SessionEnd::RestartTail => {}
                SessionEnd::Failed(ApiError::NotFound(fault)) if began.elapsed() >= MIN_TAIL => {
                    warn!(source = %self.out.source(), %fault, "vCenter dropped an event collector, creating a new one");
                }
                end => return end,
            }
        }
    }

    async fn open_and_follow(&mut self, api: &impl EventApi) -> ReadResult<Infallible> {
        let now = self.read_clock(api).await?;
        let local = Timestamp::now();
        if before(now.max(local), MAX_CLOCK_DIFFERENCE) > now.min(local) {
            warn!(source = %self.out.source(), server = %now, %local, "the clocks of vCenter and of this machine differ");
        }
        self.resume(api.instance_uuid(), now).await?;
        let mut tail = Tail::open(self, api).await?;
        let Err(end) = self.follow(api, &mut tail).await;
        if end.leaves_objects() {
            tail.close(api, self.stop).await;
        }
        Err(end)
    }

    /// The tail is open before the catch-up begins, so that no event falls between them.
    async fn follow(&mut self, api: &impl EventApi, tail: &mut Tail) -> ReadResult<Infallible> {
        let first = tail.next_pages(self, api, self.options.poll).await?.unwrap_or_default();
        let (began, server_time) = (Instant::now(), self.server_now());
        let read = self.catch_up(api, self.cursor()?.begin(self.options.overlap)).await?;
        if read > 0 {
            info!(source = %self.out.source(), events = read, took = ?began.elapsed(), "caught up");
        }
        tail.take(self, api, first).await?;
        self.audits.done(server_time);
        loop {
            let wait = self.options.poll.min(self.audits.due_in(self.options.poll)).min(self.canary.due_in());
            if let Some(pages) = tail.next_pages(self, api, wait.max(MIN_WAIT)).await? {
                self.audits.tail_stalled = false;
                tail.take(self, api, pages).await?;
            }
            if self.audits.due_in(self.options.poll).is_zero() {
                self.audit(api, tail).await?;
            }
            self.check_canary(api, tail).await?;
        }
    }
}
