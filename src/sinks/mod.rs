//! Where messages are sent. One file for each kind; none knows another, the store, retries or a clock.

mod chat_webhook;
mod console;
mod discord;
mod elasticsearch;
mod google_chat;
mod http;
mod mattermost;
mod message_parts;
mod pagerduty;
mod payload;
mod sink;
mod slack;
mod teams;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod harness;

use crate::config_reader::TableReader;
use crate::message::{Message, Receipt, SendError};
use crate::outbound::Outbound;

use sink::SinkKind;
pub use sink::{Audience, Sink, SinkTraits};

/// The registry: a row is a module, a table `[sink.KIND.NAME]` of relays.toml, and its dispatch.
macro_rules! sinks { ($($kind_name:literal = $module:ident :: $Kind:ident),* $(,)?) => {
    /// The values of KIND in `[sink.KIND.NAME]`.
    pub const KINDS: &[&str] = &[$($kind_name),*];

    #[derive(Debug)]
    pub enum SinkConfig { $($Kind($module::$Kind)),* }

    impl SinkConfig {
        /// None where there is a problem, which the reader then has, or the sink is left out.
        pub fn read(kind: &str, table: &TableReader) -> Option<Self> {
            match kind { $($kind_name => $module::$Kind::read(table).map(Self::$Kind),)* _ => None }
        }

        pub fn kind(&self) -> &'static str {
            match self { $(Self::$Kind(_) => $kind_name),* }
        }

        /// Touches no network.
        pub fn open(self, net: &Outbound) -> AnySink {
            AnySink { config: self, net: net.clone() }
        }
    }

    impl Sink for AnySink {
        async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
            match &self.config { $(SinkConfig::$Kind(sink) => sink.send(&self.net, message).await),* }
        }

        async fn send_all(&self, messages: &[&Message]) -> Vec<Result<Receipt, SendError>> {
            match &self.config { $(SinkConfig::$Kind(sink) => sink.send_all(&self.net, messages).await),* }
        }

        fn traits(&self) -> SinkTraits {
            match &self.config { $(SinkConfig::$Kind(sink) => sink.traits()),* }
        }
    }
} }

/// A sink of any kind, and the client that it sends with.
#[derive(Debug)]
pub struct AnySink {
    config: SinkConfig,
    net: Outbound,
}

sinks! {
    "console" = console::Console,
    "discord" = discord::Discord,
    "elasticsearch" = elasticsearch::Elasticsearch,
    "google-chat" = google_chat::GoogleChat,
    "http" = http::Http,
    "mattermost" = mattermost::Mattermost,
    "pagerduty" = pagerduty::Pagerduty,
    "slack" = slack::Slack,
    "teams" = teams::Teams,
}
