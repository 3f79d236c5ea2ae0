//! What comes into a lane's window, by the quiet keys of its relay, and what may leave it at this moment.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::bundle::BundleKind;
use super::gate::Pass;
use super::lane::Running;
use super::memory::until;
use super::prepare::Prepared;
use super::remarks::{Hold, with_remarks};
use super::window::{Cargo, Next, Waiting};
use crate::fault::Fault;
use crate::message::{Message, Signal};
use crate::queue::{Delivery, DeliveryId, Outcome};
use crate::relay::{Relay, Throttle};
use crate::said::print_duration;
use crate::sinks::Reader;

/// A storm that goes on is told of no more often than this.
const NEXT_DIGEST: Duration = Duration::from_secs(10);

/// What a lane may do at this moment.
pub(super) enum Turn {
    /// To be sent in one request.
    Send(Vec<Waiting>),
    /// Nothing may go before this moment.
    At(Instant),
    /// Nothing may go until something else happens.
    Nothing,
}

impl<S, F> Running<S, F> {
    pub(super) async fn prepared(&mut self, delivery: Delivery, prepared: Prepared) -> Result<(), Fault> {
        match prepared {
            Prepared::Ready { message, group } => self.take_in(delivery, message, group).await,
            Prepared::Unwanted => self.suppress(delivery.id, "`when` said no to what was fetched".to_owned()).await,
            Prepared::Hopeless(fault) => {
                let attempts = delivery.attempts;
                self.bury(&Cargo::One(delivery), attempts, fault).await
            }
        }
    }

    async fn take_in(&mut self, delivery: Delivery, message: Box<Message>, group: Option<String>) -> Result<(), Fault> {
        if let Some(why) = self.hushed(&delivery, &message) {
            return self.suppress(delivery.id, why).await;
        }
        let accepted = delivery.accepted;
        let mut notes = Vec::new();
        if let Some(quiet) = self.lane.relays.by_name(&delivery.relay).map(Relay::quiet)
            && !quiet.is_default()
        {
            match self.gate.judge(&delivery.relay, quiet, &message, accepted) {
                Pass::Go(remember) => notes = remember,
                Pass::Seen(why) => return self.suppress(delivery.id, why).await,
                Pass::HeldBack { throttle: Throttle { max, per }, .. } if self.manner.reader == Reader::Pager => {
                    let why = format!("held back: more than {max} within {} (throttle)", print_duration(per));
                    return self.suppress(delivery.id, why).await;
                }
                Pass::HeldBack { until, throttle } => {
                    let kind = BundleKind::Throttle { max: throttle.max, per: throttle.per };
                    self.window.gather(kind, moment(until), &delivery, &message, notes);
                    return Ok(());
                }
            }
            if let (Some(by), Some(group)) = (group.filter(|_| self.manner.reader != Reader::Pager), &quiet.group) {
                if message.signal == Some(Signal::Resolve) {
                    self.window.hurry(&message);
                } else {
                    let until = moment(accepted + SignedDuration::try_from(group.wait).unwrap_or(SignedDuration::ZERO));
                    self.window.gather(BundleKind::Group { by }, until, &delivery, &message, notes);
                    return Ok(());
                }
            }
        }
        // Postponed in an earlier life: the wait that was promised then still holds.
        let left = delivery.due.map(|due| until(due, Timestamp::now()).min(self.lane.habits.retry.max));
        let left = left.filter(|left| !left.is_zero());
        let mut waiting = match (left, self.window.storms(&delivery.relay)) {
            (None, true) => match self.window.join_storm(delivery, message, notes) {
                None => return Ok(()),
                Some(alone) => alone,
            },
            _ => Waiting::one(delivery, message, notes),
        };
        waiting.not_before = left.map(|left| Instant::now() + left);
        waiting.failing_since = left.map(|_| Instant::now());
        self.window.push(waiting);
        Ok(())
    }

    /// What may be sent at this moment, its pace taken.
    pub(super) async fn next(&mut self) -> Result<Turn, Fault> {
        let now = Instant::now();
        if let Some(held) = self.held_until.filter(|until| *until > now) {
            self.see_storms(now);
            return Ok(Turn::At(held));
        }
        let mut parcel = Vec::new();
        while parcel.len() < self.manner.batch {
            let mut waiting = match self.window.next(now) {
                Next::Send(waiting) => waiting,
                Next::At(at) if parcel.is_empty() => return Ok(Turn::At(at)),
                Next::Nothing if parcel.is_empty() => {
                    if self.window.is_empty() {
                        self.late = None;
                    }
                    return Ok(Turn::Nothing);
                }
                Next::At(_) | Next::Nothing => break,
            };
            if self.is_too_old(&waiting.cargo) {
                self.window.ended(&waiting);
                self.give_up(&waiting, "it had to wait too long").await?;
                continue;
            }
            if let (Cargo::One(delivery), Some(message)) = (&waiting.cargo, &waiting.message)
                && let Some(why) = self.hushed(delivery, message)
            {
                self.window.ended(&waiting);
                self.gate.forget(&waiting.notes);
                self.suppress(delivery.id, why).await?;
                continue;
            }
            if parcel.is_empty()
                && let Some(at) = self.lane.pace.as_ref().and_then(|pace| pace.take(now).err())
            {
                self.window.ended(&waiting);
                self.window.put_back(waiting);
                self.late.get_or_insert(Hold::Limit);
                self.see_storms(now);
                return Ok(Turn::At(at));
            }
            self.address(&mut waiting);
            parcel.push(waiting);
        }
        Ok(Turn::Send(parcel))
    }

    /// The last things before it goes: a bundle is closed and worded, and a sink that asked is reminded of the thread.
    fn address(&mut self, waiting: &mut Waiting) {
        if matches!(&waiting.cargo, Cargo::Many(bundle) if bundle.kind == BundleKind::Digest) {
            self.digested.insert(waiting.cargo.relay().clone(), Instant::now());
        }
        waiting.seal(self.manner.markup);
        if self.manner.remembers
            && let Some(message) = &mut waiting.message
        {
            message.earlier = self.threads.earlier(&message.key, Timestamp::now());
        }
    }

    pub(super) fn remarked(&self, waiting: &Waiting) -> Option<Message> {
        let late = self.late.map(|hold| (waiting.cargo.accepted().0, hold));
        if self.manner.reader != Reader::Chat || (late.is_none() && !waiting.maybe) {
            return None;
        }
        let message = waiting.message.as_deref()?;
        with_remarks(message, self.manner.markup, self.lane.kind, late, waiting.maybe)
    }

    /// While nothing may go: whoever has more to say than a digest begins at gets one.
    fn see_storms(&mut self, now: Instant) {
        if self.digest == 0 {
            return;
        }
        while let Some((relay, waiting)) = self.window.fullest_relay() {
            // Many relays may fill the window together, none of them alone.
            let is_full = self.window.len() >= self.room && waiting > 1;
            if waiting <= self.digest && !is_full {
                return;
            }
            let until = self.digested.get(&relay).map_or(now, |last| *last + NEXT_DIGEST);
            self.window.make_digest(&relay, until);
        }
    }

    /// Why this is not to be said: somebody silenced it, or its hour is mute. A resolve is always said.
    fn hushed(&self, delivery: &Delivery, message: &Message) -> Option<String> {
        if message.signal == Some(Signal::Resolve) {
            return None;
        }
        let silenced = self.lane.silences.hushes(&delivery.event, &delivery.relay, delivery.accepted);
        silenced.or_else(|| self.lane.relays.by_name(&delivery.relay)?.quiet().muted(delivery.accepted))
    }

    async fn suppress(&mut self, id: DeliveryId, why: String) -> Result<(), Fault> {
        self.lane.metrics.suppressed.inc();
        self.settle(&[id], Outcome::Suppressed { why }, Vec::new()).await
    }
}

/// A time of the calendar on the clock that lanes wait by.
fn moment(time: Timestamp) -> Instant {
    Instant::now() + until(time, Timestamp::now())
}
