//! The kinds of sources, one file or folder each; none knows another, the store or the relays.

mod alertmanager;
#[cfg(test)]
mod conformance;
mod docker;
mod dockerhub;
mod dtr;
mod github;
mod harbor;
mod json_cursor;
mod poll;
mod posted;
mod source;
#[cfg(test)]
mod test_support;
mod tutum;
mod vcenter;
mod webhook;
mod websocket;

use serde_json::Value;

use crate::config_reader::TableReader;
use crate::event::Event;
use crate::fault::Fault;
use crate::ingress::{EndpointConfig, HookRequest, HookResult};
use crate::outbound::Outbound;
use crate::outbox::Outbox;
use crate::stop::Stop;
use crate::vsphere::Element;

pub use source::{AlertTexts, DefaultText, Settings, Source};

/// For the fuzz targets: an element of a vCenter's history, without the vCenter.
#[doc(hidden)]
pub fn vcenter_event(element: &Element, out: &Outbox) -> Result<Event, &'static str> {
    vcenter::event_of(element, "fuzz", out)
}

/// One row is a module, a table `[source.KIND.NAME]` of relays.toml, and its dispatch.
macro_rules! sources { ($($word:literal = $module:ident :: $Kind:ident),* $(,)?) => {
    /// The values of KIND in `[source.KIND.NAME]`.
    pub const KINDS: &[&str] = &[$($word),*];

    #[derive(Debug)]
    pub enum SourceConfig { $($Kind($module::Config)),* }

    #[derive(Debug)]
    pub enum AnySource { $($Kind($module::$Kind)),* }

    impl SourceConfig {
        /// None where something is wrong (which becomes a problem of the table) or the source is left out.
        pub fn read(kind: &str, table: &TableReader) -> Option<Self> {
            match kind { $($word => $module::Config::read(table).map(Self::$Kind),)* _ => None }
        }

        pub fn kind(&self) -> &'static str {
            match self { $(Self::$Kind(_) => $word),* }
        }

        pub fn alert_texts(&self) -> AlertTexts {
            match self { $(Self::$Kind(_) => $module::$Kind::ALERT_TEXTS),* }
        }

        pub fn endpoint(&self) -> Option<&EndpointConfig> {
            match self { $(Self::$Kind(config) => Settings::endpoint(config)),* }
        }

        pub fn default_texts(&self) -> &'static [DefaultText] {
            match self { $(Self::$Kind(config) => Settings::default_texts(config)),* }
        }

        /// Touches no network.
        pub fn open(self, net: &Outbound) -> AnySource {
            match self { $(Self::$Kind(config) => AnySource::$Kind($module::$Kind::open(config, net))),* }
        }
    }

    impl Source for AnySource {
        async fn run(&self, out: &Outbox, stop: &Stop) -> Result<(), Fault> {
            match self { $(Self::$Kind(source) => source.run(out, stop).await),* }
        }

        async fn look_up(&self, reference: &str) -> Result<Value, Fault> {
            match self { $(Self::$Kind(source) => source.look_up(reference).await),* }
        }

        fn endpoint(&self) -> Option<&EndpointConfig> {
            match self { $(Self::$Kind(source) => Source::endpoint(source)),* }
        }

        async fn receive(&self, request: HookRequest, out: &Outbox) -> HookResult {
            match self { $(Self::$Kind(source) => source.receive(request, out).await),* }
        }

        fn catches_up(&self) -> bool {
            match self { $(Self::$Kind(source) => source.catches_up()),* }
        }
    }
} }

sources! {
    "alertmanager" = alertmanager::Alertmanager,
    "docker" = docker::Docker,
    "dockerhub" = dockerhub::Dockerhub,
    "dtr" = dtr::Dtr,
    "github" = github::Github,
    "harbor" = harbor::Harbor,
    "poll" = poll::Poll,
    "tutum" = tutum::Tutum,
    "vcenter" = vcenter::Vcenter,
    "webhook" = webhook::Webhook,
    "websocket" = websocket::Websocket,
}
