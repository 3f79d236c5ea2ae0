//! A lane's parts, and how a delivery goes through them: prepared, filtered, pending, sent. What becomes of an attempt is in
//! `attempt`.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::time::Instant;

use super::breaker::Breaker;
use super::clock::{instant_of, time_until};
use super::config::LaneConfig;
use super::delay_note::with_notes;
use super::destination::Destination;
use super::pending::{NextAction, Payload, Pending, PendingMessage};
use super::preparation::{Content, Preparation, Preparations, Prepared};
use super::quiet_filter::{Decision, QuietFilter};
use super::rate_limit::RateLimit;
use super::reporter::Reporter;
use super::settler::Settler;
use super::threads::Threads;
use crate::config_reader::print_duration;
use crate::event::Name;
use crate::fault::Fault;
use crate::message::{Message, Receipt, SendError};
use crate::sinks::{Audience, SinkTraits};
use crate::store::{Delivery, DeliveryId};

/// How often a stopped lane looks for expired messages.
pub(super) const SWEEP: Duration = Duration::from_secs(60);
/// The same where it has just found some: more may follow them from the store.
const SWEEP_AGAIN: Duration = Duration::from_secs(1);

/// One request on its way: its messages, when it began, and the result of each.
pub(super) type Sending = BoxFuture<'static, (Vec<PendingMessage>, Instant, Vec<Result<Receipt, SendError>>)>;

pub(super) struct Worker<D, P> {
    pub(super) name: Name,
    pub(super) kind: &'static str,
    pub(super) destination: Arc<D>,
    pub(super) config: LaneConfig,
    pub(super) traits: SinkTraits,
    pub(super) rate_limit: Option<Arc<RateLimit>>,
    pub(super) preparations: Preparations<P>,
    pub(super) quiet: QuietFilter,
    pub(super) threads: Threads,
    pub(super) pending: Pending,
    pub(super) breaker: Breaker,
    pub(super) settler: Settler,
    pub(super) reporter: Reporter,
    pub(super) sweep_at: Option<Instant>,
}

impl<D: Destination, P: Preparation> Worker<D, P> {
    pub(super) async fn prepare(&mut self, deliveries: Vec<Delivery>) -> Result<(), Fault> {
        for delivery in deliveries {
            let brief = self.pending.has_digest(&delivery.relay);
            if let Some(prepared) = self.preparations.start(delivery, brief) {
                self.admit(prepared).await?;
            }
        }
        Ok(())
    }

    /// A prepared delivery becomes pending, unless it is suppressed or cannot be rendered.
    pub(super) async fn admit(&mut self, prepared: Prepared) -> Result<(), Fault> {
        let Prepared { delivery, relay, content } = prepared;
        let (message, group, complete) = match content {
            Content::Message { message, group, complete } => (message, group, complete),
            Content::Unwanted => {
                return self.suppress(delivery.id, "`when` is false for what was fetched".into()).await;
            }
            Content::Failed(fault) => {
                let attempts = delivery.attempts;
                return self.move_to_dead(&Payload::One(delivery), attempts, &fault).await;
            }
        };
        let mut notes = Vec::new();
        // A replayed delivery is sent however quiet its relay is.
        if !delivery.again {
            let quiet = relay.and_then(|relay| self.preparations.quiet(relay));
            match self.quiet.decide(&delivery, quiet, &message, group) {
                Decision::Send(remembered) => notes = remembered,
                Decision::Suppress(why) => return self.suppress(delivery.id, why).await,
                Decision::Gather { kind, until, notes } => {
                    self.pending.gather(kind, instant_of(until), &delivery, &message, notes);
                    return Ok(());
                }
            }
        }
        let pause = delivery.due.map(|due| time_until(due, Timestamp::now()).min(self.config.retry.max));
        let mut pending = PendingMessage::one(delivery, relay, message, notes);
        // The pause that an earlier run of the daemon began still holds.
        if let Some(pause) = pause.filter(|pause| !pause.is_zero()) {
            let now = Instant::now();
            (pending.not_before, pending.failing_since) = (Some(now + pause), Some(now));
        }
        if let Some(delivery) = self.pending.admit(pending, complete) {
            self.preparations.again(delivery);
        }
        Ok(())
    }

    pub(super) fn may_send(&self) -> bool {
        self.settler.has_room() && !self.breaker.is_stopped()
    }

    /// What may be sent at this moment; it then counts against the rate limit.
    pub(super) async fn next_action(&mut self) -> Result<NextAction<Vec<PendingMessage>>, Fault> {
        let now = Instant::now();
        if let Some(until) = self.breaker.paused_until(now) {
            self.pending.start_digests(now);
            return Ok(NextAction::WaitUntil(until));
        }
        let mut parcel = Vec::new();
        while parcel.len() < self.traits.batch {
            let mut pending = match self.pending.next(now) {
                NextAction::Send(pending) => pending,
                _ if !parcel.is_empty() => break,
                NextAction::WaitUntil(at) => {
                    self.caught_up(now);
                    return Ok(NextAction::WaitUntil(at));
                }
                NextAction::Wait => {
                    self.caught_up(now);
                    return Ok(NextAction::Wait);
                }
            };
            if self.is_expired(&pending.payload) {
                self.pending.ended(&pending);
                self.expire(&pending, "it waited too long").await?;
                continue;
            }
            if let Some((id, why)) = self.silenced(&pending) {
                self.pending.ended(&pending);
                self.quiet.forget(&pending.notes);
                self.suppress(id, why).await?;
                continue;
            }
            if parcel.is_empty()
                && let Some(at) = self.rate_limit.as_ref().and_then(|limit| limit.take(now).err())
            {
                self.pending.ended(&pending);
                self.pending.insert(pending);
                self.breaker.rate_limited();
                self.pending.start_digests(now);
                return Ok(NextAction::WaitUntil(at));
            }
            self.pending.seal(&mut pending, self.traits.markup);
            if let Some(message) = pending.rendered.as_mut().filter(|_| self.traits.remembers) {
                message.earlier = self.threads.earlier(&message.key, Timestamp::now());
            }
            parcel.push(pending);
        }
        Ok(NextAction::Send(parcel))
    }

    /// A send is a large future; boxed at once it is not moved about.
    pub(super) fn send(&self, parcel: Vec<PendingMessage>) -> Sending {
        let (destination, began) = (Arc::clone(&self.destination), Instant::now());
        let noted: Vec<_> = parcel.iter().map(|pending| self.with_notes(pending)).collect();
        Box::pin(async move {
            let both = parcel.iter().zip(&noted);
            let messages: Vec<_> =
                both.filter_map(|(pending, noted)| noted.as_ref().or(pending.rendered.as_deref())).collect();
            let results = destination.send(&messages).await;
            (parcel, began, results)
        })
    }

    /// When messages are to be looked through for expired ones.
    pub(super) fn next_sweep(&self) -> Option<Instant> {
        [self.sweep_at, self.reporter.next_round()].into_iter().flatten().min()
    }

    /// Moves what has expired to the dead letters, and reports from time to time how many did.
    pub(super) async fn sweep(&mut self) -> Result<(), Fault> {
        let (give_up, now) = (self.config.give_up, Timestamp::now());
        let expired = self.pending.take_expired(|pending| is_older(&pending.payload, give_up, now));
        let pause = if expired.is_empty() { SWEEP } else { SWEEP_AGAIN };
        self.sweep_at = self.breaker.is_stopped().then(|| Instant::now() + pause);
        for pending in expired {
            self.expire(&pending, "it waited too long").await?;
        }
        self.reporter.report_expired(Instant::now());
        Ok(())
    }

    pub(super) fn is_expired(&self, payload: &Payload) -> bool {
        is_older(payload, self.config.give_up, Timestamp::now())
    }

    /// To the dead letters, because `give_up` is over; `last`: the latest reason why it was not delivered.
    pub(super) async fn expire(&mut self, pending: &PendingMessage, last: &str) -> Result<(), Fault> {
        self.quiet.forget(&pending.notes);
        let limit = print_duration(self.config.give_up);
        let cause = Fault::new("gave_up", format!("gave up after {limit}: {last}"));
        self.reporter.expired(&pending.payload, &cause);
        self.settler.dead(&pending.payload, pending.attempts, &cause).await
    }

    pub(super) async fn move_to_dead(&mut self, payload: &Payload, attempts: u32, cause: &Fault) -> Result<(), Fault> {
        self.settler.dead(payload, attempts, cause).await?;
        self.reporter.dead(payload, cause);
        Ok(())
    }

    async fn suppress(&mut self, id: DeliveryId, why: String) -> Result<(), Fault> {
        self.reporter.metrics.suppressed.inc();
        self.settler.suppressed(id, why).await
    }

    /// Whether a silence or its relay's `mute` has come to cover a message since it became pending.
    fn silenced(&self, pending: &PendingMessage) -> Option<(DeliveryId, String)> {
        let (Payload::One(delivery), Some(message)) = (&pending.payload, &pending.rendered) else { return None };
        let quiet = pending.relay.and_then(|relay| self.preparations.quiet(relay));
        self.quiet.silenced(delivery, quiet, message).map(|why| (delivery.id, why))
    }

    /// Nothing more can be sent at this moment, and not because of the receiver.
    fn caught_up(&mut self, now: Instant) {
        self.breaker.caught_up();
        self.pending.start_digests(now);
    }

    fn with_notes(&self, pending: &PendingMessage) -> Option<Message> {
        if self.traits.audience != Audience::Chat {
            return None;
        }
        // Of a bundle the last member counts: those before it waited for it. What had to gather anyhow is not late.
        let delay = self.breaker.delay().filter(|_| !pending.payload.is_gathered());
        let late = delay.map(|cause| (pending.payload.accepted().1, cause));
        with_notes(pending.rendered.as_deref()?, self.traits.markup, self.kind, late, pending.unanswered)
    }
}

/// A bundle is as old as the last member that joined it: until then something in it is still worth sending.
fn is_older(payload: &Payload, limit: Duration, now: Timestamp) -> bool {
    time_until(now, payload.accepted().1) > limit
}
