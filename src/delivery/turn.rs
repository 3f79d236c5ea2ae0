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
use crate::config_reader::print_duration;
use crate::event::Name;
use crate::fault::Fault;
use crate::message::{Message, Signal};
use crate::relay::{Relay, Throttle};
use crate::sinks::Audience;
use crate::store::{Delivery, DeliveryId, Note, Outcome};

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
            Prepared::Ready { message, group, in_full } => self.take_in(delivery, message, group, in_full).await,
            Prepared::Unwanted => self.suppress(delivery.id, "`when` said no to what was fetched".to_owned()).await,
            Prepared::Hopeless(fault) => {
                let attempts = delivery.attempts;
                self.bury(&Cargo::One(delivery), attempts, fault).await
            }
        }
    }

    async fn take_in(
        &mut self,
        delivery: Delivery,
        message: Box<Message>,
        group: Option<String>,
        in_full: bool,
    ) -> Result<(), Fault> {
        // What a person asked for once more is said, however quiet its relay is to be.
        let mut notes = Vec::new();
        if !delivery.again {
            let Some(remember) = self.pass(&delivery, &message, group).await? else { return Ok(()) };
            notes = remember;
        }
        // Postponed in an earlier life: the wait that was promised then still holds.
        let left = delivery.due.map(|due| until(due, Timestamp::now()).min(self.lane.habits.retry.max));
        let left = left.filter(|left| !left.is_zero());
        let storms = left.is_none() && self.window.storms(&delivery.relay);
        let resolves = message.signal == Some(Signal::Resolve);
        if resolves {
            self.window.hurry(&message, storms.then_some(&delivery.relay));
        }
        let mut waiting = if storms {
            match self.window.join_storm(delivery, message, notes) {
                None => return Ok(()),
                Some(alone) => alone,
            }
        } else {
            Waiting::one(delivery, message, notes)
        };
        if let (false, Cargo::One(delivery)) = (in_full, &waiting.cargo) {
            self.unfetched.push(delivery.clone());
            return Ok(());
        }
        if let Some(message) = waiting.message.as_ref().filter(|_| resolves && storms) {
            self.window.hurry(message, None);
        }
        waiting.not_before = left.map(|left| Instant::now() + left);
        waiting.failing_since = left.map(|_| Instant::now());
        self.window.put_back(waiting);
        Ok(())
    }

    /// Past silences and the quiet keys of its relay. None: it is settled, or waits in a bundle.
    async fn pass(
        &mut self,
        delivery: &Delivery,
        message: &Message,
        group: Option<String>,
    ) -> Result<Option<Vec<Note>>, Fault> {
        if let Some(why) = self.silenced(delivery, message) {
            self.suppress(delivery.id, why).await?;
            return Ok(None);
        }
        let quiet = self.lane.relays.by_name(&delivery.relay).map(Relay::quiet).filter(|quiet| !quiet.is_default());
        let Some(quiet) = quiet else { return Ok(Some(Vec::new())) };
        let notes = match self.gate.judge(&delivery.relay, quiet, message, delivery.accepted) {
            Pass::Go(notes) => notes,
            Pass::Seen(why) => {
                self.suppress(delivery.id, why).await?;
                return Ok(None);
            }
            Pass::HeldBack { throttle: Throttle { max, per }, .. } if self.traits.audience == Audience::Pager => {
                let why = format!("held back: more than {max} within {} (throttle)", print_duration(per));
                self.suppress(delivery.id, why).await?;
                return Ok(None);
            }
            Pass::HeldBack { until, throttle: Throttle { max, per } } => {
                let kind = BundleKind::Throttle { max, per };
                self.window.gather(kind, moment(until), delivery, message, Vec::new());
                return Ok(None);
            }
        };
        let groups = message.signal != Some(Signal::Resolve) && self.traits.audience != Audience::Pager;
        if let (Some(by), Some(group), true) = (group, &quiet.group, groups) {
            let wait = SignedDuration::try_from(group.wait).unwrap_or(SignedDuration::ZERO);
            let until = moment(delivery.accepted.checked_add(wait).unwrap_or(Timestamp::MAX));
            self.window.gather(BundleKind::Group { by }, until, delivery, message, notes);
            return Ok(None);
        }
        Ok(Some(notes))
    }

    /// What may be sent at this moment, its pace taken.
    pub(super) async fn next(&mut self) -> Result<Turn, Fault> {
        let now = Instant::now();
        if let Some(held) = self.held_until.filter(|until| *until > now) {
            self.see_storms(now);
            return Ok(Turn::At(held));
        }
        let mut parcel = Vec::new();
        while parcel.len() < self.traits.batch {
            let mut waiting = match self.window.next(now) {
                Next::Send(waiting) => waiting,
                Next::At(at) if parcel.is_empty() => {
                    self.nothing_is_ready(now);
                    return Ok(Turn::At(at));
                }
                Next::Nothing if parcel.is_empty() => {
                    self.nothing_is_ready(now);
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
                && let Some(why) = self.silenced(delivery, message)
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

    /// What waits, waits for reasons of its own, so what comes next is not late.
    fn nothing_is_ready(&mut self, now: Instant) {
        self.late = None;
        self.see_storms(now);
    }

    /// The last things before it goes: a bundle is closed and worded, and a sink that asked is reminded of the thread.
    fn address(&mut self, waiting: &mut Waiting) {
        if matches!(&waiting.cargo, Cargo::Many(bundle) if bundle.kind == BundleKind::Digest) {
            self.digested.insert(waiting.cargo.relay().clone(), Instant::now());
        }
        waiting.seal(self.traits.markup);
        if self.traits.remembers
            && let Some(message) = &mut waiting.message
        {
            message.earlier = self.threads.earlier(&message.key, Timestamp::now());
        }
    }

    pub(super) fn remarked(&self, waiting: &Waiting) -> Option<Message> {
        // Of a bundle the last is measured: those before it waited for it. What had to gather anyhow is not late.
        let gathered = matches!(&waiting.cargo, Cargo::Many(bundle) if bundle.kind != BundleKind::Digest);
        let late = self.late.filter(|_| !gathered).map(|hold| (waiting.cargo.accepted().1, hold));
        if self.traits.audience != Audience::Chat || (late.is_none() && !waiting.maybe) {
            return None;
        }
        let message = waiting.message.as_deref()?;
        with_remarks(message, self.traits.markup, self.lane.kind, late, waiting.maybe)
    }

    /// While nothing may go: whoever has more to say than a digest begins at gets one.
    fn see_storms(&mut self, now: Instant) {
        if self.digest > 0 {
            let digested = &self.digested;
            let until = |relay: &Name| digested.get(relay).map_or(now, |last| *last + NEXT_DIGEST);
            self.window.sum_up(self.digest, self.room, until);
        }
    }

    /// Why this is not to be said: somebody silenced it, or its hour is mute. A resolve is always said.
    fn silenced(&self, delivery: &Delivery, message: &Message) -> Option<String> {
        if message.signal == Some(Signal::Resolve) {
            return None;
        }
        let silenced = self.lane.silences.reason_to_suppress(&delivery.event, &delivery.relay, delivery.accepted);
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
