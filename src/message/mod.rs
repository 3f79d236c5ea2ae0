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

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Severity {
    #[default]
    Info,
    Warning,
    Error,
    Critical,
}

impl Severity {
    pub const WORDS: [&str; 4] = ["info", "warning", "error", "critical"];

    pub fn parse(word: &str) -> Option<Self> {
        [Self::Info, Self::Warning, Self::Error, Self::Critical].into_iter().find(|severity| severity.word() == word)
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

/// What a message does to the incident of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Trigger,
    Acknowledge,
    Resolve,
}

impl Signal {
    pub const WORDS: [&str; 3] = ["trigger", "acknowledge", "resolve"];

    pub fn parse(word: &str) -> Option<Self> {
        [Self::Trigger, Self::Acknowledge, Self::Resolve].into_iter().find(|signal| signal.word() == word)
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
        }
    }
}
