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

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use super::{AlertTexts, Source};
use crate::config_reader::print_duration;
use crate::fault::Fault;
use crate::log_limiter::LogLimiter;
use crate::outbound::{Outbound, ReplyStream};
use crate::outbox::Outbox;
use crate::stop::Stop;
use crate::websocket::{REFUSED, ReconnectPace};

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

    /// One connection, from its making to its end: why it ended, and how long it stood, if it did.
    async fn attend(&self, out: &Outbox, skips: &mut LogLimiter) -> (Fault, Option<Duration>) {
        let (flow, place) = match self.connect(out).await {
            Ok(connected) => connected,
            Err(fault) => return (fault, None),
        };
        info!(source = %out.source(), "Connected");
        out.up();
        let since = Instant::now();
        let fault = Ear::new(&self.engine, &self.config.habits, out, flow, place, skips).listen().await;
        (fault, Some(since.elapsed()))
    }

    async fn connect(&self, out: &Outbox) -> Result<(ReplyStream, Place), Fault> {
        let there = self.engine.ping(self.config.habits.patience).await?;
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
        let habits = &self.config.habits;
        let mut pace = ReconnectPace::new(habits.retry);
        let mut skips = LogLimiter::default();
        loop {
            let Some((fault, stood)) = stop.or(Box::pin(self.attend(out, &mut skips))).await else { return Ok(()) };
            let wait = match stood {
                _ if fault.reason() == REFUSED => habits.refused,
                Some(stood) => pace.after_loss(stood),
                None => pace.after_failure(),
            };
            let (source, again) = (out.source(), print_duration(wait));
            if fault.reason() == REFUSED {
                error!(%source, %fault, "not let in; next try in {again}");
            } else {
                warn!(%source, reason = fault.reason(), %fault, "not connected; next try in {again}");
            }
            out.down(fault);
            if stop.or(sleep(wait)).await.is_none() {
                return Ok(());
            }
        }
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
