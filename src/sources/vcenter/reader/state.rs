//! What the reader knows over all its sessions, and how it commits events together with its cursor.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};
use tracing::debug;

use crate::event::Event;
use crate::fault::Fault;
use crate::outbox::Outbox;
use crate::sources::vcenter::api::EventApi;
use crate::sources::vcenter::audit_schedule::AuditSchedule;
use crate::sources::vcenter::canary::Canary;
use crate::sources::vcenter::config::ReadOptions;
use crate::sources::vcenter::cursor::Cursor;
use crate::sources::vcenter::parse::MalformedEvents;
use crate::stop::Stop;
use crate::vsphere::{ApiError, OwnSessions};

/// The wait before events are read again that could not be committed.
const COMMIT_RETRY: Duration = Duration::from_secs(1);

/// Why reading in a session ended.
#[derive(Debug)]
pub(super) enum SessionEnd {
    Stopped,
    /// The tail has to be opened again, in the same session.
    RestartTail,
    Failed(ApiError),
}

pub(super) type ReadResult<T> = Result<T, SessionEnd>;

impl SessionEnd {
    /// Whether objects that were made in the session can still be destroyed, and have to be.
    pub(super) fn leaves_objects(&self) -> bool {
        !matches!(self, Self::Stopped | Self::Failed(ApiError::SessionLost | ApiError::Transport(_)))
    }
}

/// Lives as long as the source runs.
pub(in crate::sources::vcenter) struct Reader<'a> {
    pub(super) options: &'a ReadOptions,
    pub(super) out: &'a Outbox,
    pub(super) stop: &'a Stop,
    /// None before the first session, and during a commit: when a commit is cut off because the session is lost, reading
    /// resumes from what the outbox knows to be committed.
    pub(super) cursor: Option<Cursor>,
    /// Whether everything before the cursor was read; not so during a catch-up.
    pub(super) caught_up: bool,
    /// The server's clock when it was last read, and when that was.
    server_clock: (Timestamp, Instant),
    /// When the first reading began, by the server's clock, for `from = "now"`: a refused commit must not move it.
    pub(super) first_start: Option<Timestamp>,
    pub(super) audits: AuditSchedule,
    pub(super) canary: Canary,
    pub(super) own_sessions: &'a OwnSessions,
    /// Whether events of the present session were committed.
    pub(super) delivered: bool,
    pub(super) malformed: MalformedEvents,
}

impl<'a> Reader<'a> {
    pub(in crate::sources::vcenter) fn new(
        options: &'a ReadOptions,
        own_sessions: &'a OwnSessions,
        out: &'a Outbox,
        stop: &'a Stop,
    ) -> Self {
        Self {
            options,
            out,
            stop,
            cursor: None,
            caught_up: false,
            server_clock: (Timestamp::UNIX_EPOCH, Instant::now()),
            first_start: None,
            audits: AuditSchedule::new(),
            canary: Canary::new(options.canary, out.source()),
            own_sessions,
            delivered: false,
            malformed: MalformedEvents::default(),
        }
    }

    /// The source is up, unless a missing canary shows that vCenter only seems to work.
    pub(super) fn report_up(&self) {
        if !self.canary.missing {
            self.out.up();
        }
    }

    /// Commits events together with the cursor behind them. After a refusal the caller restores the cursor.
    pub(super) async fn commit(&mut self, events: Vec<Event>) -> ReadResult<()> {
        let now = self.server_now();
        let mut cursor = self.cursor.take().ok_or(SessionEnd::RestartTail)?;
        if self.caught_up {
            cursor.mark_listened(now);
        }
        let has_events = !events.is_empty();
        let committed = self.stop.or(self.out.put_all(events, Some(cursor.write(self.options.overlap)))).await;
        self.cursor = Some(cursor);
        self.delivered |= has_events && matches!(committed, Some(Ok(())));
        self.check_commit(committed).await
    }

    /// A full disk is waited out. An intake that closes means a stop.
    pub(super) async fn check_commit(&self, committed: Option<Result<(), Fault>>) -> ReadResult<()> {
        match committed {
            Some(Ok(())) => Ok(()),
            Some(Err(fault)) if fault.reason() != "closing" => {
                debug!(source = %self.out.source(), %fault, "commit refused, reading again from the last cursor");
                self.stop.or(sleep(COMMIT_RETRY)).await.ok_or(SessionEnd::Stopped)?;
                Err(SessionEnd::RestartTail)
            }
            Some(Err(_)) | None => Err(SessionEnd::Stopped),
        }
    }

    pub(super) async fn call<T>(&self, call: impl Future<Output = Result<T, ApiError>>) -> ReadResult<T> {
        self.stop.or(call).await.ok_or(SessionEnd::Stopped)?.map_err(SessionEnd::Failed)
    }

    pub(super) async fn read_clock(&mut self, api: &impl EventApi) -> ReadResult<Timestamp> {
        let now = self.call(api.server_time()).await?;
        self.server_clock = (now, Instant::now());
        Ok(now)
    }

    /// The server's clock, from when it was last read.
    pub(super) fn server_now(&self) -> Timestamp {
        let (then, read_at) = self.server_clock;
        let since = SignedDuration::try_from(read_at.elapsed()).unwrap_or_default();
        then.checked_add(since).unwrap_or(then)
    }

    /// There is none only after a commit was cut off; the tail then starts again.
    pub(super) fn cursor(&self) -> ReadResult<&Cursor> {
        self.cursor.as_ref().ok_or(SessionEnd::RestartTail)
    }

    pub(super) fn cursor_mut(&mut self) -> ReadResult<&mut Cursor> {
        self.cursor.as_mut().ok_or(SessionEnd::RestartTail)
    }
}
