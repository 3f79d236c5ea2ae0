//! What a sink is, and what a lane needs to know of it.

use crate::config_reader::Rate;
use crate::message::{Markup, Message, Receipt, SendError};
use crate::outbound::Outbound;

/// One kind of sink: the settings of its table in relays.toml, and how they send a message. An [`AnySink`](super::AnySink)
/// adds the client.
pub(super) trait SinkKind: Sync {
    /// As [`Sink::send`].
    fn send(&self, net: &Outbound, message: &Message) -> impl Future<Output = Result<Receipt, SendError>> + Send;
    fn traits(&self) -> SinkTraits;
    /// As [`Sink::send_all`].
    fn send_all(
        &self,
        net: &Outbound,
        messages: &[&Message],
    ) -> impl Future<Output = Vec<Result<Receipt, SendError>>> + Send {
        async move {
            let mut verdicts = Vec::with_capacity(messages.len());
            for message in messages {
                verdicts.push(self.send(net, message).await);
            }
            verdicts
        }
    }
}

pub trait Sink: Sync {
    /// One attempt, one verdict. Retries, queues and clocks belong to the lane.
    fn send(&self, message: &Message) -> impl Future<Output = Result<Receipt, SendError>> + Send;
    fn traits(&self) -> SinkTraits;
    /// Up to [`SinkTraits::batch`] messages, in one request where the receiver can: a verdict for each, in order.
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

/// Who reads what a sink sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    Machine,
    /// People, who must not be flooded.
    Chat,
    /// An on-call service: every message opens or closes an incident, so messages are never combined.
    Pager,
}

/// What a lane needs to know of its sink.
#[derive(Debug, Clone, PartialEq)]
pub struct SinkTraits {
    pub markup: Markup,
    /// The vendor's limit, unless relays.toml says otherwise.
    pub rate: Option<Rate>,
    /// How many messages may be sent at once after an idle time.
    pub burst: u32,
    pub audience: Audience,
    /// A digest of what the vendor's rate limit is for. Sinks of one destination share the limit.
    pub destination: String,
    /// Whether the receiver recognizes a message that it has received before.
    pub knows_repeats: bool,
    /// Whether the sink needs the receipt of a key's latest message for the next one ([`Message::earlier`]).
    pub remembers: bool,
    /// How many messages one request may carry ([`Sink::send_all`]).
    pub batch: usize,
}

impl SinkTraits {
    /// A receiver without special traits.
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
