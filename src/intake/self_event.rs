//! What the house has to say of itself, on its way to the same relays as everything else.

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::{log_ours, now};
use crate::event::Event;
use crate::fault::Fault;
use crate::store::IncidentChange;

/// An event of the daemon's own life, with the incident it opens or closes in the same transaction.
#[derive(Debug)]
pub struct SelfEvent {
    pub event: Event,
    pub incident: Option<IncidentChange>,
    /// While nothing can be written it waits instead of being refused: nobody could tell it a second time.
    pub must: bool,
    pub committed: oneshot::Sender<Result<(), Fault>>,
}

/// Tells the daemon's own events. Cheap to clone; the intake holds the other end.
#[derive(Debug, Clone)]
pub struct SelfReporter(mpsc::Sender<SelfEvent>);

impl SelfReporter {
    pub fn new() -> (Self, mpsc::Receiver<SelfEvent>) {
        /// Own events are rare; a few may come at once when everything breaks.
        const WAITING: usize = 64;
        let (self_events, other_end) = mpsc::channel(WAITING);
        (Self(self_events), other_end)
    }

    /// Resolves when the event is committed (or nobody wanted it).
    pub async fn tell(
        &self,
        r#type: &str,
        subject: &str,
        data: &Value,
        incident: Option<IncidentChange>,
    ) -> Result<(), Fault> {
        let event = Event::ours(r#type, subject, now(), data);
        log_ours(&event);
        let (committed, answer) = oneshot::channel();
        let closing = || Fault::new("closing", "the daemon is stopping");
        let must = incident.is_some() || r#type == "source.gap";
        self.0.send(SelfEvent { event, incident, must, committed }).await.map_err(|_| closing())?;
        answer.await.unwrap_or_else(|_| Err(closing()))
    }
}
