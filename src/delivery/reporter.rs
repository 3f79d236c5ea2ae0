//! What a lane shows and reports: its own events, its metrics, its log lines and its state.
//!
//! Never waits: a lane must not stop because the intake is full. Events that the intake has no room for are queued here.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::breaker::Trip;
use super::pending::Payload;
use crate::config_reader::print_duration;
use crate::event::{Event, Name};
use crate::fault::Fault;
use crate::metrics::SinkMetrics;
use crate::outbox::Outbox;

/// Events that wait for room in the intake, at the most.
const MAX_QUEUED: usize = 64;
/// How soon a full intake is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How often expired messages are reported.
const ROUND: Duration = Duration::from_secs(60);

/// What is shown of a lane.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LaneState {
    /// Why nothing is sent until a person changes something.
    pub stopped: Option<String>,
    /// The failure because of which the whole lane pauses at the moment.
    pub held: Option<String>,
}

#[derive(Debug)]
pub(super) struct Reporter {
    sink: Name,
    outbox: Outbox,
    pub metrics: SinkMetrics,
    state: watch::Sender<LaneState>,
    give_up: Duration,
    queued: VecDeque<Event>,
    /// Expired and not yet reported: one event for all of a round, because those of a weekend would flood the chat.
    expired: usize,
    next_round: Instant,
}

impl Reporter {
    pub(super) fn new(
        sink: Name,
        outbox: Outbox,
        metrics: SinkMetrics,
        state: watch::Sender<LaneState>,
        give_up: Duration,
    ) -> Self {
        let (queued, next_round) = (VecDeque::new(), Instant::now() + ROUND);
        Self { sink, outbox, metrics, state, give_up, queued, expired: 0, next_round }
    }

    /// `took`: since the first of it was accepted.
    pub(super) fn delivered(&self, payload: &Payload, took: Duration) {
        self.metrics.delivery_seconds.observe(took.as_secs_f64());
        let outcome = if payload.is_throttled() { &self.metrics.suppressed } else { &self.metrics.delivered };
        outcome.inc_by(payload.ids().len() as u64);
    }

    /// The destination failed, so the lane pauses. Only the first of several failures in a row is logged.
    pub(super) fn tripped(&self, trip: Trip, pause: Duration, cause: &Fault) {
        if trip == Trip::Known {
            return;
        }
        self.metrics.lane_wait.set(pause.as_secs_f64());
        if trip == Trip::First {
            warn!(sink = %self.sink, "delivery failed, retrying in {}: {cause}", print_duration(pause));
        }
        self.state.send_modify(|state| state.held = Some(cause.to_string()));
    }

    pub(super) fn resumed(&self) {
        info!(sink = %self.sink, "delivering again");
        self.metrics.lane_wait.set(0.0);
        self.state.send_modify(|state| state.held = None);
    }

    pub(super) fn stopped(&mut self, cause: &Fault) {
        error!(sink = %self.sink, "sink stopped: fix the destination and reload: {cause}");
        self.state.send_modify(|state| state.stopped = Some(cause.to_string()));
        self.report("sink.stopped", &json!({ "sink": &*self.sink, "why": cause.to_string() }));
    }

    pub(super) fn dead(&mut self, payload: &Payload, cause: &Fault) {
        self.count_dead(payload, cause);
        if let Some(event) = payload.event().filter(|event| is_reportable(event)) {
            let data = json!({
                "sink": &*self.sink, "relay": &**payload.relay(), "event": event.id.to_string(),
                "type": &*event.r#type, "count": payload.ids().len(), "why": cause.to_string(),
            });
            self.report("delivery.dead", &data);
        }
    }

    /// Dead because of its age: reported with all others of the same round.
    pub(super) fn expired(&mut self, payload: &Payload, cause: &Fault) {
        self.count_dead(payload, cause);
        if payload.event().is_some_and(is_reportable) {
            self.expired += payload.ids().len();
        }
    }

    /// When the expired are to be reported, if there are any.
    pub(super) fn next_round(&self) -> Option<Instant> {
        (self.expired > 0).then_some(self.next_round)
    }

    pub(super) fn report_expired(&mut self, now: Instant) {
        if now < self.next_round {
            return;
        }
        self.next_round = now + ROUND;
        let count = std::mem::take(&mut self.expired);
        if count > 0 {
            let why = format!("{count} messages waited longer than {}", print_duration(self.give_up));
            self.report("delivery.dead", &json!({ "sink": &*self.sink, "count": count, "why": why }));
        }
    }

    /// Sends the queued events. Some: the intake has no room for the rest until then, at the earliest.
    pub(super) fn send_queued(&mut self, now: Instant) -> Option<Instant> {
        while let Some(event) = self.queued.front() {
            if !self.outbox.try_offer(event.clone()) {
                return Some(now + TRY_AGAIN);
            }
            self.queued.pop_front();
        }
        None
    }

    fn count_dead(&self, payload: &Payload, cause: &Fault) {
        let event = payload.event().map(|event| event.id.to_string()).unwrap_or_default();
        let count = payload.ids().len();
        warn!(sink = %self.sink, relay = %payload.relay(), event, count, "moved to the dead letters: {cause}");
        self.metrics.dead_total.inc_by(count as u64);
    }

    /// The log has it already.
    fn report(&mut self, r#type: &str, data: &Value) {
        if self.queued.len() >= MAX_QUEUED {
            warn!(sink = %self.sink, "{type} is not relayed: the intake is full");
            return;
        }
        self.queued.push_back(Event::ours(r#type, &self.sink, Timestamp::now(), data));
        self.send_queued(Instant::now());
    }
}

/// A dead letter about a dead letter would cause the next one, for ever.
fn is_reportable(event: &Event) -> bool {
    !(event.is_ours() && matches!(&*event.r#type, "delivery.dead" | "sink.stopped"))
}

#[cfg(test)]
mod tests;
