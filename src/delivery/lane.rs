//! One sink's lane: takes, prepares, paces, sends, retries, buries.
//!
//! Trouble of the receiver or the road holds the whole lane. Trouble of one message holds that message
//! and its key only (with one post at a time: the lane, for order, but no longer than a minute).

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, OptionFuture};
use futures::stream::{FuturesOrdered, FuturesUnordered, StreamExt};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info, warn};

use super::fetch::LookUps;
use super::prepare::{Preparation, Prepared};
use super::window::{Next, Waiting, Window};
use super::{Habits, Pace};
use crate::event::{Event, Name};
use crate::fault::Fault;
use crate::message::{Message, Receipt, SendError};
use crate::metrics::SinkMetrics;
use crate::outbox::Outbox;
use crate::queue::{Delivery, Line, Outcome, Queue, QueueError};
use crate::relay::Relays;
use crate::said::print_duration;
use crate::sinks::Sink;
use crate::sources::Source;
use crate::stop::Stop;

/// Deliveries a lane holds in memory; the rest of a backlog stays in the queue.
const WINDOW: usize = 128;
/// With one post at a time, how long a message that fails alone may hold up those behind it.
const STEP_ASIDE: Duration = Duration::from_secs(60);
/// How often a stopped lane looks for what has become too old.
const STOPPED_ROUND: Duration = Duration::from_secs(60);

/// What is shown of a lane.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LaneState {
    /// Why nothing is sent until a person changes something.
    pub stopped: Option<String>,
    /// The trouble that holds the whole lane at the moment.
    pub held: Option<String>,
}

/// Everything a lane needs, handed in by `app`.
#[derive(Debug)]
pub struct Lane<S, F> {
    pub name: Name,
    pub kind: &'static str,
    pub sink: Arc<S>,
    pub habits: Habits,
    pub pace: Option<Arc<Pace>>,
    pub relays: Arc<Relays>,
    pub look_ups: Arc<LookUps<F>>,
    pub queue: Queue,
    /// Where the lane tells of dead letters and of its own stop.
    pub ours: Outbox,
    pub metrics: SinkMetrics,
    pub state: watch::Sender<LaneState>,
}

type Taking = BoxFuture<'static, (Line, Result<Vec<Delivery>, QueueError>)>;
type Flushing = BoxFuture<'static, (usize, Result<(), QueueError>)>;

struct Running<S, F> {
    lane: Lane<S, F>,
    preparation: Arc<Preparation<F>>,
    chat: bool,
    window: Window,
    held_until: Option<Instant>,
    /// Delivered, but the verdicts are not known to be on disk.
    unwritten: usize,
    /// Lane-wide failures in a row.
    trouble: u32,
    stopped: bool,
}

impl<S: Sink + Send + Sync + 'static, F: Source + Send + Sync + 'static> Lane<S, F> {
    pub async fn run(self, stop: Stop) -> Result<(), Fault> {
        let manner = self.sink.manner();
        let preparation = Arc::new(Preparation {
            relays: Arc::clone(&self.relays),
            look_ups: Arc::clone(&self.look_ups),
            markup: manner.markup,
            kind: self.kind,
        });
        let holds_for = (self.habits.concurrency == 1).then_some(STEP_ASIDE);
        let mut lane = Running {
            preparation,
            chat: manner.chat,
            window: Window::new(holds_for),
            held_until: None,
            unwritten: 0,
            trouble: 0,
            stopped: false,
            lane: self,
        };
        lane.run(stop).await
    }
}

impl<S: Sink + Send + Sync + 'static, F: Source + Send + Sync + 'static> Running<S, F> {
    async fn run(&mut self, stop: Stop) -> Result<(), Fault> {
        let mut line = Some(self.lane.queue.line(&self.lane.name));
        let mut taking: Option<Taking> = None;
        let mut preparing: FuturesOrdered<BoxFuture<'static, (Delivery, Prepared)>> = FuturesOrdered::new();
        let mut sending = FuturesUnordered::new();
        let mut flushing: Option<Flushing> = None;
        let concurrency = self.lane.habits.concurrency as usize;
        loop {
            if flushing.is_none() && self.unwritten >= concurrency.div_ceil(2) {
                flushing = Some(self.write_down());
            }
            let mut wake = None;
            while sending.len() < concurrency && self.unwritten < concurrency && !self.stopped && !stop.was_said() {
                match self.next().await? {
                    Next::Send(waiting) => {
                        let sink = Arc::clone(&self.lane.sink);
                        sending.push(async move {
                            let result = sink.send(&waiting.message).await;
                            (waiting, result)
                        });
                    }
                    Next::At(at) => {
                        wake = Some(at);
                        break;
                    }
                    Next::Nothing => break,
                }
            }
            if self.stopped {
                wake = Some(Instant::now() + STOPPED_ROUND);
            }
            let room = WINDOW.saturating_sub(self.window.len() + preparing.len());
            if room > 0
                && let Some(mut line) = line.take()
            {
                // Never dropped half-way: the line comes back with its answer.
                taking = Some(
                    async move {
                        let taken = line.take(room).await;
                        (line, taken)
                    }
                    .boxed(),
                );
            }
            tokio::select! {
                biased;
                Some((waiting, result)) = sending.next(), if !sending.is_empty() => self.after(waiting, result).await?,
                Some((many, written)) = OptionFuture::from(flushing.as_mut()) => {
                    flushing = None;
                    self.unwritten -= many;
                    written.unwrap_or_else(|trouble| debug!(sink = %self.lane.name, "verdicts wait for room: {trouble}"));
                }
                () = stop.wait(), if !stop.was_said() => {}
                // In flight is finished; what is merely waiting is safe in the queue.
                () = std::future::ready(()), if stop.was_said() && sending.is_empty() => return Ok(()),
                Some((delivery, prepared)) = preparing.next(), if !preparing.is_empty() => {
                    self.prepared(delivery, prepared).await?;
                }
                Some((back, taken)) = OptionFuture::from(taking.as_mut()), if !stop.was_said() => {
                    (taking, line) = (None, Some(back));
                    match taken {
                        Ok(deliveries) => self.start_preparing(deliveries, &mut preparing).await?,
                        Err(QueueError::Closed) => return Ok(()),
                        Err(trouble) => return Err(Fault::new("state_file", trouble.to_string())),
                    }
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => self.bury_the_expired().await?,
            }
        }
    }

    async fn start_preparing(
        &mut self,
        deliveries: Vec<Delivery>,
        preparing: &mut FuturesOrdered<BoxFuture<'static, (Delivery, Prepared)>>,
    ) -> Result<(), Fault> {
        for delivery in deliveries {
            if self.preparation.needs_fetch(&delivery) {
                let preparation = Arc::clone(&self.preparation);
                preparing.push_back(
                    async move {
                        let prepared = preparation.prepare(&delivery).await;
                        (delivery, prepared)
                    }
                    .boxed(),
                );
                continue;
            }
            let prepared = self.preparation.prepare_now(&delivery);
            if preparing.is_empty() {
                self.prepared(delivery, prepared).await?;
            } else {
                preparing.push_back(std::future::ready((delivery, prepared)).boxed());
            }
        }
        Ok(())
    }

    async fn prepared(&mut self, delivery: Delivery, prepared: Prepared) -> Result<(), Fault> {
        match prepared {
            Prepared::Ready(message) => {
                let mut waiting = Waiting::new(delivery, message);
                // Postponed in an earlier life: the wait that was promised then still holds.
                let left = waiting.delivery.due.map(|due| due.duration_since(Timestamp::now()));
                let left = left.and_then(|left| Duration::try_from(left).ok());
                waiting.not_before = left.map(|left| Instant::now() + left.min(self.lane.habits.retry.max));
                waiting.failing_since = waiting.not_before.map(|_| Instant::now());
                self.window.push(waiting);
                Ok(())
            }
            Prepared::Unwanted => self.settle(&delivery, Outcome::Delivered { receipt: Some("not wanted".into()) }).await,
            Prepared::Hopeless(fault) => self.bury(&delivery, fault).await,
        }
    }

    /// What may be sent at this moment, its pace taken.
    async fn next(&mut self) -> Result<Next, Fault> {
        let now = Instant::now();
        if let Some(until) = self.held_until.filter(|until| *until > now) {
            return Ok(Next::At(until));
        }
        loop {
            let waiting = match self.window.next(now) {
                Next::Send(waiting) => waiting,
                other => return Ok(other),
            };
            if self.is_too_old(&waiting.delivery) {
                self.window.ended(&waiting);
                self.give_up(&waiting.delivery, "it had to wait too long").await?;
                continue;
            }
            match self.lane.pace.as_ref().map_or(Ok(()), |pace| pace.take(now)) {
                Ok(()) => return Ok(Next::Send(waiting)),
                Err(at) => {
                    self.window.ended(&waiting);
                    self.window.put_back(waiting);
                    return Ok(Next::At(at));
                }
            }
        }
    }

    /// Turns the verdict on one attempt into what happens next.
    async fn after(&mut self, mut waiting: Waiting, result: Result<Receipt, SendError>) -> Result<(), Fault> {
        self.window.ended(&waiting);
        let error = match result {
            Ok(Receipt(receipt)) => {
                self.eased();
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
            SendError::Later { wait, lane, cause } => self.later(waiting, wait, lane, &cause).await,
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

    async fn later(&mut self, mut waiting: Waiting, wait: Option<Duration>, lane: bool, cause: &Fault) -> Result<(), Fault> {
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
                self.held_until = Some(now + pause);
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
        let outcome = Outcome::Postponed { due, attempts: waiting.delivery.attempts, why: cause.to_string() };
        self.settle(&waiting.delivery, outcome).await?;
        self.window.put_back(waiting);
        Ok(())
    }

    async fn stop_lane(&mut self, waiting: Waiting, cause: &Fault) -> Result<(), Fault> {
        let attempts = waiting.delivery.attempts;
        let outcome = Outcome::Postponed { due: Timestamp::now(), attempts, why: cause.to_string() };
        self.settle(&waiting.delivery, outcome).await?;
        self.window.put_back(waiting);
        if std::mem::replace(&mut self.stopped, true) {
            return Ok(());
        }
        error!(sink = %self.lane.name, "stopped, mend it and restart: {cause}");
        self.show(|state| state.stopped = Some(cause.to_string()));
        self.tell("sink.stopped", json!({ "sink": &*self.lane.name, "why": cause.to_string() })).await
    }

    async fn bury_the_expired(&mut self) -> Result<(), Fault> {
        let (give_up, now) = (self.lane.habits.give_up, Timestamp::now());
        for waiting in self.window.take_out(|waiting| is_older(&waiting.delivery, give_up, now)) {
            self.give_up(&waiting.delivery, "it had to wait too long").await?;
        }
        Ok(())
    }

    fn is_too_old(&self, delivery: &Delivery) -> bool {
        is_older(delivery, self.lane.habits.give_up, Timestamp::now())
    }

    async fn give_up(&mut self, delivery: &Delivery, last: &str) -> Result<(), Fault> {
        let limit = print_duration(self.lane.habits.give_up);
        self.bury(delivery, Fault::new("gave_up", format!("gave up after {limit}: {last}"))).await
    }

    async fn bury(&mut self, delivery: &Delivery, cause: Fault) -> Result<(), Fault> {
        warn!(sink = %self.lane.name, relay = %delivery.relay, event = %delivery.event.id, "buried: {cause}");
        self.lane.metrics.buried.inc();
        let outcome = Outcome::Buried { attempts: delivery.attempts, why: cause.to_string(), reply: None };
        self.settle(delivery, outcome).await?;
        // Word of its own dead letters that cannot be delivered would breed for ever.
        if delivery.event.is_ours() {
            return Ok(());
        }
        let data = json!({
            "sink": &*self.lane.name, "relay": &*delivery.relay, "event": delivery.event.id.to_string(),
            "type": &*delivery.event.r#type, "why": cause.to_string(),
        });
        self.tell("delivery.dead", data).await
    }

    async fn tell(&self, r#type: &str, data: serde_json::Value) -> Result<(), Fault> {
        self.lane.ours.offer(Event::ours(r#type, &self.lane.name, Timestamp::now(), &data)).await
    }

    async fn settle(&self, delivery: &Delivery, outcome: Outcome) -> Result<(), Fault> {
        let settled = self.lane.queue.settle(delivery.id, outcome).await;
        settled.map_err(|trouble| Fault::new("state_file", trouble.to_string()))
    }

    /// A kill repeats what is under way or unwritten. Nothing is sent while `concurrency` verdicts are unwritten: one post
    /// at a time comes twice once at most, many less than twice as many, however fast the receiver or slow the disk.
    fn write_down(&self) -> Flushing {
        let (queue, many) = (self.lane.queue.clone(), self.unwritten);
        async move { (many, queue.flush().await) }.boxed()
    }

    /// The receiver takes messages again.
    fn eased(&mut self) {
        if self.trouble > 0 {
            info!(sink = %self.lane.name, "takes messages again");
            self.show(|state| state.held = None);
        }
        (self.trouble, self.held_until) = (0, None);
    }

    fn show(&self, change: impl FnOnce(&mut LaneState)) {
        self.lane.state.send_modify(change);
    }
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
