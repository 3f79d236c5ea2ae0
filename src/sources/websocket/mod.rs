//! Any WebSocket that sends JSON: what an event is called and when it happened is said in relays.toml.

mod config;
#[cfg(test)]
mod tests;

use std::fmt::Display;

use jiff::Timestamp;
use serde_json::Value;

use super::labels::{Arrived, Known};
use super::{AlertTexts, Source};
use crate::event::Body;
use crate::fault::Fault;
use crate::outbound::Outbound;
use crate::outbox::Outbox;
use crate::socket::{News, Skips, Wire, unless_stopped};
use crate::stop::Stop;

pub(super) use config::Config;

#[derive(Debug)]
pub struct Websocket {
    config: Config,
    net: Outbound,
}

impl Websocket {
    pub(super) const ALERT_TEXTS: AlertTexts = AlertTexts {
        lost: "Source {{ event.subject }} is lost: {{ data.why }}",
        back: "Source {{ event.subject }} is back.",
        key: None,
    };

    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        Self { config, net: net.clone() }
    }
}

impl Source for Websocket {
    async fn run(&self, out: &Outbox, stop: &Stop) -> Result<(), Fault> {
        let Config { stream, habits, labels, .. } = &self.config;
        let tls = stream.is_secure().then(|| self.net.tls()).transpose()?;
        let mut wire = Wire::new(out.source(), stream, tls, habits, stop);
        let mut skips = Skips::default();
        let mut unlabelled = Skips::default();
        let mut skip = |why: &dyn Display| {
            out.skipped();
            skips.note(out.source(), "a message that is no JSON was skipped", why);
        };
        loop {
            match wire.next().await {
                News::Open => out.up(),
                News::Standing => {}
                News::Text(text) => match Body::parse(text.as_str()) {
                    Ok(body) => {
                        let mut failed =
                            |fault| unlabelled.note(out.source(), "a label of an event is left out", fault);
                        let arrived = Arrived { source: out.source(), kind: out.kind(), at: Timestamp::now() };
                        let event = labels.event(body, Known::default(), &[], arrived, &mut failed);
                        // If the stop comes first, the wire hears it too.
                        unless_stopped(stop, out.offer(event)).await.unwrap_or(Ok(()))?;
                    }
                    Err(error) => skip(&error),
                },
                News::Binary => skip(&"it is binary"),
                News::Lost(fault) => out.down(fault),
                News::Stopped => return Ok(()),
            }
        }
    }

    async fn look_up(&self, reference: &str) -> Result<Value, Fault> {
        match &self.config.api {
            Some(api) => api.look_up(&self.net, reference).await,
            None => {
                Err(Fault::new("no_look_up", "this source has no API to fetch from; give it one with the key `api`"))
            }
        }
    }
}
