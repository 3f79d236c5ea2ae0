//! Harbor's webhooks, in both of its formats; Mirantis Secure Registry 4 sends the same.

mod reading;
#[cfg(test)]
mod tests;
mod texts;

use reqwest::header::AUTHORIZATION;

use super::gate::Gate;
use super::verify::{Verify, secrets};
use super::{AlertTexts, DefaultText, Settings, Source};
use crate::config_reader::{Problem, TableReader};
use crate::ingress::{Answer, Hook, HookRequest};
use crate::outbound::Outbound;
use crate::outbox::Outbox;

/// `[source.harbor.NAME]`
#[derive(Debug)]
pub struct Config {
    gate: Gate,
}

#[derive(Debug)]
pub struct Harbor {
    config: Config,
}

impl Config {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let gate = read_gate(table);
        if table.unset_secret().is_some() {
            return None;
        }
        Some(Self { gate: gate? })
    }
}

/// Harbor sends one header, with what its policy's "Auth Header" holds, letter for letter.
fn read_gate(table: &TableReader) -> Option<Gate> {
    let header = secrets(table, "authorization");
    if !table.has("authorization") {
        return Gate::read(table);
    }
    if let Some(verify) = table.item("verify") {
        let wrong = "`verify` stands beside `authorization`: one of them is not meant";
        table.reading.problem(Problem::error(verify.span.clone(), wrong));
    }
    let verify = header.map(|secrets| {
        let secrets: Vec<_> = secrets.into_iter().map(|said| said.value).collect();
        Verify::token(&secrets, AUTHORIZATION)
    });
    Gate::read_verified(table, verify)
}

impl Settings for Config {
    fn hook(&self) -> Option<&Hook> {
        Some(self.gate.hook())
    }

    fn default_texts(&self) -> &'static [DefaultText] {
        texts::DEFAULT_TEXTS
    }
}

impl Harbor {
    pub(super) const ALERT_TEXTS: AlertTexts = AlertTexts {
        lost: "Harbor source {{ event.subject }} is lost: {{ data.why }}",
        back: "Harbor source {{ event.subject }} is back.",
        key: None,
    };

    pub(super) fn open(config: Config, _net: &Outbound) -> Self {
        Self { config }
    }
}

impl Source for Harbor {
    fn hook(&self) -> Option<&Hook> {
        Settings::hook(&self.config)
    }

    async fn receive(&self, request: HookRequest, out: &Outbox) -> Answer {
        self.config.gate.take(&request, out, reading::events_of).await
    }
}
