//! Events that vCenter no longer has, or shows but does not return.

use jiff::Timestamp;
use tracing::warn;

use crate::sources::vcenter::cursor::EventIdentity;
use crate::sources::vcenter::reader::{ReadResult, Reader};

/// The cause of a gap although vCenter has the events.
pub(super) const STUCK: &str =
    "vCenter shows newer events but not those between (missing rights, or its reading is stuck)";

impl Reader<'_> {
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

    pub(super) async fn report_missing(
        &self,
        from: Timestamp,
        to: Timestamp,
        events: Option<u64>,
        why: &str,
    ) -> ReadResult<()> {
        warn!(source = %self.out.source(), %from, %to, events, why, "events are missing and cannot be read any more");
        self.report_gap(from, to, events, why).await
    }
}
