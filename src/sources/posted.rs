//! Sources that others post to: one implementation of [`Source`], and a [`PostedKind`] for each vendor.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;
use tracing::warn;

use super::source::{AlertTexts, DefaultText, Settings, Source};
use crate::config_reader::TableReader;
use crate::event::Event;
use crate::ingress::verify::Verify;
use crate::ingress::{
    Accepted, EndpointConfig, HookAuth, HookRequest, HookResult, MAX_BODY, Unreadable, VerifiedRequest,
};
use crate::outbound::Outbound;
use crate::outbox::Outbox;

/// The sender waits for its answer meanwhile.
const GAP_TIMEOUT: Duration = Duration::from_secs(5);

/// What is different from one kind of posted source to another.
pub trait PostedKind: fmt::Debug + Default + Send + Sync {
    const ALERT_TEXTS: AlertTexts;
    const DEFAULT_TEXTS: &'static [DefaultText] = &[];
    /// The limit of a body where `max_body` is unset.
    const MAX_BODY: usize = MAX_BODY;
    /// Whether senders ask with OPTIONS before they send.
    const PREFLIGHT: bool = false;

    /// Reads the keys that other kinds do not have.
    fn read(_table: &TableReader) -> Self {
        Self::default()
    }

    /// Reads how senders prove who they are.
    fn read_verify(table: &TableReader) -> Option<Verify> {
        Verify::read(table)
    }

    /// The events in one request. The request is authenticated, but its content is untrusted.
    fn events_of(&self, request: &VerifiedRequest) -> Result<PostedEvents, Unreadable>;
}

/// The events of one request, which are committed together.
#[derive(Debug, Default)]
pub struct PostedEvents {
    pub events: Vec<Event>,
    /// Events that the sender did not send.
    pub omitted: Option<Omitted>,
}

/// Reported as a gap.
#[derive(Debug)]
pub struct Omitted {
    pub count: u64,
    pub why: &'static str,
}

/// Both the configuration and the source: it needs no connection.
#[derive(Debug)]
pub struct Posted<K> {
    auth: HookAuth,
    kind: K,
}

impl<K: PostedKind> Posted<K> {
    pub(super) const ALERT_TEXTS: AlertTexts = K::ALERT_TEXTS;

    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let verify = K::read_verify(table);
        let endpoint = EndpointConfig::read(table, K::MAX_BODY);
        let endpoint = if K::PREFLIGHT { endpoint.map(EndpointConfig::with_preflight) } else { endpoint };
        let auth = HookAuth::new(table, endpoint, verify);
        let kind = K::read(table);
        if table.unset_secret().is_some() {
            return None;
        }
        Some(Self { auth: auth?, kind })
    }

    pub(super) fn open(config: Self, _net: &Outbound) -> Self {
        config
    }
}

impl<K: PostedKind> Settings for Posted<K> {
    fn endpoint(&self) -> Option<&EndpointConfig> {
        Some(self.auth.endpoint())
    }

    fn default_texts(&self) -> &'static [DefaultText] {
        K::DEFAULT_TEXTS
    }
}

impl<K: PostedKind> Source for Posted<K> {
    fn endpoint(&self) -> Option<&EndpointConfig> {
        Some(self.auth.endpoint())
    }

    async fn receive(&self, request: HookRequest, out: &Outbox) -> HookResult {
        let PostedEvents { events, omitted } = self.auth.read(&request, out, |request| self.kind.events_of(request))?;
        let count = events.len();
        out.put_all(events, None).await?;
        // Only now: a request that is refused is sent again, and its gap with it.
        if let Some(omitted) = omitted {
            report_omitted(omitted, out).await;
        }
        Ok(Accepted::new(count))
    }
}

/// The answer does not depend on it: the events are committed.
async fn report_omitted(omitted: Omitted, out: &Outbox) {
    let Omitted { count, why } = omitted;
    let now = Timestamp::now();
    let fault = match timeout(GAP_TIMEOUT, out.gap(now, now, Some(count), why)).await {
        Ok(Ok(())) => return,
        Ok(Err(fault)) => fault.to_string(),
        Err(_) => "timeout".to_owned(),
    };
    warn!(source = %out.source(), count, %fault, "{why}, and the gap could not be reported");
}

impl From<Vec<Event>> for PostedEvents {
    fn from(events: Vec<Event>) -> Self {
        Self { events, omitted: None }
    }
}
