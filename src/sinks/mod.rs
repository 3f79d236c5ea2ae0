//! Where messages go. One file each; none knows another, the queue, retries or a clock.

mod console;
mod discord;
mod elasticsearch;
mod google_chat;
mod http;
mod mattermost;
mod pagerduty;
mod parts;
mod slack;
mod teams;

use std::borrow::Cow;

use serde::Serialize;

use crate::config_reader::{Rate, TableReader};
use crate::fault::Fault;
use crate::message::{Markup, Message, Receipt, SendError, Unit, cut};
use crate::outbound::Outbound;

/// One attempt, one verdict.
pub trait Sink: Sync {
    fn send(&self, message: &Message) -> impl Future<Output = Result<Receipt, SendError>> + Send;
    fn traits(&self) -> SinkTraits;
    /// Up to [`SinkTraits::batch`] in one request, for receivers that take them so: a verdict for each, in their order.
    fn send_all(&self, messages: &[&Message]) -> impl Future<Output = Vec<Result<Receipt, SendError>>> + Send {
        async move {
            let mut verdicts = Vec::with_capacity(messages.len());
            for message in messages {
                verdicts.push(self.send(message).await);
            }
            verdicts
        }
    }
}

/// Who gets what a sink sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    Machine,
    /// People, who are spared a flood.
    Chat,
    /// Somebody is woken: every message opens or closes an incident, and nothing is summed up.
    Pager,
}

/// What a lane must know of its sink.
#[derive(Debug, Clone, PartialEq)]
pub struct SinkTraits {
    pub markup: Markup,
    /// The vendor's limit, unless relays.toml says otherwise.
    pub rate: Option<Rate>,
    /// How many may go at once after a silence.
    pub burst: u32,
    pub audience: Audience,
    /// Sinks of one destination share its limit: a digest of what the vendor counts by, never the secret itself.
    pub destination: String,
    /// Whether the receiver knows a message that it got before, so that sending it twice does no harm.
    pub knows_repeats: bool,
    /// Whether the sink wants the receipt of a key's latest message back with the next one.
    pub remembers: bool,
    /// How many messages one request may carry ([`Sink::send_all`]).
    pub batch: usize,
}

impl SinkTraits {
    /// A receiver of which nothing special is known.
    pub fn plain(destination: String) -> Self {
        Self {
            markup: Markup::Plain,
            rate: None,
            burst: 1,
            audience: Audience::Machine,
            destination,
            knows_repeats: false,
            remembers: false,
            batch: 1,
        }
    }
}

/// One row is a module, a table `[sink.KIND.NAME]` of relays.toml, and its dispatch.
macro_rules! sinks { ($($word:literal = $module:ident :: $Kind:ident),* $(,)?) => {
    /// The words that may stand for KIND in `[sink.KIND.NAME]`.
    pub const KINDS: &[&str] = &[$($word),*];

    #[derive(Debug)]
    pub enum SinkConfig { $($Kind($module::Config)),* }

    #[derive(Debug)]
    pub enum AnySink { $($Kind($module::$Kind)),* }

    impl SinkConfig {
        /// None where something is wrong (which the table's reading then knows) or the sink is left out.
        pub fn read(kind: &str, table: &TableReader) -> Option<Self> {
            match kind { $($word => $module::Config::read(table).map(Self::$Kind),)* _ => None }
        }

        pub fn kind(&self) -> &'static str {
            match self { $(Self::$Kind(_) => $word),* }
        }

        /// Touches no network.
        pub fn open(self, net: &Outbound) -> AnySink {
            match self { $(Self::$Kind(config) => AnySink::$Kind($module::$Kind::open(config, net))),* }
        }
    }

    impl Sink for AnySink {
        async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
            match self { $(Self::$Kind(sink) => sink.send(message).await),* }
        }

        async fn send_all(&self, messages: &[&Message]) -> Vec<Result<Receipt, SendError>> {
            match self { $(Self::$Kind(sink) => sink.send_all(messages).await),* }
        }

        fn traits(&self) -> SinkTraits {
            match self { $(Self::$Kind(sink) => sink.traits()),* }
        }
    }
} }

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

/// A payload as the bytes that are posted.
fn to_body(payload: &impl Serialize) -> Result<Vec<u8>, SendError> {
    serde_json::to_vec(payload).map_err(|error| {
        SendError::NeverMessage(Fault::new("unwritable", format!("no JSON can be made of it: {error}")))
    })
}

/// `key` within `limit` UTF-16 units. Of a longer one the end becomes a digest, so that two long keys stay two.
fn fitting_key(key: &str, limit: usize) -> Cow<'_, str> {
    // UTF-16 units are never more than bytes.
    if key.len() <= limit || Unit::Utf16.count(key) <= limit {
        return Cow::Borrowed(key);
    }
    let digest = format!("#{:016x}", lasting_digest(key));
    Cow::Owned(format!("{}{digest}", cut(key, limit - digest.len(), Unit::Utf16)))
}

/// FNV-1a, written out, because an incident that an older tidings opened must still be resolved by a newer one:
/// the standard library's hash may change.
fn lasting_digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod harness;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keys_fit_and_stay_apart() {
        assert_eq!(fitting_key("prod/web", 255), "prod/web");
        let (one, other) = (format!("{}a", "é".repeat(300)), format!("{}b", "é".repeat(300)));
        let (one, other) = (fitting_key(&one, 255), fitting_key(&other, 255));
        assert_ne!(one, other);
        assert_eq!((Unit::Utf16.count(&one), Unit::Utf16.count(&other)), (255, 255));
        // Written into open incidents out there: never to change.
        assert_eq!(lasting_digest("tidings"), 0xf6cf_e9e6_52b1_3c23);
    }
}
