//! Reads with one collector after the other until nothing is left.

use jiff::Timestamp;
use tracing::debug;

use super::progress::Progress;
use crate::sources::vcenter::api::{EventApi, PAGE};
use crate::sources::vcenter::reader::{ReadResult, Reader, SessionEnd};

/// Collectors in a row that bring nothing, before what they should have brought counts as missing.
const MAX_TRIES: u32 = 4;
/// How often the last of them is read again after an empty answer: vCenter may have filtered out a whole page.
const RETRIES_WHEN_EMPTY: u32 = 3;

impl Reader<'_> {
    /// Reads everything since `begin` that was not read before. Returns the number of new events.
    pub(crate) async fn catch_up<A: EventApi>(&mut self, api: &A, begin: Option<Timestamp>) -> ReadResult<usize> {
        self.caught_up = false;
        let cursor = self.cursor()?;
        let mut progress = Progress::new(begin, cursor.last.filter(|_| cursor.expects_last()));
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
    async fn read_with_new_collector<A: EventApi>(
        &mut self,
        api: &A,
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
            && let Some(Err(error)) = self.stop.or(api.destroy_collector(&collector)).await
        {
            debug!(source = %self.out.source(), fault = %error.fault(), "could not destroy an event collector");
        }
        done
    }
}
