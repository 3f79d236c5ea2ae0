//! Prometheus's Alertmanager, and Grafana's alerting, which posts the same: one event for each alert.

mod reading;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;
use tracing::warn;

use super::gate::{Gate, hand_over};
use super::{AlertTexts, Settings, Source};
use crate::config_reader::TableReader;
use crate::ingress::{Answer, Hook, HookRequest};
use crate::outbound::Outbound;
use crate::outbox::Outbox;

/// Who posted waits for the alerts that are there, and not for long for word of those that are not.
const PATIENCE: Duration = Duration::from_secs(5);

/// `[source.alertmanager.NAME]`
#[derive(Debug)]
pub struct Config {
    gate: Gate,
}

#[derive(Debug)]
pub struct Alertmanager {
    config: Config,
}

impl Config {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let gate = Gate::read(table);
        if table.unset_secret().is_some() {
            return None;
        }
        Some(Self { gate: gate? })
    }
}

impl Settings for Config {
    fn hook(&self) -> Option<&Hook> {
        Some(self.gate.hook())
    }
}

impl Alertmanager {
    pub(super) const ALERT_TEXTS: AlertTexts = AlertTexts {
        lost: "Alertmanager source {{ event.subject }} is lost: {{ data.why }}",
        back: "Alertmanager source {{ event.subject }} is back.",
        key: None,
    };

    pub(super) fn open(config: Config, _net: &Outbound) -> Self {
        Self { config }
    }
}

impl Source for Alertmanager {
    fn hook(&self) -> Option<&Hook> {
        Settings::hook(&self.config)
    }

    async fn receive(&self, request: HookRequest, out: &Outbox) -> Answer {
        let read = self.config.gate.let_in(&request, out, reading::events_of)?;
        let welcome = hand_over(read.events, out).await?;
        if read.cut > 0 {
            tell_cut(read.cut, out).await;
        }
        Ok(welcome)
    }
}

/// After the events: what is refused comes again, and its gap with it. What is committed is committed, told or not.
async fn tell_cut(cut: u64, out: &Outbox) {
    let why = "Alertmanager left alerts out of a notification: its `max_alerts` is too small";
    let now = Timestamp::now();
    let untold = match timeout(PATIENCE, out.gap(now, now, Some(cut), why)).await {
        Ok(Ok(())) => return,
        Ok(Err(fault)) => fault.to_string(),
        Err(_) => "it took too long".to_owned(),
    };
    warn!(source = %out.source(), cut, %untold, "{why}, and this could not be told");
}
