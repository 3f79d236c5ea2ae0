//! Where reading resumes in a new session.

use std::time::Duration;

use jiff::Timestamp;
use tracing::warn;

use super::state::{ReadResult, Reader};
use crate::sources::vcenter::config::StartFrom;
use crate::sources::vcenter::cursor::{CLOCK_TOLERANCE, Cursor, before};

/// How far to read back after the server's clock was set back by an unknown time. The store remembers ids for a day, so
/// nothing is delivered twice.
const READ_BACK: Duration = Duration::from_secs(86_400);

impl Reader<'_> {
    /// From the last committed cursor or, on the first start, as relays.toml says.
    pub(super) async fn resume(&mut self, instance: &str, now: Timestamp) -> ReadResult<()> {
        let source = self.out.source();
        let known = match self.cursor.take() {
            None => self.stored_cursor(instance, now).await?,
            known => known,
        };
        let known = known.filter(|cursor| {
            if cursor.instance != instance {
                warn!(%source, before = cursor.instance, instance, "a different vCenter answers, starting over");
                self.first_start = None;
            }
            cursor.instance == instance
        });
        let first_start = *self.first_start.get_or_insert(now);
        let mut cursor = known.unwrap_or_else(|| {
            let since = match self.options.from {
                StartFrom::Now => Some(first_start),
                StartFrom::Ago(ago) => Some(before(first_start, ago)),
                StartFrom::Beginning => None,
            };
            Cursor::new(instance, self.options.filter, since, first_start)
        });
        if before(cursor.listened_until, CLOCK_TOLERANCE) > now {
            let read = cursor.listened_until;
            warn!(%source, server = %now, %read, "vCenter's clock was set back, reading the last day again");
            cursor.turn_back(now, READ_BACK, self.options.overlap);
        }
        if cursor.filter != self.options.filter {
            // The last event may not pass the new filter.
            cursor.change_filter(self.options.filter, self.options.overlap);
        }
        self.cursor = Some(cursor);
        self.caught_up = false;
        // Committed at once, so that events which happen while the daemon is down are read later.
        self.commit(Vec::new()).await
    }

    /// The last committed cursor. An unreadable one is reported as a gap and replaced by one of a moment ago.
    async fn stored_cursor(&self, instance: &str, now: Timestamp) -> ReadResult<Option<Cursor>> {
        let Some(stored) = self.out.cursor() else { return Ok(None) };
        match Cursor::read(&stored) {
            Ok(cursor) => Ok(Some(cursor)),
            Err(error) => {
                warn!(source = %self.out.source(), error, "stored cursor is unreadable, starting over a little before now");
                let since = before(now, self.options.overlap);
                let why = "the stored cursor is unreadable: events between the last one and this time are unknown";
                let committed = self.stop.or(self.out.gap(since, since, None, why)).await;
                self.check_commit(committed).await?;
                Ok(Some(Cursor::new(instance, self.options.filter, Some(since), now)))
            }
        }
    }
}
