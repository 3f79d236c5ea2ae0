//! Reading without loss and without repetition: the tail of the latest page, watched; a catch-up wherever it could
//! have missed something; an audit now and then, because a tail can be deaf and not know it.
//!
//! The place in the history is the client's own, moves only with what was committed, and is never told by the order
//! of keys: they restart, wrap and stand still.

use std::convert::Infallible;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::audit::Audits;
use super::canary::Canary;
use super::history::History;
use super::odd::Odd;
use super::own::Own;
use super::place::{Place, back};
use super::tail::Tail;
use crate::event::Event;
use crate::fault::Fault;
use crate::outbox::Outbox;
use crate::stop::Stop;
use crate::vsphere::Trouble;

/// How long what could not be committed is left alone.
const PATIENCE: Duration = Duration::from_secs(1);
/// A tail that does not last so long is not mended by making it again: the session is.
const SHORT: Duration = Duration::from_secs(10);
/// The server counts waits in whole seconds, and none means that it does not wait.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// Why a vCenter that is well does not write down an event of ours, and never will.
const TAKES_NONE: [&str; 4] = ["MethodNotFound", "NoPermission", "NotSupported", "InvalidRequest"];
/// Clocks this far apart are worth a line in the log: an event's time is the server's.
const APART: Duration = Duration::from_secs(60);
/// A clock behind what was read by more than this was set back.
pub(super) const TOLERANCE: Duration = Duration::from_secs(300);

/// What relays.toml says of the reading.
#[derive(Debug, Clone)]
pub(super) struct Wants {
    pub(super) from: From,
    pub(super) overlap: Duration,
    /// The longest that one wait for news takes.
    pub(super) poll: Duration,
    pub(super) canary: Option<Duration>,
    /// Tells one filter from another; 0 is none.
    pub(super) filter: u32,
}

/// Where the very first reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Now,
    Ago(Duration),
    Beginning,
}

/// Why the reading of a session ended.
#[derive(Debug)]
pub(super) enum End {
    Stopped,
    /// The tail is to be made anew, in the same session.
    Anew,
    Lost(Trouble),
    /// The session answers, and yet what was said into it does not come back.
    Deaf(Fault),
}

pub(super) type Step<T> = Result<T, End>;

/// Lives as long as the source runs, over all its sessions.
pub(super) struct Reader<'a> {
    pub(super) wants: &'a Wants,
    pub(super) out: &'a Outbox,
    pub(super) stop: &'a Stop,
    /// None before the first session, and while something is being committed: whoever is interrupted there (its session
    /// was found dead) goes on from what the outbox knows to be committed.
    pub(super) place: Option<Place>,
    /// Whether everything before the place was read: not so while a catch-up is under way.
    pub(super) whole: bool,
    /// The server's clock when it was last asked, and when that was.
    clock: (Timestamp, Instant),
    /// By the server's clock, for `from = "now"`: a commit that is refused must not move it.
    pub(super) began: Option<Timestamp>,
    pub(super) audits: Audits,
    pub(super) canary: Canary,
    pub(super) own: Own,
    pub(super) odd: Odd,
}

impl<'a> Reader<'a> {
    pub(super) fn new(wants: &'a Wants, out: &'a Outbox, stop: &'a Stop) -> Self {
        Self {
            wants,
            out,
            stop,
            place: None,
            whole: false,
            clock: (Timestamp::UNIX_EPOCH, Instant::now()),
            began: None,
            audits: Audits::new(),
            canary: Canary::new(wants.canary, out.source()),
            own: Own::default(),
            odd: Odd::default(),
        }
    }

    /// Reads through one session until it ends.
    pub(super) async fn session<H: History>(&mut self, history: &H) -> End {
        self.own.session(history.session_key(), history.user_agent());
        loop {
            let began = Instant::now();
            let Err(end) = self.follow(history).await;
            match end {
                End::Anew => {}
                End::Lost(Trouble::Gone(fault)) if began.elapsed() >= SHORT => {
                    warn!(source = %self.out.source(), %fault, "vCenter dropped a collector of ours; making a new one");
                }
                end => return end,
            }
        }
    }

    /// Tail first, then catch up, so that there is no hole between them.
    async fn follow<H: History>(&mut self, history: &H) -> Step<Infallible> {
        let now = self.ask_clock(history).await?;
        let ours = Timestamp::now();
        if back(now.max(ours), APART) > now.min(ours) {
            warn!(source = %self.out.source(), server = %now, %ours, "the clocks of vCenter and of this machine differ");
        }
        self.settle(history.instance(), now).await?;
        let mut tail = Tail::open(self, history).await?;
        let end = self.listen(history, &mut tail).await;
        if !matches!(end, Err(End::Stopped | End::Lost(Trouble::LoggedOut | Trouble::Road(_)))) {
            tail.close(history, self.stop).await;
        }
        end
    }

    async fn listen<H: History>(&mut self, history: &H, tail: &mut Tail<H>) -> Step<Infallible> {
        let first = tail.changes(self, history, self.wants.poll).await?.unwrap_or_default();
        let (began, read_at) = (Instant::now(), self.server_now());
        let read = self.catch_up(history, self.place()?.begin(self.wants.overlap)).await?;
        if read > 0 {
            info!(source = %self.out.source(), events = read, took = ?began.elapsed(), "caught up");
        }
        tail.take(self, history, first).await?;
        self.audits.done(read_at);
        loop {
            let wait = self.wants.poll.min(self.audits.due_in(self.wants.poll)).min(self.canary.due_in());
            if let Some(pages) = tail.changes(self, history, wait.max(SHORTEST_WAIT)).await? {
                self.audits.tail_spoke();
                tail.take(self, history, pages).await?;
            }
            if self.audits.due_in(self.wants.poll).is_zero() {
                self.audit(history, tail).await?;
            }
            self.sing(history, tail).await?;
        }
    }

    /// The line is up, unless it was found to be one that only looks so.
    pub(super) fn stand(&self) {
        if !self.canary.is_missed() {
            self.out.up();
        }
    }

    /// Sends the canary when it is time, and misses it when it does not come back.
    async fn sing<H: History>(&mut self, history: &H, tail: &mut Tail<H>) -> Step<()> {
        if self.canary.is_overdue() {
            // A deaf tail is mended. A canary that the history itself does not hold is worse.
            self.audit(history, tail).await?;
            if let Some(fault) = self.canary.miss() {
                return Err(End::Deaf(fault));
            }
        }
        let Some(words) = self.canary.next() else { return Ok(()) };
        match self.ask(history.note(&words)).await {
            Err(End::Lost(Trouble::Server { name, fault })) if TAKES_NONE.contains(&name.as_str()) => {
                warn!(source = %self.out.source(), fault = name, "no canary from now on, vCenter does not take it: {fault}");
                self.canary.give_up();
                self.out.up();
                Ok(())
            }
            sent => {
                if sent.is_err() {
                    self.canary.did_not_fly();
                }
                sent
            }
        }
    }

    /// Hands events over together with the place behind them. After a refusal the caller takes back what it added.
    pub(super) async fn commit(&mut self, events: Vec<Event>) -> Step<()> {
        let now = self.server_now();
        let mut place = self.place.take().ok_or(End::Anew)?;
        if self.whole {
            place.listened_until(now);
        }
        let put = self.stop.or(self.out.put_all(events, Some(place.write(self.wants.overlap)))).await;
        self.place = Some(place);
        self.after_outbox(put).await
    }

    /// Says that something is missing for good.
    pub(super) async fn tell_gap(&self, from: Timestamp, to: Timestamp, events: Option<u64>, why: &str) -> Step<()> {
        let told = self.stop.or(self.out.gap(from, to, events, why)).await;
        self.after_outbox(told).await
    }

    /// A full disk passes; until then nothing moves. A daemon that stops says so by itself.
    async fn after_outbox(&self, done: Option<Result<(), Fault>>) -> Step<()> {
        match done {
            Some(Ok(())) => Ok(()),
            Some(Err(fault)) if fault.reason() != "closing" => {
                debug!(source = %self.out.source(), %fault, "not committed; reading again from the place before");
                self.stop.or(sleep(PATIENCE)).await.ok_or(End::Stopped)?;
                Err(End::Anew)
            }
            Some(Err(_)) | None => Err(End::Stopped),
        }
    }

    pub(super) async fn ask<T>(&self, work: impl Future<Output = Result<T, Trouble>>) -> Step<T> {
        self.stop.or(work).await.ok_or(End::Stopped)?.map_err(End::Lost)
    }

    pub(super) async fn ask_clock<H: History>(&mut self, history: &H) -> Step<Timestamp> {
        let now = self.ask(history.now()).await?;
        self.clock = (now, Instant::now());
        Ok(now)
    }

    /// What the server's clock should show by now.
    pub(super) fn server_now(&self) -> Timestamp {
        let (then, asked) = self.clock;
        let since = SignedDuration::try_from(asked.elapsed()).unwrap_or_default();
        then.checked_add(since).unwrap_or(then)
    }

    /// Only who was interrupted in a commit has none, and begins anew.
    pub(super) fn place(&self) -> Step<&Place> {
        self.place.as_ref().ok_or(End::Anew)
    }

    pub(super) fn place_mut(&mut self) -> Step<&mut Place> {
        self.place.as_mut().ok_or(End::Anew)
    }
}
