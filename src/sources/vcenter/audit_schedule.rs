//! When the next audit is due.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// The shortest and the longest time between audits. Random, so that several daemons do not audit one vCenter at once.
const EVERY_SECONDS: (u64, u64) = (900, 1800);
/// The time without events after which an audit is due.
const QUIET: Duration = Duration::from_secs(600);
/// The shortest time between audits that torn pages ask for.
const MIN_SOON: Duration = Duration::from_secs(60);

pub(super) struct AuditSchedule {
    next: Instant,
    /// The last event or audit.
    pub(super) quiet_since: Instant,
    /// Set when an audit found events that the tail had missed. Until the tail answers, audits replace it.
    pub(super) tail_stalled: bool,
    /// When the tail was last opened again for that reason.
    tail_restarted: Option<Instant>,
    /// The server's clock when the last complete reading of the history began.
    pub(super) complete_reading: Option<Timestamp>,
}

impl AuditSchedule {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let next = now + random_interval();
        Self { next, quiet_since: now, tail_stalled: false, tail_restarted: None, complete_reading: None }
    }

    /// A complete reading of the history is done, which began at `server_time`.
    pub(super) fn done(&mut self, server_time: Timestamp) {
        self.complete_reading = Some(server_time);
        self.quiet_since = Instant::now();
        self.next = self.quiet_since + random_interval();
    }

    /// A page was torn, so late events may still be on their way.
    pub(super) fn soon(&mut self, overlap: Duration) {
        self.next = self.next.min(Instant::now() + (overlap / 2).max(MIN_SOON));
    }

    pub(super) fn due_in(&self, poll: Duration) -> Duration {
        let quiet = if self.tail_stalled { poll } else { QUIET };
        self.next.min(self.quiet_since + quiet).saturating_duration_since(Instant::now())
    }

    /// The tail missed events. Whether to open it again: not if that was done a moment ago, without success.
    pub(super) fn restart_tail(&mut self) -> bool {
        let restart = self.tail_restarted.is_none_or(|then| then.elapsed() >= QUIET);
        if restart {
            self.tail_restarted = Some(Instant::now());
        }
        self.tail_stalled = true;
        restart
    }
}

fn random_interval() -> Duration {
    Duration::from_secs(fastrand::u64(EVERY_SECONDS.0..=EVERY_SECONDS.1))
}
