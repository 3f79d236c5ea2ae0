//! Docker Trusted Registry 2.x and what it became, Mirantis Secure Registry 2.8 to 3.x. (4 is a Harbor.)
//!
//! It posts what happens, and its API answers what a relay fetches: repositories, tags, and what their scans found.

mod api;
mod config;
mod findings;
mod notification;
mod reference;
mod scan;
#[cfg(test)]
mod tests;
mod texts;

use serde_json::Value;

use super::source::{AlertTexts, DefaultText, Settings, Source};
use crate::fault::Fault;
use crate::ingress::{EndpointConfig, HookRequest, HookResult};
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
    fn endpoint(&self) -> Option<&EndpointConfig> {
        Settings::endpoint(&self.posted)
    }

    fn default_texts(&self) -> &'static [DefaultText] {
        self.posted.default_texts()
    }
}

impl Dtr {
    pub(super) const ALERT_TEXTS: AlertTexts = notification::Posts::ALERT_TEXTS;

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

    fn endpoint(&self) -> Option<&EndpointConfig> {
        Settings::endpoint(&self.config)
    }

    async fn receive(&self, request: HookRequest, out: &Outbox) -> HookResult {
        self.config.posted.receive(request, out).await
    }
}
