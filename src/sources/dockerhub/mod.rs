//! Docker Hub's webhooks: one sort of event, a push, and nothing that proves who sends it.
//!
//! `callback_url`, which stands in each of them, is not called: nothing that somebody posts says where requests go.

mod reading;
#[cfg(test)]
mod tests;

use super::gate::Gate;
use super::{AlertTexts, DefaultText, Settings, Source};
use crate::config_reader::TableReader;
use crate::ingress::{Answer, Hook, HookRequest};
use crate::outbound::Outbound;
use crate::outbox::Outbox;

const DEFAULT_TEXTS: &[DefaultText] = &[DefaultText {
    r#type: "tag.push",
    text: "{{ event.subject or 'An image' }} was pushed{% if data.push_data.pusher %} by {{ data.push_data.pusher }}{% endif %}",
}];

/// `[source.dockerhub.NAME]`
#[derive(Debug)]
pub struct Config {
    gate: Gate,
}

#[derive(Debug)]
pub struct Dockerhub {
    config: Config,
}

impl Config {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let gate = Gate::read_by_path(table, "Docker Hub");
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

    fn default_texts(&self) -> &'static [DefaultText] {
        DEFAULT_TEXTS
    }
}

impl Dockerhub {
    pub(super) const ALERT_TEXTS: AlertTexts = AlertTexts {
        lost: "Docker Hub source {{ event.subject }} is lost: {{ data.why }}",
        back: "Docker Hub source {{ event.subject }} is back.",
        key: None,
    };

    pub(super) fn open(config: Config, _net: &Outbound) -> Self {
        Self { config }
    }
}

impl Source for Dockerhub {
    fn hook(&self) -> Option<&Hook> {
        Settings::hook(&self.config)
    }

    async fn receive(&self, request: HookRequest, out: &Outbox) -> Answer {
        self.config.gate.take(&request, out, reading::events_of).await
    }
}
