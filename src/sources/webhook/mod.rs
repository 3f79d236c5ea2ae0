//! Whatever others post: JSON, forms, `CloudEvents`. What an event is called is said in relays.toml.

mod reading;
#[cfg(test)]
mod tests;

use super::gate::{Gate, hand_over};
use super::labels::Labels;
use super::posted::split::Split;
use super::{AlertTexts, Settings, Source};
use crate::config_reader::TableReader;
use crate::ingress::{Answer, Hook, HookRequest};
use crate::outbound::Outbound;
use crate::outbox::Outbox;

/// `[source.webhook.NAME]`
#[derive(Debug)]
pub struct Config {
    gate: Gate,
    labels: Labels,
    split: Option<Split>,
}

#[derive(Debug)]
pub struct Webhook {
    config: Config,
}

impl Config {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let gate = Gate::read(table);
        let labels = Labels::read(table, &reading::ROOTS);
        let split = Split::read(table);
        if table.unset_secret().is_some() {
            return None;
        }
        Some(Self { gate: gate?.asked_first(), labels, split })
    }
}

impl Settings for Config {
    fn hook(&self) -> Option<&Hook> {
        Some(self.gate.hook())
    }
}

impl Webhook {
    pub(super) const ALERT_TEXTS: AlertTexts = AlertTexts {
        lost: "Source {{ event.subject }} is lost: {{ data.why }}",
        back: "Source {{ event.subject }} is back.",
        key: None,
    };

    pub(super) fn open(config: Config, _net: &Outbound) -> Self {
        Self { config }
    }
}

impl Source for Webhook {
    fn hook(&self) -> Option<&Hook> {
        Settings::hook(&self.config)
    }

    async fn receive(&self, request: HookRequest, out: &Outbox) -> Answer {
        let events = self.config.gate.let_in_proven(&request, out, |proof, arrived, failed| {
            reading::events_of(&self.config, &request.headers, &request.body, proof, arrived, failed)
        })?;
        hand_over(events, out).await
    }
}
