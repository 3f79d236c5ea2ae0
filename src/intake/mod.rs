//! From the sources to the queue: asks the relays who wants an event, and commits what is wanted.
//!
//! One task, so that events keep their order. While one batch is on its way to the disk the next is
//! being planned; when both are full, arrivals wait in their channel and the sources with them.

mod health;
mod notice;
mod recent;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, OptionFuture};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::event::{Event, Name};
use crate::fault::Fault;
use crate::metrics::{Counter, Metrics, RelayMetrics, SourceMetrics, unix_seconds};
use crate::outbox::Arrival;
use crate::queue::{Committed, Entry, Queue, QueueError, Route};
use crate::relay::Relays;
use crate::stop::Stop;

pub use health::{Condition, Habits, State};
pub use notice::{Herald, Notice};
pub use recent::Recent;
pub use watch::Watch;

/// Events in here at the most, the commit under way included. Beyond that they wait in their channel, and their source
/// with them.
const NEXT_BATCH: usize = 2048;
/// Events in one commit: verdicts wait behind it, so it must not take long.
const ONE_COMMIT: usize = 256;
/// How long a full disk is left alone before the next try.
const PATIENCE: Duration = Duration::from_millis(250);

pub struct Intake {
    arrivals: mpsc::Receiver<Arrival>,
    /// What the house itself has to say; the other end is every [`Herald`].
    notices: mpsc::Receiver<Notice>,
    relays: Arc<Relays>,
    queue: Queue,
    metrics: Metrics,
    recent: Arc<Recent>,
    /// Each relay's counters, by its number.
    counted: Vec<RelayMetrics>,
}

type Answer = Option<oneshot::Sender<Result<(), Fault>>>;

/// What is to be committed together, and who waits for it.
#[derive(Default)]
struct Batch {
    entries: Vec<Entry>,
    answers: Vec<Answer>,
}

impl Batch {
    fn take_first(&mut self, many: usize) -> Self {
        let many = many.min(self.entries.len());
        let entries = self.entries.split_off(many);
        let answers = self.answers.split_off(many);
        Self {
            entries: std::mem::replace(&mut self.entries, entries),
            answers: std::mem::replace(&mut self.answers, answers),
        }
    }
}

impl Intake {
    pub fn new(
        arrivals: mpsc::Receiver<Arrival>,
        notices: mpsc::Receiver<Notice>,
        relays: Arc<Relays>,
        queue: Queue,
        metrics: Metrics,
        recent: Arc<Recent>,
    ) -> Self {
        let counted = relays.iter().map(|relay| metrics.relay(&relay.name)).collect();
        Self { arrivals, notices, relays, queue, metrics, recent, counted }
    }

    /// Runs until the stop is said and everything that arrived before it is committed.
    pub async fn run(mut self, stop: Stop) -> Result<(), Fault> {
        let mut counters: HashMap<Name, SourceMetrics> = HashMap::new();
        let (mut arrived, mut noticed) = (Vec::new(), Vec::new());
        let mut next = Batch::default();
        let mut answers: Vec<Answer> = Vec::new();
        let mut committing: Option<BoxFuture<'static, CommitEnd>> = None;
        let (mut open, mut under_way) = (true, 0);
        loop {
            if committing.is_none() && !next.entries.is_empty() {
                let batch = next.take_first(ONE_COMMIT);
                under_way = batch.entries.len();
                answers = batch.answers;
                committing = Some(commit(self.queue.clone(), batch.entries, self.metrics.clone()).boxed());
            }
            if !open && committing.is_none() {
                return Ok(());
            }
            // What is under way counts: after a refused commit all of it comes back.
            let room = NEXT_BATCH.saturating_sub(next.entries.len() + under_way);
            tokio::select! {
                biased;
                Some(end) = OptionFuture::from(committing.as_mut()) => {
                    (committing, under_way) = (None, 0);
                    self.after_commit(end, std::mem::take(&mut answers), &mut next).await;
                }
                taken = self.notices.recv_many(&mut noticed, room), if open && room > 0 => {
                    for notice in noticed.drain(..) {
                        self.plan_notice(notice, &mut next);
                    }
                    open &= taken > 0;
                }
                taken = self.arrivals.recv_many(&mut arrived, room), if open && room > 0 => {
                    // One look at the clock for all that came together.
                    let now = unix_seconds(now());
                    for arrival in arrived.drain(..) {
                        self.plan_arrival(arrival, now, &mut counters, &mut next);
                    }
                    open &= taken > 0;
                }
                () = stop.wait(), if open => {
                    // Sources have ended by now; what they left in the channels is still ours.
                    self.arrivals.close();
                    self.notices.close();
                    while let Ok(arrival) = self.arrivals.try_recv() {
                        self.plan_arrival(arrival, unix_seconds(now()), &mut counters, &mut next);
                    }
                    while let Ok(notice) = self.notices.try_recv() {
                        self.plan_notice(notice, &mut next);
                    }
                    open = false;
                }
            }
        }
    }

    fn plan_arrival(&self, arrival: Arrival, now: f64, counters: &mut HashMap<Name, SourceMetrics>, next: &mut Batch) {
        let Arrival { event, cursor, committed } = arrival;
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
        if routes.is_empty() && cursor.is_none() {
            // Counted and forgotten: whoever waits may go on at once.
            answer(committed, &Ok(()));
            return;
        }
        next.entries.push(Entry { event, routes, cursor, incident: None });
        next.answers.push(committed);
    }

    fn plan_notice(&self, notice: Notice, next: &mut Batch) {
        let event = Arc::new(notice.event);
        let routes = self.routes(&event);
        self.recent.push(Arc::clone(&event));
        if routes.is_empty() && notice.incident.is_none() {
            answer(Some(notice.committed), &Ok(()));
            return;
        }
        next.entries.push(Entry { event, routes, cursor: None, incident: notice.incident });
        next.answers.push(Some(notice.committed));
    }

    /// Which relay takes the event to which sink.
    fn routes(&self, event: &Event) -> Vec<Route> {
        let plan = self.relays.plan(event);
        for (number, fault) in plan.faults {
            let relay = self.relays.get(number);
            self.count(number, |counted| &counted.faults);
            debug!(relay = %relay.name, event = %event.id, "cannot decide: {fault}");
        }
        let mut routes = Vec::new();
        for number in plan.wanted {
            let relay = self.relays.get(number);
            self.count(number, |counted| &counted.matched);
            let sinks = relay.sinks.iter().filter(|sink| !is_about(event, sink));
            routes.extend(sinks.map(|sink| Route { relay: relay.name.clone(), sink: sink.clone() }));
        }
        routes
    }

    fn count(&self, relay: usize, which: impl FnOnce(&RelayMetrics) -> &Counter) {
        if let Some(counted) = self.counted.get(relay) {
            which(counted).inc();
        }
    }

    async fn after_commit(&self, end: CommitEnd, answers: Vec<Answer>, next: &mut Batch) {
        match end.result {
            Ok(_) => {
                for waiting in answers {
                    answer(waiting, &Ok(()));
                }
            }
            Err(QueueError::Closed) => {
                let closed = Err(Fault::new("closing", "the state file is closed"));
                for waiting in answers {
                    answer(waiting, &closed);
                }
            }
            Err(trouble) => {
                let fault = Fault::new("state_file", trouble.to_string());
                // The queue says this once, and again when it is over.
                debug!("nothing can be accepted: {fault}; trying again");
                // Who can be told is told, and sends again. A stream's events have nobody: they wait here, in front.
                let refused = Err(fault);
                let mut kept = Batch::default();
                for (entry, waiting) in end.entries.into_iter().zip(answers) {
                    match waiting {
                        Some(waiting) if entry.incident.is_none() => answer(Some(waiting), &refused),
                        waiting => {
                            kept.entries.push(entry);
                            kept.answers.push(waiting);
                        }
                    }
                }
                kept.entries.append(&mut next.entries);
                kept.answers.append(&mut next.answers);
                *next = kept;
                tokio::time::sleep(PATIENCE).await;
            }
        }
    }
}

struct CommitEnd {
    entries: Vec<Entry>,
    result: Result<Vec<Committed>, QueueError>,
}

async fn commit(queue: Queue, entries: Vec<Entry>, metrics: Metrics) -> CommitEnd {
    let began = Instant::now();
    let result = queue.commit(entries.clone()).await;
    metrics.commit_seconds().observe(began.elapsed().as_secs_f64());
    CommitEnd { entries, result }
}

fn answer(waiting: Answer, result: &Result<(), Fault>) {
    if let Some(waiting) = waiting {
        // Whoever asked may have gone meanwhile; the commit stands all the same.
        let _gone = waiting.send(result.clone());
    }
}

/// Word of a sink's trouble never goes to that very sink.
fn is_about(event: &Event, sink: &str) -> bool {
    event.is_ours() && matches!(&*event.r#type, "delivery.dead" | "sink.stopped") && {
        event.data.value().get("sink").and_then(|sink| sink.as_str()) == Some(sink)
    }
}

/// Says in the log what a person should know of the daemon's own events.
fn log_ours(event: &Event) {
    match &*event.r#type {
        "source.lost" | "source.silent" | "source.gap" | "config.rejected" => {
            warn!(subject = %event.subject, data = %event.data.text(), "{}", event.r#type);
        }
        _ => info!(subject = %event.subject, data = %event.data.text(), "{}", event.r#type),
    }
}

/// When the daemon's own events happen.
fn now() -> Timestamp {
    Timestamp::now()
}
