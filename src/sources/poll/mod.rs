//! A document that is asked for again and again: JSON, or an Atom or RSS feed. What is new in it is told, once.

mod config;
mod feed;
mod place;
mod reading;
mod round;
#[cfg(test)]
mod tests;

use serde_json::Value;
use tokio::time::sleep;

use super::{AlertTexts, Source};
use crate::fault::Fault;
use crate::log_limiter::LogLimiter;
use crate::outbound::{Outbound, Trust};
use crate::outbox::Outbox;
use crate::reconnect::Reconnect;
use crate::stop::Stop;

pub(super) use config::Config;
use round::{PollError, Round};

#[derive(Debug)]
pub struct Poll {
    config: Config,
    net: Outbound,
}

impl Poll {
    pub(super) const ALERT_TEXTS: AlertTexts = AlertTexts {
        lost: "Source {{ event.subject }} is lost: {{ data.why }}",
        back: "Source {{ event.subject }} is back.",
        key: None,
    };

    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        let net = if config.trust == Trust::System { net.clone() } else { net.trusting(&config.trust) };
        Self { config, net }
    }
}

impl Source for Poll {
    async fn run(&self, out: &Outbox, stop: &Stop) -> Result<(), Fault> {
        let mut reconnect = Reconnect::new(out.source(), self.config.host(), self.config.reconnect, stop);
        let mut skips = LogLimiter::default();
        loop {
            let round = Round { config: &self.config, net: &self.net, out, skips: &mut skips };
            let Some(polled) = stop.or(Box::pin(round.poll())).await else { return Ok(()) };
            let waited = match polled {
                Ok(()) => {
                    reconnect.answered();
                    out.up();
                    stop.or(sleep(self.config.every)).await
                }
                Err(PollError { fault, retry_after }) => {
                    reconnect.lost_until(&fault, retry_after.unwrap_or_default());
                    out.down(fault);
                    reconnect.wait().await
                }
            };
            if waited.is_none() {
                return Ok(());
            }
        }
    }

    async fn look_up(&self, _reference: &str) -> Result<Value, Fault> {
        Err(Fault::new("no_look_up", "nothing can be fetched from this source: it has one address only"))
    }

    /// What happens while it cannot be asked is there when it can.
    fn catches_up(&self) -> bool {
        true
    }
}
