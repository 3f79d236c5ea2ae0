//! One destination's lane: the loop that takes deliveries, has them prepared, and sends them.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::error;

use super::breaker::Breaker;
use super::config::LaneConfig;
use super::destination::Destination;
use super::feed::Feed;
use super::pending::{Limits, NextAction, Ordering, Pending};
use super::preparation::{Preparation, Preparations};
use super::quiet_filter::QuietFilter;
use super::rate_limit::RateLimit;
use super::reporter::{LaneState, Reporter};
use super::settler::Settler;
use super::threads::Threads;
use super::worker::Worker;
use crate::event::Name;
use crate::fault::Fault;
use crate::metrics::SinkMetrics;
use crate::outbox::Outbox;
use crate::relay::Silences;
use crate::sinks::{Audience, SinkTraits};
use crate::stop::Stop;
use crate::store::{Note, Store, StoreError};

/// Messages that a lane holds in memory; the rest of a backlog stays in the store.
const CAPACITY: usize = 128;
/// Where digests are made the lane must see more of what is pending.
const DIGEST_CAPACITY: usize = 256;
/// With one post at a time, how long a message that fails alone may hold up those behind it.
const STEP_ASIDE: Duration = Duration::from_secs(60);
/// In a chat that has a rate limit, more than this pending from one relay become one message.
const DIGEST: u32 = 20;
/// How soon a store that cannot be read is tried again.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Everything that a lane needs, handed in by `app`.
#[derive(Debug)]
pub struct Lane<D, P> {
    pub name: Name,
    pub kind: &'static str,
    pub destination: Arc<D>,
    pub config: LaneConfig,
    pub rate_limit: Option<Arc<RateLimit>>,
    pub preparation: Arc<P>,
    pub silences: Silences,
    pub store: Store,
    /// For the lane's own events: dead letters, and its stop.
    pub outbox: Outbox,
    pub metrics: SinkMetrics,
    pub state: watch::Sender<LaneState>,
}

impl<D: Destination, P: Preparation> Lane<D, P> {
    /// Runs until `stop`; what is being sent then is finished, and what is pending stays in the store.
    pub async fn run(self, stop: Stop) -> Result<(), Fault> {
        let Some(notes) = self.notes(&stop).await else { return Ok(()) };
        let (name, concurrency) = (self.name.clone(), self.config.concurrency as usize);
        let mut feed = Feed::new(self.store.stream(&name));
        let mut sending = FuturesUnordered::new();
        let mut worker = self.worker(&notes);
        loop {
            worker.settler.start_flush();
            let mut next_send = None;
            while sending.len() < concurrency && worker.may_send() && !stop.is_triggered() {
                match worker.next_action().await? {
                    NextAction::Send(parcel) => sending.push(worker.send(parcel)),
                    NextAction::WaitUntil(at) => {
                        next_send = Some(at);
                        break;
                    }
                    NextAction::Wait => break,
                }
            }
            let wake = [next_send, worker.next_sweep(), worker.reporter.send_queued(Instant::now())];
            let wake = wake.into_iter().flatten().min();
            worker.preparations.start_again();
            if let Some(room) = worker.pending.room(worker.preparations.len()) {
                feed.read(room);
            }
            tokio::select! {
                biased;
                Some((parcel, began, results)) = sending.next(), if !sending.is_empty() => {
                    for (pending, result) in parcel.into_iter().zip(results) {
                        worker.attempted(pending, began, result).await?;
                    }
                }
                () = worker.settler.flushed() => {}
                () = stop.wait(), if !stop.is_triggered() => {}
                () = std::future::ready(()), if stop.is_triggered() && sending.is_empty() => return Ok(()),
                prepared = worker.preparations.next() => worker.admit(prepared).await?,
                deliveries = feed.next(), if !stop.is_triggered() => match deliveries {
                    Ok(deliveries) => worker.prepare(deliveries).await?,
                    Err(StoreError::Closed) => return Ok(()),
                    Err(error) => {
                        error!(sink = %name, "cannot read the store, trying again: {error}");
                        stop.or(sleep(READ_AGAIN)).await;
                    }
                },
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => worker.sweep().await?,
            }
        }
    }

    /// What an earlier run wrote down. None: the stop came first.
    async fn notes(&self, stop: &Stop) -> Option<Vec<Note>> {
        loop {
            match self.store.notes(&self.name).await {
                Ok(notes) => return Some(notes),
                Err(StoreError::Closed) => return None,
                Err(error) => {
                    error!(sink = %self.name, "cannot read the store, trying again: {error}");
                    stop.or(sleep(READ_AGAIN)).await?;
                }
            }
        }
    }

    fn worker(self, notes: &[Note]) -> Worker<D, P> {
        let Self { name, kind, destination, config, rate_limit, preparation, silences, store, outbox, metrics, state } =
            self;
        let traits = destination.traits();
        let digest = digest(&config, &traits, rate_limit.is_some());
        let capacity = if digest > 0 { DIGEST_CAPACITY.max(digest + CAPACITY) } else { CAPACITY.max(2 * traits.batch) };
        let keeps_keys = traits.batch == 1;
        let ordering = Ordering {
            holds_for: (config.concurrency == 1 && keeps_keys).then_some(STEP_ASIDE),
            keeps_keys,
            // Where the first message of a key shows its present state, each change must reach it.
            sums_up_incidents: !traits.remembers,
        };
        Worker {
            quiet: QuietFilter::restore(silences, traits.audience != Audience::Pager, notes),
            threads: Threads::restore(notes),
            pending: Pending::new(ordering, Limits { capacity, digest }),
            preparations: Preparations::new(preparation),
            breaker: Breaker::new(config.retry),
            settler: Settler::new(name.clone(), store, config.concurrency as usize * traits.batch),
            reporter: Reporter::new(name.clone(), outbox, metrics, state, config.give_up),
            sweep_at: None,
            name,
            kind,
            destination,
            config,
            traits,
            rate_limit,
        }
    }
}

/// More than this many pending from one relay become one message; 0: never.
fn digest(config: &LaneConfig, traits: &SinkTraits, limited: bool) -> usize {
    let default = if limited { DIGEST } else { 0 };
    if traits.audience == Audience::Chat { config.digest.unwrap_or(default) as usize } else { 0 }
}
