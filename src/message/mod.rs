//! A message in neutral form. Plain data: rendered by a relay, sent by a sink.

mod cut;
mod markup;
mod verdict;

use std::ops::Deref;
use std::sync::Arc;

use serde_json::Value;

use crate::event::{Event, Name};

pub use cut::{Unit, cut};
pub use markup::Markup;
pub use verdict::{Receipt, SendError};

/// Its texts are in the sink's own markup: what came out of an event is escaped, what the author of the relay wrote is
/// not.
#[derive(Debug, Clone)]
pub struct Message {
    pub title: Option<String>,
    pub text: String,
    pub severity: Severity,
    pub fields: Vec<Field>,
    pub link: Option<String>,
    pub color: Option<String>,
    /// Messages of one key are one thread or one incident.
    pub key: String,
    pub signal: Option<Signal>,
    /// `client` and `client_url` of an alert, for pagers.
    pub client: Option<String>,
    pub client_url: Option<String>,
    /// The whole payload in the sink's own form, which replaces everything above (`raw.slack = {…}`).
    pub raw: Option<Value>,
    /// The [`Receipt`] of the latest message of this key, for sinks that remember (`SinkTraits::remembers`).
    pub earlier: Option<String>,
    pub origin: Origin,
}

/// Where a message comes from. Dereferences to the event.
#[derive(Debug, Clone)]
pub struct Origin {
    pub event: Arc<Event>,
    pub relay: Name,
}

impl Deref for Origin {
    type Target = Event;
    fn deref(&self) -> &Event {
        &self.event
    }
}

impl Message {
    /// A message of a text only.
    pub fn plain(text: impl Into<String>, key: impl Into<String>, origin: Origin) -> Self {
        Self {
            title: None,
            text: text.into(),
            severity: Severity::Info,
            fields: Vec::new(),
            link: None,
            color: None,
            key: key.into(),
            signal: None,
            client: None,
            client_url: None,
            raw: None,
            earlier: None,
            origin,
        }
    }

    /// Whether there is only a text: then a sink uses its plainest form.
    pub fn is_plain(&self) -> bool {
        self.title.is_none()
            && self.fields.is_empty()
            && self.link.is_none()
            && self.color.is_none()
            && self.severity == Severity::Info
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub value: String,
    pub short: bool,
}

/// An enum whose values have the same words in relays.toml and in payloads.
macro_rules! words { ($(#[$doc:meta])* $Enum:ident { $($(#[$note:meta])* $Value:ident = $word:literal),* $(,)? }) => {
    $(#[$doc])*
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum $Enum { $($(#[$note])* $Value),* }

    impl $Enum {
        pub const WORDS: &[&str] = &[$($word),*];

        pub fn parse(word: &str) -> Option<Self> {
            match word { $($word => Some(Self::$Value),)* _ => None }
        }

        pub fn word(self) -> &'static str {
            match self { $(Self::$Value => $word),* }
        }
    }
} }

words! {
    #[derive(Default)]
    Severity { #[default] Info = "info", Warning = "warning", Error = "error", Critical = "critical" }
}

words! {
    /// What a message does to the incident of its key.
    Signal { Trigger = "trigger", Acknowledge = "acknowledge", Resolve = "resolve" }
}
