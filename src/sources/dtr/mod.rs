//! Docker Trusted Registry 2.x and what it became, Mirantis Secure Registry 2.8 to 3.x. (4 is a Harbor.)
//!
//! It posts what happens, and answers what a relay fetches: repositories, tags, and what their scans found.

mod api;
mod config;
mod findings;
mod reading;
mod reference;
mod scan;
#[cfg(test)]
mod tests;
mod texts;

use serde_json::Value;

use super::{AlertTexts, DefaultText, Settings, Source};
use crate::fault::Fault;
use crate::ingress::{Answer, Hook, HookRequest};
use crate::outbound::Outbound;
use crate::outbox::Outbox;
use reference::Reference;

pub(super) use config::Config;

#[derive(Debug)]
pub struct Dtr {
    config: Config,
    net: Outbound,
}

impl Settings for Config {
    fn hook(&self) -> Option<&Hook> {
        Some(self.gate.hook())
    }

    fn default_texts(&self) -> &'static [DefaultText] {
        texts::DEFAULT_TEXTS
    }
}

impl Dtr {
    pub(super) const ALERT_TEXTS: AlertTexts = AlertTexts {
        lost: "Registry source {{ event.subject }} is lost: {{ data.why }}",
        back: "Registry source {{ event.subject }} is back.",
        key: None,
    };

    pub(super) fn open(config: Config, net: &Outbound) -> Self {
        let net = net.trusting(&config.trust);
        Self { config, net }
    }
}

impl Source for Dtr {
    async fn look_up(&self, reference: &str) -> Result<Value, Fault> {
        let unset = || Fault::new("no_look_up", "nothing can be fetched: `api` of this source is not set");
        let api = self.config.api.as_ref().ok_or_else(unset)?;
        Reference::parse(reference)?.look_up(api, &self.net).await
    }

    fn hook(&self) -> Option<&Hook> {
        Settings::hook(&self.config)
    }

    async fn receive(&self, request: HookRequest, out: &Outbox) -> Answer {
        self.config.gate.take(&request, out, reading::events_of).await
    }
}
