//! The daemon's own events, on their way to the same relays as all others.

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info, warn};

use crate::event::Event;
use crate::fault::Fault;
use crate::store::IncidentChange;

/// An event of the daemon itself, and the incident that it opens or closes in the same transaction.
#[derive(Debug)]
pub struct SelfEvent {
    pub event: Event,
    pub incident: Option<IncidentChange>,
    /// While nothing can be written it waits instead of being refused: it could not be reported a second time.
    pub must: bool,
    pub committed: oneshot::Sender<Result<(), Fault>>,
}

/// Reports the daemon's own events. Cheap to clone; the intake holds the other end.
#[derive(Debug, Clone)]
pub struct SelfReporter(mpsc::Sender<SelfEvent>);

impl SelfReporter {
    pub fn new() -> (Self, mpsc::Receiver<SelfEvent>) {
        /// Own events are rare; a few may come at once when everything breaks.
        const CAPACITY: usize = 64;
        let (sender, receiver) = mpsc::channel(CAPACITY);
        (Self(sender), receiver)
    }

    /// Resolves when the event is committed, or no relay wants it.
    pub async fn report(
        &self,
        r#type: &str,
        subject: &str,
        data: &Value,
        incident: Option<IncidentChange>,
    ) -> Result<(), Fault> {
        let event = Event::ours(r#type, subject, Timestamp::now(), data);
        log(&event);
        let (committed, answer) = oneshot::channel();
        let closing = || Fault::new("closing", "the daemon is stopping");
        let must = incident.is_some() || matches!(r#type, "source.gap" | "source.connected" | "source.disconnected");
        self.0.send(SelfEvent { event, incident, must, committed }).await.map_err(|_| closing())?;
        answer.await.unwrap_or_else(|_| Err(closing()))
    }
}

fn log(event: &Event) {
    match &*event.r#type {
        "source.lost" | "source.silent" | "source.gap" | "config.rejected" => {
            warn!(subject = %event.subject, data = %event.data.text(), "{}", event.r#type);
        }
        // The reconnect loop logs these.
        "source.connected" | "source.disconnected" => {
            debug!(subject = %event.subject, data = %event.data.text(), "{}", event.r#type);
        }
        _ => info!(subject = %event.subject, data = %event.data.text(), "{}", event.r#type),
    }
}
