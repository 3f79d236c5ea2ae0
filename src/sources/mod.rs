//! The kinds of sources, one file or folder each; none knows another, the store or the relays.

mod alertmanager;
mod docker;
mod dockerhub;
mod dtr;
#[cfg(test)]
mod event_snapshot;
mod github;
mod harbor;
mod poll;
mod posted;
#[cfg(test)]
mod test_post;
mod tutum;
mod vcenter;
mod webhook;
mod websocket;

use serde_json::Value;

use crate::config_reader::TableReader;
use crate::event::Event;
use crate::fault::Fault;
use crate::http_server::HttpError;
use crate::ingress::{EndpointConfig, HookRequest, HookResult};
use crate::outbound::Outbound;
use crate::outbox::Outbox;
use crate::stop::Stop;
use crate::vsphere::Element;

/// Where events come from: it connects to a service, or has an endpoint at the listener.
pub trait Source: Sync {
    /// Reconnects for ever; returns only after the stop, or when broken. A source that others post to is up while the
    /// listener serves, and has nothing else to do.
    fn run(&self, out: &Outbox, stop: &Stop) -> impl Future<Output = Result<(), Fault>> + Send {
        async {
            out.up();
            stop.wait().await;
            Ok(())
        }
    }
    /// Answers a relay's `fetch`: one attempt to get what `reference` (out of an event, so untrusted) names.
    fn look_up(&self, _reference: &str) -> impl Future<Output = Result<Value, Fault>> + Send {
        let no_api = "nothing can be fetched from this source: others post to it";
        std::future::ready(Err(Fault::new("no_look_up", no_api)))
    }
    /// Its endpoint at the listener, if it has one. Called once, before it runs.
    fn endpoint(&self) -> Option<&EndpointConfig> {
        None
    }
    /// Answers a request to its endpoint: verifies it, and resolves when its events are committed.
    fn receive(&self, request: HookRequest, out: &Outbox) -> impl Future<Output = HookResult> + Send {
        let _unused = (request, out);
        std::future::ready(Err(HttpError::not_found("this source has no endpoint", "check the path")))
    }
    /// Whether events that happen while its connection is down arrive later, from a cursor or because their sender
    /// tries again. For a source that does not catch up, a lost connection is a gap; one that does reports
    /// (`Outbox::gap`) what it could not get.
    fn catches_up(&self) -> bool {
        self.endpoint().is_some()
    }
}

/// What `check` needs of every kind's `Config`, before there is a source.
pub trait Settings {
    /// The endpoint that the source will have.
    fn endpoint(&self) -> Option<&EndpointConfig> {
        None
    }
    /// The texts of its events for relays that have no `text`. An event of another type is shown as it is.
    fn default_texts(&self) -> &'static [DefaultText] {
        &[]
    }
}

/// A template over `event` and `data`, for events of one type. `*` in the type matches anything; the first match wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultText {
    pub r#type: &'static str,
    pub text: &'static str,
}

/// The texts of the alert when the source is lost and when it is back, unless relays.toml sets them.
/// Each kind has its own as `ALERT_TEXTS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertTexts {
    pub lost: &'static str,
    pub back: &'static str,
    /// None: the key is made of the source's name.
    pub key: Option<&'static str>,
}

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
