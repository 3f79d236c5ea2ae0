//! A tail can be deaf and not know it. Now and then what it should have said is read the other way.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tracing::warn;

use super::history::History;
use super::place::back;
use super::reading::{End, Reader, Step, TOLERANCE};
use super::tail::Tail;

/// Between audits at the least, and at the most: many daemons on one vCenter shall not keep step.
const EVERY: (u64, u64) = (900, 1800);
/// After so long without an event silence itself is looked into.
const QUIET: Duration = Duration::from_secs(600);
/// Where pages are torn all the time, audits are no more frequent than this.
const SOONEST: Duration = Duration::from_secs(60);
/// An event that an audit found may be younger than a healthy tail's last word, but not by so much.
const TAIL_ANSWERS: Duration = Duration::from_secs(10);
/// What the tail has to say before an audit is waited for no longer than this.
const MOMENT: Duration = Duration::from_secs(1);

/// When the next one is due.
pub(super) struct Audits {
    next: Instant,
    /// The last event, or audit.
    quiet_since: Instant,
    /// Set when the tail was found deaf: until it speaks, audits do its work.
    deaf: bool,
    /// When it was last made anew for that.
    mended: Option<Instant>,
    /// The server's clock when the last reading of the history began that came to its end.
    read_at: Option<Timestamp>,
}

impl Audits {
    pub(super) fn new() -> Self {
        let mut audits =
            Self { next: Instant::now(), quiet_since: Instant::now(), deaf: false, mended: None, read_at: None };
        audits.plan();
        audits
    }

    /// What began at `read_at`, by the server's clock, is done.
    pub(super) fn done(&mut self, read_at: Timestamp) {
        self.read_at = Some(read_at);
        self.plan();
    }

    fn plan(&mut self) {
        let now = Instant::now();
        self.next = now + Duration::from_secs(fastrand::u64(EVERY.0..=EVERY.1));
        self.quiet_since = now;
    }

    /// A page was torn; what is late may still be on its way.
    pub(super) fn look_soon(&mut self, overlap: Duration) {
        self.next = self.next.min(Instant::now() + (overlap / 2).max(SOONEST));
    }

    pub(super) fn heard(&mut self) {
        self.quiet_since = Instant::now();
    }

    pub(super) fn tail_spoke(&mut self) {
        self.deaf = false;
    }

    pub(super) fn due_in(&self, poll: Duration) -> Duration {
        let quiet = if self.deaf { poll } else { QUIET };
        self.next.min(self.quiet_since + quiet).saturating_duration_since(Instant::now())
    }

    /// Whether making the tail anew is worth a try: not again at once where that did not help.
    fn mend(&mut self) -> bool {
        let worth = self.mended.is_none_or(|then| then.elapsed() >= QUIET);
        if worth {
            self.mended = Some(Instant::now());
        }
        self.deaf = true;
        worth
    }
}

impl Reader<'_> {
    pub(super) async fn audit<H: History>(&mut self, history: &H, tail: &mut Tail<H>) -> Step<()> {
        let now = self.ask_clock(history).await?;
        if back(self.place()?.heard, TOLERANCE) > now {
            return Err(End::Anew);
        }
        // What it is about to say is not what it missed.
        if let Some(pages) = tail.changes(self, history, MOMENT).await? {
            tail.take(self, history, pages).await?;
        }
        let missed = self.catch_up(history, self.begin_of_audit()?).await?;
        self.audits.done(now);
        self.commit(Vec::new()).await?;
        if missed == 0 {
            return Ok(());
        }
        if let Some(pages) = tail.changes(self, history, TAIL_ANSWERS).await? {
            return tail.take(self, history, pages).await;
        }
        warn!(source = %self.out.source(), events = missed, "vCenter did not tell of new events: they were found by an audit");
        if self.audits.mend() { Err(End::Anew) } else { Ok(()) }
    }

    /// What was written down behind the back of a deaf tail may be older than the newest event by all the time since the
    /// last audit. What had to be forgotten is not read again.
    pub(super) fn begin_of_audit(&self) -> Step<Option<Timestamp>> {
        let place = self.place()?;
        let begin = place.begin(self.wants.overlap);
        let before =
            self.audits.read_at.map(|time| back(time, self.wants.overlap).max(place.since.unwrap_or(Timestamp::MIN)));
        let begin = begin.map(|begin| before.map_or(begin, |before| begin.min(before)));
        let next = place.seen.complete_after().map(|time| time.saturating_add(SignedDuration::from_nanos(1)));
        Ok(begin.max(next.and_then(Result::ok)))
    }
}
