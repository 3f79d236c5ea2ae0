//! A tail can be deaf and not know it. Now and then what it should have said is read the other way.

use std::time::Duration;

use jiff::SignedDuration;
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
}

impl Audits {
    pub(super) fn new() -> Self {
        let mut audits = Self { next: Instant::now(), quiet_since: Instant::now(), deaf: false, mended: None };
        audits.done();
        audits
    }

    pub(super) fn done(&mut self) {
        let now = Instant::now();
        self.next = now + Duration::from_secs(fastrand::u64(EVERY.0..=EVERY.1));
        self.quiet_since = now;
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
        let place = self.place()?;
        let next = place.seen.complete_after().map(|time| time.saturating_add(SignedDuration::from_nanos(1)));
        let begin = place.begin(self.wants.overlap);
        let begin = begin.max(next.and_then(Result::ok));
        let missed = self.catch_up(history, begin).await?;
        self.audits.done();
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
}
