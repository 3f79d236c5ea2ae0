//! A Docker Engine's own stream of events, over its socket or over TLS.
//!
//! An Engine remembers its last events for a while: after a loss it is asked for what happened since, and what it no
//! longer knows is told as a gap.

mod config;
mod ear;
mod engine;
mod meaning;
mod place;
mod splitter;
#[cfg(test)]
mod tests;

use serde_json::Value;
use tracing::warn;

use super::{AlertTexts, Source};
use crate::fault::Fault;
use crate::log_limiter::LogLimiter;
use crate::outbound::{Flow, Outbound};
use crate::outbox::Outbox;
use crate::reconnect::Reconnect;
use crate::stop::Stop;

pub(super) use config::Config;
use ear::Ear;
use engine::Engine;
use place::Place;

#[derive(Debug)]
pub struct Docker {
    config: Config,
    engine: Engine,
}

impl Docker {
    pub(super) const ALERT_TEXTS: AlertTexts = AlertTexts {
        lost: "Source {{ event.subject }} is lost: {{ data.why }}",
        back: "Source {{ event.subject }} is back.",
        key: None,
    };

    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        let engine = Engine::new(&config, net);
        Self { config, engine }
    }

    /// Connects and reads until the connection is lost.
    async fn connect_and_read(&self, reconnect: &mut Reconnect<'_>, out: &Outbox, skips: &mut LogLimiter) -> Fault {
        let (flow, place) = match self.connect(out).await {
            Ok(connected) => connected,
            Err(fault) => return fault,
        };
        reconnect.connected();
        out.up();
        Ear::new(&self.engine, &self.config.connection, out, flow, place, skips).listen().await
    }

    async fn connect(&self, out: &Outbox) -> Result<(Flow, Place), Fault> {
        let there = self.engine.ping(self.config.connection.connect_timeout).await?;
        let known = out.cursor().and_then(|text| {
            let place = Place::parse(&text);
            if place.is_none() {
                warn!(source = %out.source(), "where this source stood cannot be read; it goes on from now");
            }
            place
        });
        let place = if let Some(place) = known {
            place
        } else {
            // Written down before anything happens, so that the first outage is no hole either.
            let place = Place::beginning(there);
            out.put_all(Vec::new(), Some(place.print())).await?;
            place
        };
        let flow = self.engine.events(&place.since(), self.config.filters.as_deref()).await?;
        Ok((flow, place))
    }
}

impl Source for Docker {
    async fn run(&self, out: &Outbox, stop: &Stop) -> Result<(), Fault> {
        let Config { address, connection, .. } = &self.config;
        let mut reconnect = Reconnect::new(out.source(), address, connection.reconnect, stop);
        let mut skips = LogLimiter::default();
        while reconnect.wait().await.is_some() {
            let reading = Box::pin(self.connect_and_read(&mut reconnect, out, &mut skips));
            let Some(fault) = stop.or(reading).await else { break };
            reconnect.lost(&fault);
            out.down(fault);
        }
        Ok(())
    }

    /// `container/NAME`, `image/NAME`, `network/NAME`, `volume/NAME`, `service/NAME`, `node/NAME`.
    async fn look_up(&self, reference: &str) -> Result<Value, Fault> {
        self.engine.inspect(reference).await
    }

    /// From the Engine's memory; what is no longer in there is told.
    fn catches_up(&self) -> bool {
        true
    }
}
