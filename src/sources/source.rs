//! What every kind of source implements.

use serde_json::Value;

use crate::fault::Fault;
use crate::http_server::Refusal;
use crate::ingress::{Answer, Hook, HookRequest};
use crate::outbox::Outbox;
use crate::stop::Stop;

/// A source either connects to a peer and reads events, or receives requests at the listener.
pub trait Source: Sync {
    /// Reconnects by itself for ever; returns only when stopped, or on an error that a reconnect cannot fix. A source
    /// that receives requests is up as soon as the listener is open, and does nothing else here.
    fn run(&self, out: &Outbox, stop: &Stop) -> impl Future<Output = Result<(), Fault>> + Send {
        async {
            out.up();
            stop.wait().await;
            Ok(())
        }
    }
    /// Answers a relay's `fetch`: one attempt to get what `reference` names. It comes from an event, so it is not trusted.
    fn look_up(&self, _reference: &str) -> impl Future<Output = Result<Value, Fault>> + Send {
        let why = "nothing can be fetched from this source: it only receives requests";
        std::future::ready(Err(Fault::new("no_look_up", why)))
    }
    /// Its endpoint at the listener, if it has one. Read once, before `run`.
    fn hook(&self) -> Option<&Hook> {
        None
    }
    /// Handles a request to its endpoint: verifies it, puts its events into the outbox, and answers after their commit.
    fn receive(&self, request: HookRequest, out: &Outbox) -> impl Future<Output = Answer> + Send {
        let _unused = (request, out);
        std::future::ready(Err(Refusal::not_found()))
    }
    /// Whether events of an outage arrive later, from a cursor or because the sender retries. If not, the outage is
    /// reported as a gap. A source that catches up reports by itself (`Outbox::gap`) what it could not get any more.
    fn catches_up(&self) -> bool {
        self.hook().is_some()
    }
}

/// What `check` needs of every kind's `Config` before the source is opened.
pub trait Settings {
    /// The endpoint that the source will have at the listener.
    fn hook(&self) -> Option<&Hook> {
        None
    }
    /// For relays without `text`. Events of other types are rendered in a generic way.
    fn default_texts(&self) -> &'static [DefaultText] {
        &[]
    }
}

/// A template over `event` and `data`, for events of one type. `*` in the type matches anything; the first match is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultText {
    pub r#type: &'static str,
    pub text: &'static str,
}

/// The texts of the alert when the source is lost and when it is back, unless relays.toml sets others. Each kind has its
/// own as `ALERT_TEXTS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertTexts {
    pub lost: &'static str,
    pub back: &'static str,
    /// None: the key is made from the source's name.
    pub key: Option<&'static str>,
}
