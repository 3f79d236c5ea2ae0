//! Where messages go. One file each; none knows another, the queue, retries or a clock.

mod console;
mod google_chat;
mod pagerduty;
mod slack;

use crate::message::{Markup, Message, Receipt, SendError};
use crate::outbound::Outbound;
use crate::said::{Rate, Table};

/// One attempt, one verdict.
pub trait Sink {
    fn send(&self, message: &Message) -> impl Future<Output = Result<Receipt, SendError>> + Send;
    fn manner(&self) -> Manner;
}

/// What a lane must know of its sink.
#[derive(Debug, Clone, PartialEq)]
pub struct Manner {
    pub markup: Markup,
    /// The vendor's limit, unless relays.toml says otherwise.
    pub rate: Option<Rate>,
    /// How many may go at once after a silence.
    pub burst: u32,
    /// Whether people read along there.
    pub chat: bool,
    /// Sinks of one destination share its limit: a digest of what the vendor counts by, never the secret itself.
    pub destination: String,
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
        pub fn read(kind: &str, table: &Table) -> Option<Self> {
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

        fn manner(&self) -> Manner {
            match self { $(Self::$Kind(sink) => sink.manner()),* }
        }
    }
} }

sinks! {
    "console" = console::Console,
    "google-chat" = google_chat::GoogleChat,
    "pagerduty" = pagerduty::Pagerduty,
    "slack" = slack::Slack,
}
