//! From the sources to the store: finds the relays that want an event, and commits what is wanted.
//!
//! One task, so that events keep their order. While one batch is being written the next is planned; when both are full,
//! arrivals wait in their channel, and their sources with them.

mod batch;
mod health;
mod monitor;
mod recent;
mod report;
mod self_event;
mod source_state;
mod up_record;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, OptionFuture};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::debug;

use crate::event::{Event, Name};
use crate::fault::Fault;
use crate::metrics::{Counter, Metrics, RelayMetrics, SourceMetrics, unix_seconds};
use crate::outbox::{Arrival, Group, STATE_FILE};
use crate::relay::Relays;
use crate::stop::Stop;
use crate::store::{CommitError, Entry, Route, Store, StoreError};
use batch::{Batch, Planned};

pub use monitor::{ENDED, HealthMonitor};
pub use recent::Recent;
pub use self_event::{SelfEvent, SelfReporter};
pub use source_state::{SourceCondition, SourceHealthConfig, SourceState};

/// Events in memory at the most, the commit under way included; more wait in their channel. The last group may exceed it.
const NEXT_BATCH: usize = 2048;
/// Events in one commit: verdicts wait behind it, so it must not take long. Only a larger group exceeds it.
const ONE_COMMIT: usize = 256;
/// The pause after a refused commit.
const PATIENCE: Duration = Duration::from_millis(250);

pub struct Intake {
    arrivals: mpsc::Receiver<Arrival>,
    /// The other end is every [`SelfReporter`].
    self_events: mpsc::Receiver<SelfEvent>,
    relays: Arc<Relays>,
    store: Store,
    metrics: Metrics,
    recent: Arc<Recent>,
    /// By the relay's number.
    relay_metrics: Vec<RelayMetrics>,
}

impl Intake {
    pub fn new(
        arrivals: mpsc::Receiver<Arrival>,
        self_events: mpsc::Receiver<SelfEvent>,
        relays: Arc<Relays>,
        store: Store,
        metrics: Metrics,
        recent: Arc<Recent>,
    ) -> Self {
        let relay_metrics = relays.iter().map(|relay| metrics.relay(&relay.name)).collect();
        Self { arrivals, self_events, relays, store, metrics, recent, relay_metrics }
    }

    /// Runs until `stop`, and until everything that arrived before it is committed.
    pub async fn run(mut self, stop: Stop) -> Result<(), Fault> {
        let mut counters: HashMap<Name, SourceMetrics> = HashMap::new();
        let (mut arrived, mut self_reported) = (Vec::new(), Vec::new());
        let mut next = Batch::default();
        let mut waiting: Vec<Planned> = Vec::new();
        let mut committing: Option<BoxFuture<'static, Result<(), CommitError>>> = None;
        let (mut self_events_open, mut arrivals_open, mut under_way) = (true, true, 0);
        let mut stopping = false;
        loop {
            if committing.is_none() && !next.is_empty() {
                let batch = next.take_first(ONE_COMMIT);
                under_way = batch.entries.len();
                waiting = batch.groups;
                committing = Some(commit(self.store.clone(), batch.entries, self.metrics.clone()).boxed());
            }
            if !self_events_open && !arrivals_open && committing.is_none() {
                return Ok(());
            }
            // The commit under way counts: it comes back if it is refused.
            let room = NEXT_BATCH.saturating_sub(next.entries.len() + under_way);
            tokio::select! {
                biased;
                Some(end) = OptionFuture::from(committing.as_mut()) => {
                    (committing, under_way) = (None, 0);
                    self.after_commit(end, std::mem::take(&mut waiting), &mut next).await;
                }
                taken = self.self_events.recv_many(&mut self_reported, room), if self_events_open && room > 0 => {
                    for self_event in self_reported.drain(..) {
                        self.plan_self_event(self_event, &mut next);
                    }
                    self_events_open &= taken > 0;
                }
                taken = self.arrivals.recv_many(&mut arrived, room), if arrivals_open && room > 0 => {
                    // The clock is read once for all of them.
                    let now = unix_seconds(Timestamp::now());
                    for arrival in arrived.drain(..) {
                        self.plan_arrival(arrival, now, &mut counters, &mut next);
                    }
                    arrivals_open &= taken > 0;
                }
                () = stop.wait(), if !stopping => {
                    stopping = true;
                    // The sources have ended by now; what they left in the channels is still committed.
                    self.arrivals.close();
                    self.self_events.close();
                }
            }
        }
    }

    fn plan_arrival(&self, arrival: Arrival, now: f64, counters: &mut HashMap<Name, SourceMetrics>, next: &mut Batch) {
        let Arrival { group, cursor, committed } = arrival;
        let planned = Planned::arrived(cursor, committed);
        if planned.follows_a_refusal() {
            return planned.refuse(&Fault::new(STATE_FILE, "what came before this could not be written"));
        }
        match group {
            Group::One(event) => next.push(self.plan_event(event, now, counters), planned),
            Group::Many { source, events } => {
                let entries = events.into_iter().map(|event| self.plan_event(event, now, counters));
                next.push_all(source, entries, planned);
            }
        }
    }

    fn plan_event(&self, event: Event, now: f64, counters: &mut HashMap<Name, SourceMetrics>) -> Entry {
        let counter = match counters.get(&event.source) {
            Some(counter) => counter,
            None => counters.entry(event.source.clone()).or_insert_with(|| self.metrics.source(&event.source)),
        };
        counter.received.inc();
        counter.last_event_timestamp.set(now);
        let event = Arc::new(event);
        let routes = self.routes(&event);
        if routes.is_empty() {
            counter.unmatched.inc();
        }
        self.recent.push(Arc::clone(&event));
        Entry { event, routes, cursor: None, incident: None }
    }

    fn plan_self_event(&self, self_event: SelfEvent, next: &mut Batch) {
        let SelfEvent { event, incident, must, committed } = self_event;
        let event = Arc::new(event);
        let routes = self.routes(&event);
        self.recent.push(Arc::clone(&event));
        next.push(Entry { event, routes, cursor: None, incident }, Planned::self_reported(committed, must));
    }

    /// Which relays send the event to which sinks.
    fn routes(&self, event: &Event) -> Vec<Route> {
        let plan = self.relays.plan(event);
        for (number, fault) in plan.faults {
            let relay = self.relays.get(number);
            self.count(number, |metrics| &metrics.faults);
            debug!(relay = %relay.name, event = %event.id, "cannot evaluate `when`: {fault}");
        }
        let mut routes = Vec::new();
        for number in plan.wanted {
            let relay = self.relays.get(number);
            self.count(number, |metrics| &metrics.matched);
            let sinks = relay.sinks.iter().filter(|sink| !is_about(event, sink));
            routes.extend(sinks.map(|sink| Route { relay: relay.name.clone(), sink: sink.clone() }));
        }
        routes
    }

    fn count(&self, relay: usize, which: impl FnOnce(&RelayMetrics) -> &Counter) {
        if let Some(metrics) = self.relay_metrics.get(relay) {
            which(metrics).inc();
        }
    }

    async fn after_commit(&self, end: Result<(), CommitError>, groups: Vec<Planned>, next: &mut Batch) {
        match end {
            Ok(()) => groups.into_iter().for_each(Planned::accept),
            Err(CommitError { error: StoreError::Closed, .. }) => {
                let closed = Fault::new("closing", "the state file is closed");
                for group in groups {
                    group.refuse(&closed);
                }
            }
            Err(CommitError { entries, error }) => {
                let fault = Fault::new(STATE_FILE, error.to_string());
                // The store logs this once, and again when it is over.
                debug!("nothing can be accepted: {fault}; trying again");
                next.take_back(Batch { entries, groups }, &fault);
                tokio::time::sleep(PATIENCE).await;
            }
        }
    }
}

async fn commit(store: Store, entries: Vec<Entry>, metrics: Metrics) -> Result<(), CommitError> {
    let began = Instant::now();
    let result = store.commit(entries).await;
    metrics.commit_seconds().observe(began.elapsed().as_secs_f64());
    result.map(drop)
}

/// An event about a sink's failure never goes to that sink.
fn is_about(event: &Event, sink: &str) -> bool {
    event.is_ours() && matches!(&*event.r#type, "delivery.dead" | "sink.stopped") && {
        event.data.value().get("sink").and_then(|sink| sink.as_str()) == Some(sink)
    }
}
