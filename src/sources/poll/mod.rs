//! A document that is asked for again and again: JSON, or an Atom or RSS feed. What is new in it is told, once.

mod config;
mod feed;
mod place;
mod reading;
mod round;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::{AlertTexts, Source};
use crate::config_reader::print_duration;
use crate::fault::Fault;
use crate::log_limiter::LogLimiter;
use crate::outbound::{Outbound, Trust};
use crate::outbox::Outbox;
use crate::stop::Stop;
use crate::websocket::REFUSED;

pub(super) use config::Config;
use round::Round;

/// The wait after refused credentials: a person must change something first.
const REFUSED_FOR: Duration = Duration::from_secs(300);

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

/// A poll that failed, and how long they asked to be left alone.
#[derive(Debug)]
struct Failed {
    fault: Fault,
    wish: Option<Duration>,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { fault, wish: None }
    }
}

impl Source for Poll {
    async fn run(&self, out: &Outbox, stop: &Stop) -> Result<(), Fault> {
        let mut waits: Box<dyn Iterator<Item = Duration> + Send> = Box::new(self.config.retry.waits());
        let mut skips = LogLimiter::default();
        let mut failing = false;
        loop {
            let round = Round { config: &self.config, net: &self.net, out, skips: &mut skips };
            let Some(polled) = stop.or(Box::pin(round.poll())).await else { return Ok(()) };
            let wait = match polled {
                Ok(()) => {
                    if std::mem::take(&mut failing) {
                        waits = Box::new(self.config.retry.waits());
                        info!(source = %out.source(), "answered again");
                    }
                    out.up();
                    self.config.every
                }
                Err(Failed { fault, wish }) => {
                    failing = true;
                    let usual = waits.next().unwrap_or(self.config.retry.max);
                    let refused = (fault.reason() == REFUSED).then_some(REFUSED_FOR);
                    let wait = wish.or(refused).unwrap_or(usual).max(usual);
                    let (source, again) = (out.source(), print_duration(wait));
                    if refused.is_some() {
                        error!(%source, %fault, "authentication was refused, check the credentials; next try in {again}");
                    } else {
                        warn!(%source, reason = fault.reason(), %fault, "the poll failed; next try in {again}");
                    }
                    out.down(fault);
                    wait
                }
            };
            if stop.or(sleep(wait)).await.is_none() {
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
