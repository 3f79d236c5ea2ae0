//! What becomes of a delivery after an attempt: settled, tried again, buried, or the lane stopped.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::lane::{LaneState, Running};
use super::window::Waiting;
use crate::event::Event;
use crate::fault::Fault;
use crate::message::{Message, Receipt, SendError};
use crate::queue::{Delivery, Outcome};
use crate::said::print_duration;

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
            Ok(Receipt(receipt)) => {
                self.eased(began);
                let took = Timestamp::now().duration_since(waiting.delivery.accepted);
                self.lane.metrics.delivered.inc();
                self.lane.metrics.delivery_seconds.observe(took.as_secs_f64().max(0.0));
                self.settle(&waiting.delivery, Outcome::Delivered { receipt }).await?;
                self.unwritten += 1;
                return Ok(());
            }
            Err(error) => error,
        };
        waiting.delivery.attempts = waiting.delivery.attempts.saturating_add(1);
        self.lane.metrics.failed(error.cause().reason());
        debug!(sink = %self.lane.name, relay = %waiting.delivery.relay, attempt = waiting.delivery.attempts, "not delivered: {}", error.cause());
        match error {
            SendError::NeverMessage(_) => self.eased(began),
            SendError::Later { .. } | SendError::NeverDestination(_) => {}
        }
        match error {
            SendError::Later { wait, lane, cause, .. } => self.later(waiting, wait, lane, &cause).await,
            SendError::NeverMessage(cause) if self.chat && !waiting.reduced && waiting.message.raw.is_none() => {
                warn!(sink = %self.lane.name, relay = %waiting.delivery.relay, "refused, trying the bare text: {cause}");
                waiting.message = Box::new(bare(&waiting.message));
                waiting.reduced = true;
                self.window.put_back(waiting);
                Ok(())
            }
            SendError::NeverMessage(cause) => self.bury(&waiting.delivery, cause).await,
            SendError::NeverDestination(cause) => self.stop_lane(waiting, &cause).await,
        }
    }

    async fn later(
        &mut self,
        mut waiting: Waiting,
        wait: Option<Duration>,
        lane: bool,
        cause: &Fault,
    ) -> Result<(), Fault> {
        if self.is_too_old(&waiting.delivery) {
            return self.give_up(&waiting.delivery, &cause.to_string()).await;
        }
        let now = Instant::now();
        let tries = if lane { self.trouble + 1 } else { waiting.delivery.attempts };
        let pause = wait.unwrap_or_else(|| self.lane.habits.retry.after(tries, fastrand::f64()));
        if lane {
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
        let due = Timestamp::now() + SignedDuration::try_from(pause).unwrap_or(SignedDuration::ZERO);
        let (why, reply) = (cause.to_string(), cause.reply().map(str::to_owned));
        let outcome = Outcome::Postponed { due, attempts: waiting.delivery.attempts, why, reply };
        self.settle(&waiting.delivery, outcome).await?;
        self.window.put_back(waiting);
        Ok(())
    }

    async fn stop_lane(&mut self, waiting: Waiting, cause: &Fault) -> Result<(), Fault> {
        let attempts = waiting.delivery.attempts;
        let (why, reply) = (cause.to_string(), cause.reply().map(str::to_owned));
        let outcome = Outcome::Postponed { due: Timestamp::now(), attempts, why, reply };
        self.settle(&waiting.delivery, outcome).await?;
        self.window.put_back(waiting);
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
        for waiting in self.window.take_out(|waiting| is_older(&waiting.delivery, give_up, now)) {
            self.give_up(&waiting.delivery, "it had to wait too long").await?;
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

    pub(super) fn is_too_old(&self, delivery: &Delivery) -> bool {
        is_older(delivery, self.lane.habits.give_up, Timestamp::now())
    }

    pub(super) async fn give_up(&mut self, delivery: &Delivery, last: &str) -> Result<(), Fault> {
        let limit = print_duration(self.lane.habits.give_up);
        self.expired = self.expired.saturating_add(u32::from(breeds_no_more(delivery)));
        self.inter(delivery, &Fault::new("gave_up", format!("gave up after {limit}: {last}"))).await
    }

    pub(super) async fn bury(&mut self, delivery: &Delivery, cause: Fault) -> Result<(), Fault> {
        self.inter(delivery, &cause).await?;
        if breeds_no_more(delivery) {
            let data = json!({
                "sink": &*self.lane.name, "relay": &*delivery.relay, "event": delivery.event.id.to_string(),
                "type": &*delivery.event.r#type, "why": cause.to_string(),
            });
            self.tell("delivery.dead", &data);
        }
        Ok(())
    }

    async fn inter(&mut self, delivery: &Delivery, cause: &Fault) -> Result<(), Fault> {
        warn!(sink = %self.lane.name, relay = %delivery.relay, event = %delivery.event.id, "buried: {cause}");
        self.lane.metrics.buried.inc();
        let (why, reply) = (cause.to_string(), cause.reply().map(str::to_owned));
        let outcome = Outcome::Buried { attempts: delivery.attempts, why, reply };
        self.settle(delivery, outcome).await
    }

    /// The log has it already; who relays it hears it too. Never waits: a lane that buries must not stand still because
    /// the intake does.
    fn tell(&self, r#type: &str, data: &serde_json::Value) {
        if !self.lane.ours.mention(Event::ours(r#type, &self.lane.name, Timestamp::now(), data)) {
            warn!(sink = %self.lane.name, "{type} could not be relayed: the intake is full or closed");
        }
    }

    pub(super) async fn settle(&self, delivery: &Delivery, outcome: Outcome) -> Result<(), Fault> {
        let settled = self.lane.queue.settle(delivery.id, outcome).await;
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
fn breeds_no_more(delivery: &Delivery) -> bool {
    !(delivery.event.is_ours() && matches!(&*delivery.event.r#type, "delivery.dead" | "sink.stopped"))
}

fn is_older(delivery: &Delivery, limit: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(delivery.accepted)).is_ok_and(|age| age > limit)
}

/// Title and text, nothing that a strict receiver could object to.
fn bare(message: &Message) -> Message {
    let text = match &message.title {
        Some(title) if message.text.is_empty() => title.clone(),
        Some(title) => format!("{title}\n{}", message.text),
        None => message.text.clone(),
    };
    Message { signal: message.signal, ..Message::plain(text, message.key.clone(), message.origin.clone()) }
}
