//! What becomes of a message after an attempt: delivered, tried again, dead, or the lane stopped.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::clock::time_until;
use super::delay_note::DelayCause;
use super::destination::Destination;
use super::pending::{Payload, PendingMessage};
use super::preparation::Preparation;
use super::worker::{SWEEP, Worker};
use crate::fault::Fault;
use crate::message::{Message, Receipt, SendError};
use crate::sinks::Audience;

impl<D: Destination, P: Preparation> Worker<D, P> {
    /// `began`: when the attempt was sent.
    pub(super) async fn attempted(
        &mut self,
        mut pending: PendingMessage,
        began: Instant,
        result: Result<Receipt, SendError>,
    ) -> Result<(), Fault> {
        self.pending.ended(&pending);
        let error = match result {
            Ok(receipt) => {
                self.answered(began);
                return self.delivered(pending, receipt).await;
            }
            Err(error) => error,
        };
        pending.attempts = pending.attempts.saturating_add(1);
        self.reporter.metrics.failed(error.cause().reason());
        debug!(sink = %self.name, relay = %pending.payload.relay(), attempt = pending.attempts, "not delivered: {}", error.cause());
        match error {
            SendError::Later { maybe: true, cause, .. } if !self.traits.knows_repeats && !self.config.repeat => {
                let cause = cause.while_doing("it may have arrived, and `repeat = false` forbids sending it again");
                self.move_to_dead(&pending.payload, pending.attempts, &cause).await
            }
            SendError::Later { wait, lane, maybe, cause } => {
                pending.unanswered |= maybe && !self.traits.knows_repeats;
                self.retry_later(pending, wait, lane, &cause).await
            }
            SendError::NeverMessage(cause) => {
                self.answered(began);
                self.refused(pending, &cause).await
            }
            SendError::NeverDestination(cause) => self.stop(pending, &cause).await,
        }
    }

    async fn delivered(&mut self, pending: PendingMessage, Receipt(receipt): Receipt) -> Result<(), Fault> {
        let now = Timestamp::now();
        let PendingMessage { payload, rendered, mut notes, .. } = pending;
        // Nothing is ever a reply to a digest.
        if self.traits.remembers
            && let (Some(receipt), Some(message), Payload::One(_)) = (&receipt, &rendered, &payload)
        {
            notes.extend(self.threads.remember(message, receipt, now));
        }
        self.reporter.delivered(&payload, time_until(now, payload.accepted().0));
        self.settler.delivered(&payload, receipt, notes).await
    }

    async fn retry_later(
        &mut self,
        mut pending: PendingMessage,
        wait: Option<Duration>,
        lane: bool,
        cause: &Fault,
    ) -> Result<(), Fault> {
        if self.is_expired(&pending.payload) {
            return self.expire(&pending, &cause.to_string()).await;
        }
        let now = Instant::now();
        let pause = if lane {
            let limited = cause.reason() == "rate_limited";
            let delay = if limited { DelayCause::RateLimit } else { DelayCause::Unreachable };
            let (pause, trip) = self.breaker.trip(now, wait, delay);
            self.reporter.tripped(trip, pause, cause);
            pause
        } else {
            let pause = self.breaker.pause_after(pending.attempts, wait);
            pending.not_before = Some(now + pause);
            pending.failing_since.get_or_insert(now);
            pause
        };
        self.postpone(pending, pause, cause).await
    }

    /// The receiver refused this message: a chat gets it once more as plain text.
    async fn refused(&mut self, mut pending: PendingMessage, cause: &Fault) -> Result<(), Fault> {
        match pending.rendered.as_mut() {
            Some(message) if self.traits.audience == Audience::Chat && !pending.reduced && message.raw.is_none() => {
                warn!(sink = %self.name, relay = %pending.payload.relay(), "message refused, retrying as plain text: {cause}");
                **message = text_only(message);
                pending.reduced = true;
                self.pending.insert(pending);
                Ok(())
            }
            _ => {
                self.quiet.forget(&pending.notes);
                self.move_to_dead(&pending.payload, pending.attempts, cause).await
            }
        }
    }

    async fn stop(&mut self, pending: PendingMessage, cause: &Fault) -> Result<(), Fault> {
        self.postpone(pending, Duration::ZERO, cause).await?;
        if self.breaker.stop() {
            self.reporter.stopped(cause);
            self.sweep_at = Some(Instant::now() + SWEEP);
        }
        Ok(())
    }

    async fn postpone(&mut self, pending: PendingMessage, pause: Duration, cause: &Fault) -> Result<(), Fault> {
        self.settler.postponed(&pending.payload, pause, pending.attempts, cause).await?;
        self.pending.insert(pending);
        Ok(())
    }

    /// The receiver answered: it takes messages, or judges them at least.
    fn answered(&mut self, began: Instant) {
        if self.breaker.answered(began) {
            self.reporter.resumed();
        }
    }
}

/// Title and text, and nothing that a strict receiver could object to.
fn text_only(message: &Message) -> Message {
    let text = match &message.title {
        Some(title) if message.text.is_empty() => title.clone(),
        Some(title) => format!("{title}\n{}", message.text),
        None => message.text.clone(),
    };
    let (signal, earlier) = (message.signal, message.earlier.clone());
    Message { signal, earlier, ..Message::plain(text, message.key.clone(), message.origin.clone()) }
}
