//! Polls a document: JSON, or an Atom or RSS feed. Every new item in it becomes one event.

mod config;
mod cursor;
mod document;
mod feed;
mod poll_run;
#[cfg(test)]
mod tests;

use tokio::time::sleep;

use super::source::{AlertTexts, Source, alert_texts};
use crate::fault::Fault;
use crate::log_limiter::LogLimiter;
use crate::outbound::{Outbound, Trust};
use crate::outbox::Outbox;
use crate::reconnect::Reconnect;
use crate::stop::Stop;

pub(super) use config::Config;
use poll_run::{PollError, PollRun};

#[derive(Debug)]
pub struct Poll {
    config: Config,
    net: Outbound,
}

impl Poll {
    pub(super) const ALERT_TEXTS: AlertTexts = alert_texts!("Source");

    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        let net = if config.trust == Trust::System { net.clone() } else { net.trusting(&config.trust) };
        Self { config, net }
    }
}

impl Source for Poll {
    async fn run(&self, out: &Outbox, stop: &Stop) -> Result<(), Fault> {
        let mut reconnect = Reconnect::new(out.source(), self.config.host(), self.config.reconnect, stop);
        let mut log = LogLimiter::default();
        loop {
            let run = PollRun { config: &self.config, net: &self.net, out, log: &mut log };
            let Some(polled) = stop.or(Box::pin(run.poll())).await else { return Ok(()) };
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

    /// Items that appear during an outage are in the document afterwards.
    fn catches_up(&self) -> bool {
        true
    }
}
