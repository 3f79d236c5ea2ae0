//! One sink's lane: takes, prepares, paces, sends, retries, buries.
//!
//! Trouble of the receiver or the road holds the whole lane. Trouble of one message holds that message
//! and its key only (with one post at a time: the lane, for order, but no longer than a minute).

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, OptionFuture};
use futures::stream::{FuturesOrdered, FuturesUnordered, StreamExt};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error};

use super::fetch::LookUps;
use super::prepare::{Preparation, Prepared};
use super::window::{Next, Waiting, Window};
use super::{Habits, Pace};
use crate::event::Name;
use crate::fault::Fault;

use crate::metrics::SinkMetrics;
use crate::outbox::Outbox;
use crate::queue::{Delivery, Line, Outcome, Queue, QueueError};
use crate::relay::Relays;
use crate::sinks::Sink;
use crate::sources::Source;
use crate::stop::Stop;

/// Deliveries a lane holds in memory; the rest of a backlog stays in the queue.
const WINDOW: usize = 128;
/// With one post at a time, how long a message that fails alone may hold up those behind it.
const STEP_ASIDE: Duration = Duration::from_secs(60);
/// How often a stopped lane looks for what has become too old, and how often it is told what did.
const ROUND: Duration = Duration::from_secs(60);

/// A sink that takes more posts at once than this is made for quantity: its verdicts share writes, as many posts' as this
/// times its concurrency, for the disk would set its pace otherwise.
const MANY: usize = 8;

/// How long a queue that cannot be read is left alone.
const READ_AGAIN: Duration = Duration::from_secs(1);

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

pub(super) struct Running<S, F> {
    pub(super) lane: Lane<S, F>,
    pub(super) preparation: Arc<Preparation<F>>,
    pub(super) chat: bool,
    pub(super) window: Window,
    pub(super) held_until: Option<Instant>,
    pub(super) held_since: Option<Instant>,
    /// Delivered, but the verdicts are not known to be on disk.
    pub(super) unwritten: usize,
    /// Buried for their age and not yet told: one word for all of a round, or a weekend's worth would flood the chat.
    pub(super) expired: u32,
    pub(super) next_round: Instant,
    /// Lane-wide failures in a row.
    pub(super) trouble: u32,
    pub(super) stopped: bool,
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
            held_since: None,
            unwritten: 0,
            expired: 0,
            next_round: Instant::now() + ROUND,
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
        let unwritten = if concurrency > MANY { concurrency * MANY } else { concurrency };
        loop {
            if flushing.is_none() && self.unwritten >= unwritten.div_ceil(2) {
                flushing = Some(self.write_down());
            }
            let mut wake = None;
            while sending.len() < concurrency && self.unwritten < unwritten && !self.stopped && !stop.was_said() {
                match self.next().await? {
                    Next::Send(waiting) => {
                        let (sink, began) = (Arc::clone(&self.lane.sink), Instant::now());
                        // A send is a large future; boxed at once it is not moved about.
                        sending.push(Box::pin(async move {
                            let result = sink.send(&waiting.message).await;
                            (waiting, began, result)
                        }));
                    }
                    Next::At(at) => {
                        wake = Some(at);
                        break;
                    }
                    Next::Nothing => break,
                }
            }
            if self.stopped || self.expired > 0 {
                wake = Some(wake.map_or(self.next_round, |wake: Instant| wake.min(self.next_round)));
            }
            let room = WINDOW.saturating_sub(self.window.len() + preparing.len());
            // A few at a time would cost more than they are worth.
            let worth_it = room >= WINDOW / 4 || self.window.len() + preparing.len() == 0;
            if worth_it && let Some(mut line) = line.take() {
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
                Some((waiting, began, result)) = sending.next(), if !sending.is_empty() => {
                    self.after(waiting, began, result).await?;
                }
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
                        Err(trouble) => {
                            // The line gives the same again when it is asked again.
                            error!(sink = %self.lane.name, "the queue cannot be read, trying again: {trouble}");
                            stop.or(tokio::time::sleep(READ_AGAIN)).await;
                        }
                    }
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => self.bury_the_expired(ROUND).await?,
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
            Prepared::Unwanted => {
                self.lane.metrics.suppressed.inc();
                let why = "`when` said no to what was fetched".to_owned();
                self.settle(&delivery, Outcome::Suppressed { why }).await
            }
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

    /// A kill repeats what is under way or unwritten. Nothing is sent while too many verdicts are unwritten: one post at a
    /// time comes twice once at most, some less than twice as many, however fast the receiver or slow the disk.
    fn write_down(&self) -> Flushing {
        let (queue, many) = (self.lane.queue.clone(), self.unwritten);
        async move { (many, queue.flush().await) }.boxed()
    }
}
