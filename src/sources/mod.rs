//! Where events come from. One file each; none knows another, the queue or the relays.

mod alertmanager;
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
use crate::http_server::Refusal;
use crate::ingress::{Answer, Hook, HookRequest};
use crate::outbound::Outbound;
use crate::outbox::Outbox;
use crate::stop::Stop;
use crate::vsphere::Element;

/// Where events come from: it goes out and fetches them, or waits at our door.
pub trait Source: Sync {
    /// Reconnects by itself for ever; returns only when told to stop, or when broken. Who waits at the listener is up as soon
    /// as the listener is open, and has nothing else to do.
    fn run(&self, out: &Outbox, stop: &Stop) -> impl Future<Output = Result<(), Fault>> + Send {
        async {
            out.up();
            stop.wait().await;
            Ok(())
        }
    }
    /// Answers a relay's `fetch`: one attempt to get what `reference` (out of an event, so untrusted) names.
    fn look_up(&self, _reference: &str) -> impl Future<Output = Result<Value, Fault>> + Send {
        let nobody_to_ask = "nothing can be fetched from this source: others post to it";
        std::future::ready(Err(Fault::new("no_look_up", nobody_to_ask)))
    }
    /// Where it waits at our door, if it does. Asked once, before it runs.
    fn hook(&self) -> Option<&Hook> {
        None
    }
    /// Takes what somebody brought to its hook: verifies it, hands the events over, and answers when they are committed.
    fn receive(&self, request: HookRequest, out: &Outbox) -> impl Future<Output = Answer> + Send {
        let _nobody_waits = (request, out);
        std::future::ready(Err(Refusal::not_found()))
    }
    /// Whether what happens while its line is down comes later all the same, from a cursor or by a sender that tries
    /// again. A source that does not catch up has missed it, which is told as a gap; one that does tells by itself
    /// (`Outbox::gap`) what it could not get any more.
    fn catches_up(&self) -> bool {
        self.hook().is_some()
    }
}

/// What `check` asks of every kind's `Config`, before there is a source.
pub trait Settings {
    /// The hook that the source will have.
    fn hook(&self) -> Option<&Hook> {
        None
    }
    /// What is said of its events by relays that have no `text`. A type that is not among them is said as it is.
    fn default_texts(&self) -> &'static [DefaultText] {
        &[]
    }
}

/// A template over `event` and `data`, for events of one type. `*` in the type stands for anything; the first that fits is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultText {
    pub r#type: &'static str,
    pub text: &'static str,
}

/// What the alert says when the source is lost and when it is back, unless relays.toml words it.
/// Each kind has its own as `ALERT_TEXTS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertTexts {
    pub lost: &'static str,
    pub back: &'static str,
    /// None: the key is made of the source's name.
    pub key: Option<&'static str>,
}

/// The fuzz targets come in here: an element of a vCenter's history, without the vCenter.
#[doc(hidden)]
pub fn vcenter_event(element: &Element, out: &Outbox) -> Result<Event, &'static str> {
    vcenter::event_of(element, "fuzz", out)
}

/// One row is a module, a table `[source.KIND.NAME]` of relays.toml, and its dispatch.
macro_rules! sources { ($($word:literal = $module:ident :: $Kind:ident),* $(,)?) => {
    /// The words that may stand for KIND in `[source.KIND.NAME]`.
    pub const KINDS: &[&str] = &[$($word),*];

    #[derive(Debug)]
    pub enum SourceConfig { $($Kind($module::Config)),* }

    #[derive(Debug)]
    pub enum AnySource { $($Kind($module::$Kind)),* }

    impl SourceConfig {
        /// None where something is wrong (which the table's reading then knows) or the source is left out.
        pub fn read(kind: &str, table: &TableReader) -> Option<Self> {
            match kind { $($word => $module::Config::read(table).map(Self::$Kind),)* _ => None }
        }

        pub fn kind(&self) -> &'static str {
            match self { $(Self::$Kind(_) => $word),* }
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
