//! GitHub's webhooks, and those of Gitea and Forgejo, which sign and name theirs the same way.

mod reading;
#[cfg(test)]
mod tests;

use reqwest::header::HeaderName;

use super::gate::Gate;
use super::verify::{Verify, secrets};
use super::{AlertTexts, Settings, Source};
use crate::config_reader::TableReader;
use crate::ingress::{Answer, Hook, HookRequest};
use crate::outbound::Outbound;
use crate::outbox::Outbox;

/// The older one beside it is SHA-1, and not looked at.
const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");

/// `[source.github.NAME]`
#[derive(Debug)]
pub struct Config {
    gate: Gate,
}

#[derive(Debug)]
pub struct Github {
    config: Config,
}

impl Config {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let secrets = secrets(table, "secret");
        if !table.has("secret") {
            table.missing_with_hint("secret", Some("the one that the webhook's page at GitHub was given"));
        }
        let verify = secrets.map(|secrets| {
            let secrets: Vec<_> = secrets.into_iter().map(|said| said.value).collect();
            Verify::signature(&secrets, SIGNATURE, "sha256=")
        });
        let gate = Gate::read_verified(table, verify);
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

impl Github {
    pub(super) const ALERT_TEXTS: AlertTexts = AlertTexts {
        lost: "GitHub source {{ event.subject }} is lost: {{ data.why }}",
        back: "GitHub source {{ event.subject }} is back.",
        key: None,
    };

    pub(super) fn open(config: Config, _net: &Outbound) -> Self {
        Self { config }
    }
}

impl Source for Github {
    fn hook(&self) -> Option<&Hook> {
        Settings::hook(&self.config)
    }

    async fn receive(&self, request: HookRequest, out: &Outbox) -> Answer {
        self.config.gate.take(&request, out, reading::events_of).await
    }
}
