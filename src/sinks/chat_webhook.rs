//! What the chats with an incoming webhook share: the key `webhook`, one POST of JSON, and the usual traits.

use std::time::Duration;

use serde::Deserialize;

use super::sink::{Audience, SinkTraits};
use crate::config_reader::{Rate, TableReader};
use crate::message::{Markup, SendError};
use crate::outbound::{FailureClass, Outbound, Reply, Request, SecretUrl};

pub(super) const ONE_PER_SECOND: Rate = Rate { times: 1, per: Duration::from_secs(1) };
const LONGEST_WAIT: f64 = 3600.0;

/// An incoming webhook. Its URL is the credential and names the channel.
#[derive(Debug)]
pub(super) struct ChatWebhook(pub(super) SecretUrl);

impl ChatWebhook {
    /// Reads the key `webhook`.
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let url = SecretUrl::read_secret(table, "webhook", "Please provide the URL of an incoming webhook")?;
        Some(Self(url.value))
    }

    /// Posts `body`. The reply is a success; see [`Reply::verdict`] for `exceptions`.
    pub(super) async fn post(
        &self,
        net: &Outbound,
        body: Vec<u8>,
        exceptions: impl FnOnce(&Reply) -> Option<FailureClass>,
    ) -> Result<Reply, SendError> {
        let reply = net.deliver(Request::post(&self.0, body)).await?;
        reply.verdict(exceptions).map_err(|error| with_wait_in_body(error, &reply))?;
        Ok(reply)
    }

    pub(super) fn traits(&self, markup: Markup, burst: u32) -> SinkTraits {
        SinkTraits {
            markup,
            rate: Some(ONE_PER_SECOND),
            burst,
            audience: Audience::Chat,
            ..SinkTraits::plain(self.0.destination())
        }
    }
}

#[derive(Deserialize)]
struct RateLimited {
    retry_after: f64,
}

/// Discord and Slack repeat `Retry-After` as `retry_after` in the body, where no proxy removes it.
pub(super) fn with_wait_in_body(mut error: SendError, reply: &Reply) -> SendError {
    if let SendError::Later { wait: wait @ None, .. } = &mut error
        && let Ok(RateLimited { retry_after }) = reply.json()
        && retry_after > 0.0
    {
        *wait = Duration::try_from_secs_f64(retry_after.min(LONGEST_WAIT)).ok();
    }
    error
}
