//! What every kind of source implements.

use serde_json::Value;

use crate::fault::Fault;
use crate::http_server::HttpError;
use crate::ingress::{EndpointConfig, HookRequest, HookResult};
use crate::outbox::Outbox;
use crate::stop::Stop;

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
        let no_api = "nothing can be fetched from this source: it has no API";
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

/// The usual [`AlertTexts`], which begin with what the source is to people.
macro_rules! alert_texts {
    ($what:literal) => {
        $crate::sources::AlertTexts {
            lost: concat!($what, " {{ event.subject }} is lost: {{ data.why }}"),
            back: concat!($what, " {{ event.subject }} is back."),
            key: None,
        }
    };
}
pub(super) use alert_texts;
