//! The kinds of sources, one file or folder each. None knows another, the store or the relays.

mod alertmanager;
mod api;
mod credentials;
mod docker;
mod dockerhub;
mod dtr;
mod gate;
mod github;
mod harbor;
mod labels;
mod poll;
mod posted;
mod registry;
#[cfg(test)]
mod retold;
mod source;
mod tutum;
mod vcenter;
mod verify;
#[cfg(test)]
mod visitor;
mod webhook;
mod websocket;

use serde_json::Value;

use crate::config_reader::TableReader;
use crate::event::Event;
use crate::fault::Fault;
use crate::ingress::{Answer, Hook, HookRequest};
use crate::outbound::Outbound;
use crate::outbox::Outbox;
use crate::stop::Stop;
use crate::vsphere::Element;

pub use source::{AlertTexts, DefaultText, Settings, Source};

/// For fuzzing: the event of one element of a vCenter's history.
#[doc(hidden)]
pub fn vcenter_event(element: &Element, out: &Outbox) -> Result<Event, &'static str> {
    vcenter::event_of(element, "fuzz", out)
}

/// The registry. A row `"KIND" = module::Type` adds the table `[source.KIND.NAME]` of relays.toml and the dispatch to the
/// type.
macro_rules! sources { ($($name:literal = $module:ident :: $Kind:ident),* $(,)?) => {
    /// The values of KIND in `[source.KIND.NAME]`.
    pub const KINDS: &[&str] = &[$($name),*];

    #[derive(Debug)]
    pub enum SourceConfig { $($Kind($module::Config)),* }

    #[derive(Debug)]
    pub enum AnySource { $($Kind($module::$Kind)),* }

    impl SourceConfig {
        /// None where the table has faults, which are reported to its reader, or the source is left out.
        pub fn read(kind: &str, table: &TableReader) -> Option<Self> {
            match kind { $($name => $module::Config::read(table).map(Self::$Kind),)* _ => None }
        }

        pub fn kind(&self) -> &'static str {
            match self { $(Self::$Kind(_) => $name),* }
        }

        pub fn alert_texts(&self) -> AlertTexts {
            match self { $(Self::$Kind(_) => $module::$Kind::ALERT_TEXTS),* }
        }

        pub fn hook(&self) -> Option<&Hook> {
            match self { $(Self::$Kind(config) => Settings::hook(config)),* }
        }

        pub fn default_texts(&self) -> &'static [DefaultText] {
            match self { $(Self::$Kind(config) => Settings::default_texts(config)),* }
        }

        /// Does not use the network.
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

        fn hook(&self) -> Option<&Hook> {
            match self { $(Self::$Kind(source) => source.hook()),* }
        }

        async fn receive(&self, request: HookRequest, out: &Outbox) -> Answer {
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
