//! Where a lane's messages go.

use crate::message::{Message, Receipt, SendError};
use crate::sinks::{Sink, SinkTraits};

/// One attempt, one verdict for each message, in their order. No retries, no queue, no clock: those are the lane's.
pub trait Destination: Send + Sync + 'static {
    fn traits(&self) -> SinkTraits;

    /// Sends up to [`SinkTraits::batch`] messages in one request. Where a message goes within the destination (a chat's
    /// thread, say) is in its origin.
    fn send(&self, messages: &[&Message]) -> impl Future<Output = Vec<Result<Receipt, SendError>>> + Send;
}

impl<S: Sink + Send + Sync + 'static> Destination for S {
    fn traits(&self) -> SinkTraits {
        Sink::traits(self)
    }

    async fn send(&self, messages: &[&Message]) -> Vec<Result<Receipt, SendError>> {
        match messages {
            [one] => vec![Sink::send(self, one).await],
            many => self.send_all(many).await,
        }
    }
}
