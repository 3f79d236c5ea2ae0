//! What becomes of a message after an attempt: settled, tried again, buried, or the lane stopped.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::bundle::BundleKind;
use super::lane::{LaneState, Running};
use super::memory::until;
use super::remarks::Hold;
use super::window::{Cargo, Waiting};
use crate::config_reader::print_duration;
use crate::event::Event;
use crate::fault::Fault;
use crate::message::{Message, Receipt, SendError};
use crate::sinks::Audience;
use crate::store::{DeliveryId, Note, Outcome};

/// What can be told later waits in this much room.
const UNTOLD: usize = 64;
/// How soon after something could not be done for want of room it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

impl<S, F> Running<S, F> {
    /// Turns the verdict on one attempt into what happens next.
    pub(super) async fn after(
        &mut self,
        mut waiting: Waiting,
        began: Instant,
        result: Result<Receipt, SendError>,
    ) -> Result<(), Fault> {
        self.window.ended(&waiting);
        let error = match result {
            Ok(receipt) => {
                self.eased(began);
                return self.delivered(waiting, receipt).await;
            }
            Err(error) => error,
        };
        waiting.attempts = waiting.attempts.saturating_add(1);
        self.lane.metrics.failed(error.cause().reason());
        debug!(sink = %self.lane.name, relay = %waiting.cargo.relay(), attempt = waiting.attempts, "not delivered: {}", error.cause());
        match error {
            SendError::Later { maybe: true, cause, .. } if !self.traits.knows_repeats && !self.lane.habits.repeat => {
                let why = format!("it may have arrived, and `repeat = false` forbids to send it again: {cause}");
                self.bury(&waiting.cargo, waiting.attempts, rewritten(&cause, why)).await
            }
            SendError::Later { wait, lane, maybe, cause } => {
                waiting.maybe |= maybe && !self.traits.knows_repeats;
                self.later(waiting, wait, lane, &cause).await
            }
            SendError::NeverMessage(cause) => {
                self.eased(began);
                match waiting.message.as_mut() {
                    Some(message)
                        if self.traits.audience == Audience::Chat && !waiting.reduced && message.raw.is_none() =>
                    {
                        warn!(sink = %self.lane.name, relay = %waiting.cargo.relay(), "refused, trying the bare text: {cause}");
                        **message = bare(message);
                        waiting.reduced = true;
                        self.window.put_back(waiting);
                        Ok(())
                    }
                    _ => {
                        self.gate.forget(&waiting.notes);
                        self.bury(&waiting.cargo, waiting.attempts, cause).await
                    }
                }
            }
            SendError::NeverDestination(cause) => self.stop_lane(waiting, &cause).await,
        }
    }

    async fn delivered(&mut self, waiting: Waiting, Receipt(receipt): Receipt) -> Result<(), Fault> {
        let now = Timestamp::now();
        let Waiting { cargo, message, mut notes, .. } = waiting;
        // The address of a digest is nobody's thread.
        if self.traits.remembers
            && let (Some(receipt), Some(message), Cargo::One(_)) = (&receipt, &message, &cargo)
        {
            notes.extend(self.threads.remember(message, receipt, now));
        }
        let took = until(now, cargo.accepted().0);
        self.lane.metrics.delivery_seconds.observe(took.as_secs_f64());
        self.unwritten += 1;
        let many = cargo.ids().len();
        let outcome = match &cargo {
            Cargo::Many(bundle) if matches!(bundle.kind, BundleKind::Throttle { .. }) => {
                self.lane.metrics.suppressed.inc_by(many as u64);
                Outcome::Suppressed {
                    why: format!("held back by the throttle, counted in one line with {} others", many - 1),
                }
            }
            Cargo::Many(_) => {
                self.lane.metrics.delivered.inc_by(many as u64);
                Outcome::Delivered { receipt: Some(format!("in one message with {} others", many - 1)) }
            }
            Cargo::One(_) => {
                self.lane.metrics.delivered.inc();
                Outcome::Delivered { receipt }
            }
        };
        self.settle(cargo.ids(), outcome, notes).await
    }

    async fn later(
        &mut self,
        mut waiting: Waiting,
        wait: Option<Duration>,
        lane: bool,
        cause: &Fault,
    ) -> Result<(), Fault> {
        if self.is_too_old(&waiting.cargo) {
            return self.give_up(&waiting, &cause.to_string()).await;
        }
        let now = Instant::now();
        let tries = if lane { self.trouble + 1 } else { waiting.attempts };
        let pause = wait.unwrap_or_else(|| self.lane.habits.retry.after(tries, fastrand::f64()));
        if lane {
            self.late = Some(if cause.reason() == "rate_limited" { Hold::Limit } else { Hold::Trouble });
            // Of many posts that fail together only the first makes the pause longer.
            if self.held_until.is_none_or(|until| until <= now) {
                self.trouble = self.trouble.saturating_add(1);
                (self.held_until, self.held_since) = (Some(now + pause), Some(now));
                self.lane.metrics.lane_wait.set(pause.as_secs_f64());
                if self.trouble == 1 {
                    warn!(sink = %self.lane.name, "waiting {}: {cause}", print_duration(pause));
                }
                self.show(|state| state.held = Some(cause.to_string()));
            } else if wait.is_some() {
                self.held_until = self.held_until.max(Some(now + pause));
            }
        } else {
            waiting.not_before = Some(now + pause);
            waiting.failing_since.get_or_insert(now);
        }
        self.postpone(waiting, pause, cause).await
    }

    /// Of a bundle only the first is written to: after a restart they come together anew.
    async fn postpone(&mut self, waiting: Waiting, pause: Duration, cause: &Fault) -> Result<(), Fault> {
        let due = Timestamp::now() + SignedDuration::try_from(pause).unwrap_or(SignedDuration::ZERO);
        let reply = cause.reply().map(str::to_owned);
        let outcome = Outcome::Postponed { due, attempts: waiting.attempts, why: cause.to_string(), reply };
        self.settle(waiting.cargo.ids().get(..1).unwrap_or_default(), outcome, Vec::new()).await?;
        self.window.put_back(waiting);
        Ok(())
    }

    async fn stop_lane(&mut self, waiting: Waiting, cause: &Fault) -> Result<(), Fault> {
        self.postpone(waiting, Duration::ZERO, cause).await?;
        if std::mem::replace(&mut self.stopped, true) {
            return Ok(());
        }
        error!(sink = %self.lane.name, "stopped, mend it and restart: {cause}");
        self.show(|state| state.stopped = Some(cause.to_string()));
        self.tell("sink.stopped", &json!({ "sink": &*self.lane.name, "why": cause.to_string() }));
        Ok(())
    }

    /// Once in a while: whatever has become too old where it waits, and one word of all that did.
    pub(super) async fn bury_the_expired(&mut self, round: Duration) -> Result<(), Fault> {
        let (give_up, now) = (self.lane.habits.give_up, Timestamp::now());
        let expired = self.window.take_out(|waiting| is_older(&waiting.cargo, give_up, now));
        self.look_again = (self.stopped && !expired.is_empty()).then(|| Instant::now() + AGAIN);
        for waiting in expired {
            self.give_up(&waiting, "it had to wait too long").await?;
        }
        if Instant::now() >= self.next_round {
            self.next_round = Instant::now() + round;
            if self.expired > 0 {
                let why = format!("{} messages had to wait longer than {}", self.expired, print_duration(give_up));
                let data = json!({ "sink": &*self.lane.name, "count": self.expired, "why": why });
                self.tell("delivery.dead", &data);
                self.expired = 0;
            }
        }
        Ok(())
    }

    pub(super) fn is_too_old(&self, cargo: &Cargo) -> bool {
        is_older(cargo, self.lane.habits.give_up, Timestamp::now())
    }

    pub(super) async fn give_up(&mut self, waiting: &Waiting, last: &str) -> Result<(), Fault> {
        let limit = print_duration(self.lane.habits.give_up);
        if waiting.cargo.event().is_some_and(breeds_no_more) {
            self.expired += waiting.cargo.ids().len();
        }
        self.gate.forget(&waiting.notes);
        let fault = Fault::new("gave_up", format!("gave up after {limit}: {last}"));
        self.inter(&waiting.cargo, waiting.attempts, &fault).await
    }

    pub(super) async fn bury(&mut self, cargo: &Cargo, attempts: u32, cause: Fault) -> Result<(), Fault> {
        self.inter(cargo, attempts, &cause).await?;
        if let Some(event) = cargo.event().filter(|event| breeds_no_more(event)) {
            let data = json!({
                "sink": &*self.lane.name, "relay": &**cargo.relay(), "event": event.id.to_string(),
                "type": &*event.r#type, "count": cargo.ids().len(), "why": cause.to_string(),
            });
            self.tell("delivery.dead", &data);
        }
        Ok(())
    }

    async fn inter(&mut self, cargo: &Cargo, attempts: u32, cause: &Fault) -> Result<(), Fault> {
        let (many, event) = (cargo.ids().len(), cargo.event().map(|event| event.id.to_string()).unwrap_or_default());
        warn!(sink = %self.lane.name, relay = %cargo.relay(), event, many, "buried: {cause}");
        self.lane.metrics.dead_total.inc_by(many as u64);
        let reply = cause.reply().map(str::to_owned);
        let outcome = Outcome::Dead { attempts, why: cause.to_string(), reply };
        self.settle(cargo.ids(), outcome, Vec::new()).await
    }

    /// The log has it already; who relays it hears it too. Never waits: a lane that buries must not stand still because
    /// the intake does.
    fn tell(&mut self, r#type: &str, data: &serde_json::Value) {
        let event = Event::ours(r#type, &self.lane.name, Timestamp::now(), data);
        if self.untold.len() >= UNTOLD {
            warn!(sink = %self.lane.name, "{type} cannot be relayed: the intake is full");
            return;
        }
        self.untold.push_back(event);
        self.tell_the_untold();
    }

    /// Gives the moment at which to try again what the intake had no room for.
    pub(super) fn tell_the_untold(&mut self) -> Option<Instant> {
        while let Some(event) = self.untold.pop_front() {
            if !self.lane.ours.mention(event.clone()) {
                self.untold.push_front(event);
                return Some(Instant::now() + AGAIN);
            }
        }
        None
    }

    /// One verdict for all of `ids`, and what is to be remembered with it.
    pub(super) async fn settle(&self, ids: &[DeliveryId], outcome: Outcome, notes: Vec<Note>) -> Result<(), Fault> {
        let settled = match ids {
            [] => return Ok(()),
            [id] if notes.is_empty() => self.lane.store.settle(*id, outcome).await,
            ids => {
                let notes = notes.into_iter().map(|note| (self.lane.name.clone(), note)).collect();
                self.lane.store.settle_all(ids.to_vec(), outcome, notes).await
            }
        };
        settled.map_err(|trouble| Fault::new("state_file", trouble.to_string()))
    }

    /// The receiver takes messages again, or judges them at least. An answer to what was sent before the lane was held
    /// says nothing about now.
    fn eased(&mut self, began: Instant) {
        if self.held_since.is_some_and(|since| began < since) {
            return;
        }
        if self.trouble > 0 {
            info!(sink = %self.lane.name, "takes messages again");
            self.lane.metrics.lane_wait.set(0.0);
            self.show(|state| state.held = None);
        }
        (self.trouble, self.held_until, self.held_since) = (0, None, None);
    }

    fn show(&self, change: impl FnOnce(&mut LaneState)) {
        self.lane.state.send_modify(change);
    }
}

/// Word of dead letters that is a dead letter itself would breed for ever.
fn breeds_no_more(event: &Event) -> bool {
    !(event.is_ours() && matches!(&*event.r#type, "delivery.dead" | "sink.stopped"))
}

/// A bundle is as old as the last that joined it: until then something in it can still be said.
fn is_older(cargo: &Cargo, limit: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(cargo.accepted().1)).is_ok_and(|age| age > limit)
}

/// The same trouble in other words, with the answer that was received.
fn rewritten(cause: &Fault, why: String) -> Fault {
    let fault = Fault::new(cause.reason(), why);
    match cause.reply() {
        Some(reply) => fault.with_reply(reply),
        None => fault,
    }
}

/// Title and text, nothing that a strict receiver could object to.
fn bare(message: &Message) -> Message {
    let text = match &message.title {
        Some(title) if message.text.is_empty() => title.clone(),
        Some(title) => format!("{title}\n{}", message.text),
        None => message.text.clone(),
    };
    let (signal, earlier) = (message.signal, message.earlier.clone());
    Message { signal, earlier, ..Message::plain(text, message.key.clone(), message.origin.clone()) }
}
