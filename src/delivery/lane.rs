//! One sink's lane: takes, prepares, paces, sends; what becomes of an attempt is in `verdicts`.
//!
//! Trouble of the receiver or the road holds the whole lane. Trouble of one message holds that message
//! and its key only (with one post at a time: the lane, for order, but no longer than a minute).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, OptionFuture};
use futures::stream::{FuturesOrdered, FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error};

use super::fetch::Fetcher;
use super::gate::Gate;
use super::memory::Threads;
use super::prepare::{Preparation, Prepared};
use super::remarks::Hold;
use super::turn::Turn;
use super::window::{self, Waiting, Window};
use super::{LaneConfig, RateLimit};
use crate::event::{Event, Name};
use crate::fault::Fault;
use crate::message::{Receipt, SendError};
use crate::metrics::SinkMetrics;
use crate::outbox::Outbox;
use crate::relay::{Relays, Silences};
use crate::sinks::{Audience, Sink, SinkTraits};
use crate::sources::Source;
use crate::stop::Stop;
use crate::store::{Delivery, DeliveryStream, Note, Store, StoreError};

/// Deliveries that a lane holds in memory; the rest of a backlog stays in the queue.
const WINDOW: usize = 128;
/// So many where they may become digests: there one must see what waits.
const WIDE_WINDOW: usize = 256;
/// With one post at a time, how long a message that fails alone may hold up those behind it.
const STEP_ASIDE: Duration = Duration::from_secs(60);
/// How often a stopped lane looks for what has become too old, and how often it is told what did.
const ROUND: Duration = Duration::from_secs(60);
/// More than this waiting from one relay becomes one message, in a chat that has a limit.
const DIGEST: u32 = 20;

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
    pub habits: LaneConfig,
    pub pace: Option<Arc<RateLimit>>,
    pub relays: Arc<Relays>,
    pub silences: Silences,
    pub fetcher: Arc<Fetcher<F>>,
    pub store: Store,
    /// Where the lane tells of dead letters and of its own stop.
    pub ours: Outbox,
    pub metrics: SinkMetrics,
    pub state: watch::Sender<LaneState>,
}

type Taking = BoxFuture<'static, (DeliveryStream, Result<Vec<Delivery>, StoreError>)>;
type Flushing = BoxFuture<'static, (usize, Result<(), StoreError>)>;
type Preparing = FuturesOrdered<BoxFuture<'static, (Delivery, Prepared)>>;
/// One request on its way: what it carries, and what became of each.
type Sending = BoxFuture<'static, (Vec<Waiting>, Instant, Vec<Result<Receipt, SendError>>)>;

pub(super) struct Running<S, F> {
    pub(super) lane: Lane<S, F>,
    pub(super) traits: SinkTraits,
    pub(super) preparation: Arc<Preparation<F>>,
    pub(super) window: Window,
    /// How many messages the window has room for.
    pub(super) room: usize,
    /// More waiting from one relay than this become one message; 0: never.
    pub(super) digest: usize,
    /// When each relay's latest digest was sent.
    pub(super) digested: HashMap<Name, Instant>,
    pub(super) gate: Gate,
    pub(super) threads: Threads,
    pub(super) held_until: Option<Instant>,
    pub(super) held_since: Option<Instant>,
    /// Why what waits is late, if it is.
    pub(super) late: Option<Hold>,
    /// Delivered, but the verdicts are not known to be on disk.
    pub(super) unwritten: usize,
    /// Buried for their age and not yet told: one word for all of a round, or a weekend's worth would flood the chat.
    pub(super) expired: usize,
    pub(super) next_round: Instant,
    /// A stopped lane has just buried something, and more of its age may be behind that.
    pub(super) look_again: Option<Instant>,
    /// What the intake had no room for when it was to be told.
    pub(super) untold: VecDeque<Event>,
    /// Prepared for a digest that they then could not join: they go by themselves, so they need their words in full.
    pub(super) unfetched: Vec<Delivery>,
    /// Lane-wide failures in a row.
    pub(super) trouble: u32,
    pub(super) stopped: bool,
}

impl<S: Sink + Send + Sync + 'static, F: Source + Send + Sync + 'static> Lane<S, F> {
    pub async fn run(self, stop: Stop) -> Result<(), Fault> {
        let Some(notes) = self.notes(&stop).await else { return Ok(()) };
        let traits = self.sink.traits();
        let preparation = Arc::new(Preparation {
            relays: Arc::clone(&self.relays),
            fetcher: Arc::clone(&self.fetcher),
            markup: traits.markup,
            kind: self.kind,
        });
        let ordered = traits.batch == 1;
        let holds_for = (self.habits.concurrency == 1 && ordered).then_some(STEP_ASIDE);
        // Where a key has one head that shows how things stand, each change must reach it.
        let going = window::Manner { holds_for, ordered, sums_up_incidents: !traits.remembers };
        let usual = if self.pace.is_some() { DIGEST } else { 0 };
        let digest = if traits.audience == Audience::Chat { self.habits.digest.unwrap_or(usual) as usize } else { 0 };
        let room = if digest > 0 { WIDE_WINDOW.max(digest + WINDOW) } else { WINDOW.max(2 * traits.batch) };
        let mut lane = Running {
            preparation,
            window: Window::new(going),
            room,
            digest,
            digested: HashMap::new(),
            gate: Gate::recall(&notes),
            threads: Threads::recall(&notes),
            held_until: None,
            held_since: None,
            late: None,
            unwritten: 0,
            expired: 0,
            next_round: Instant::now() + ROUND,
            look_again: None,
            untold: VecDeque::new(),
            unfetched: Vec::new(),
            trouble: 0,
            stopped: false,
            traits,
            lane: self,
        };
        lane.run(stop).await
    }

    /// What an earlier life noted. None: the end came first.
    async fn notes(&self, stop: &Stop) -> Option<Vec<Note>> {
        loop {
            match self.store.notes(&self.name).await {
                Ok(notes) => return Some(notes),
                Err(StoreError::Closed) => return None,
                Err(trouble) => {
                    error!(sink = %self.name, "the queue cannot be read, trying again: {trouble}");
                    stop.or(tokio::time::sleep(READ_AGAIN)).await?;
                }
            }
        }
    }
}

impl<S: Sink + Send + Sync + 'static, F: Source + Send + Sync + 'static> Running<S, F> {
    async fn run(&mut self, stop: Stop) -> Result<(), Fault> {
        let mut line = Some(self.lane.store.stream(&self.lane.name));
        let mut taking: Option<Taking> = None;
        let mut preparing = Preparing::new();
        let mut sending: FuturesUnordered<Sending> = FuturesUnordered::new();
        let mut flushing: Option<Flushing> = None;
        let concurrency = self.lane.habits.concurrency as usize;
        let at_once = concurrency * self.traits.batch;
        let unwritten = if at_once > MANY { at_once * MANY } else { at_once };
        loop {
            if flushing.is_none() && self.unwritten >= unwritten.div_ceil(2) {
                flushing = Some(self.write_down());
            }
            let mut wake = None;
            while sending.len() < concurrency && self.unwritten < unwritten && !self.stopped && !stop.is_triggered() {
                match self.next().await? {
                    Turn::Send(parcel) => sending.push(self.send(parcel)),
                    Turn::At(at) => {
                        wake = Some(at);
                        break;
                    }
                    Turn::Nothing => break,
                }
            }
            let round = (self.stopped || self.expired > 0).then_some(self.next_round);
            wake = [wake, round, self.look_again, self.tell_the_untold()].into_iter().flatten().min();
            self.prepare_in_full(&mut preparing);
            if let Some(room) = self.room(preparing.len())
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
                Some((parcel, began, results)) = sending.next(), if !sending.is_empty() => {
                    for (waiting, result) in parcel.into_iter().zip(results) {
                        self.after(waiting, began, result).await?;
                    }
                }
                Some((many, written)) = OptionFuture::from(flushing.as_mut()) => {
                    flushing = None;
                    self.unwritten -= many;
                    written.unwrap_or_else(|trouble| debug!(sink = %self.lane.name, "verdicts wait for room: {trouble}"));
                }
                () = stop.wait(), if !stop.is_triggered() => {}
                // In flight is finished; what is merely waiting is safe in the queue.
                () = std::future::ready(()), if stop.is_triggered() && sending.is_empty() => return Ok(()),
                Some((delivery, prepared)) = preparing.next(), if !preparing.is_empty() => {
                    self.prepared(delivery, prepared).await?;
                }
                Some((back, taken)) = OptionFuture::from(taking.as_mut()), if !stop.is_triggered() => {
                    (taking, line) = (None, Some(back));
                    match taken {
                        Ok(deliveries) => self.start_preparing(deliveries, &mut preparing).await?,
                        Err(StoreError::Closed) => return Ok(()),
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

    /// How many more to take from the queue, if it is worth it: a few at a time would cost more than they bring.
    fn room(&mut self, preparing: usize) -> Option<usize> {
        let taken = self.window.len() + preparing;
        let room = self.room.saturating_sub(taken);
        ((taken == 0 || room >= self.room / 4) && !self.window.is_heavy()).then_some(room)
    }

    async fn start_preparing(&mut self, deliveries: Vec<Delivery>, preparing: &mut Preparing) -> Result<(), Fault> {
        for delivery in deliveries {
            if self.preparation.needs_fetch(&delivery, self.window.storms(&delivery.relay)) {
                preparing.push_back(self.prepare(delivery));
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

    fn prepare(&self, delivery: Delivery) -> BoxFuture<'static, (Delivery, Prepared)> {
        let preparation = Arc::clone(&self.preparation);
        async move {
            let prepared = preparation.prepare(&delivery).await;
            (delivery, prepared)
        }
        .boxed()
    }

    fn prepare_in_full(&mut self, preparing: &mut Preparing) {
        for delivery in std::mem::take(&mut self.unfetched) {
            preparing.push_back(self.prepare(delivery));
        }
    }

    /// A send is a large future; boxed at once it is not moved about.
    fn send(&self, parcel: Vec<Waiting>) -> Sending {
        let (sink, began) = (Arc::clone(&self.lane.sink), Instant::now());
        let remarked: Vec<_> = parcel.iter().map(|waiting| self.remarked(waiting)).collect();
        Box::pin(async move {
            let both = parcel.iter().zip(&remarked);
            let messages: Vec<_> =
                both.filter_map(|(waiting, remarked)| remarked.as_ref().or(waiting.message.as_deref())).collect();
            let results = match messages.as_slice() {
                [one] => vec![sink.send(one).await],
                many => sink.send_all(many).await,
            };
            (parcel, began, results)
        })
    }

    /// A kill repeats what is under way or unwritten. Nothing is sent while too many verdicts are unwritten: one post at a
    /// time comes twice once at most, some less than twice as many, however fast the receiver or slow the disk.
    fn write_down(&self) -> Flushing {
        let (store, many) = (self.lane.store.clone(), self.unwritten);
        async move { (many, store.flush().await) }.boxed()
    }
}
