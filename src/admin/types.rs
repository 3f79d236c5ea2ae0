//! The form of the admin API's answers, for `app` to fill and for the verbs to read. Times are RFC 3339 strings.
//!
//! Reading forgives what is missing, so that a verb understands a daemon somewhat older than itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    pub version: String,
    pub uptime_seconds: u64,
    pub ready: bool,
    /// Why it is not ready.
    pub why: Option<String>,
    pub sources: Vec<SourceStatus>,
    pub sinks: Vec<SinkStatus>,
    pub incidents: Vec<Incident>,
    /// How many silences are in force.
    pub silences: u64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceStatus {
    pub name: String,
    pub kind: String,
    /// `connecting`, `up`, `lost` or `silent`.
    pub state: String,
    pub since: Option<String>,
    pub why: Option<String>,
    pub last_event: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkStatus {
    pub name: String,
    pub kind: String,
    pub pending: u64,
    /// When the oldest pending delivery's event was accepted.
    pub oldest: Option<String>,
    pub dead: u64,
    /// How many were not sent on purpose since the daemon started.
    pub suppressed: u64,
    /// Why the lane stopped, if it did.
    pub stopped: Option<String>,
    /// What holds the lane up at the moment, if anything.
    pub held: Option<String>,
}

/// An alert that was triggered and not yet resolved.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Incident {
    pub source: String,
    /// `source.lost` or `source.silent`.
    pub event: String,
    pub why: String,
    pub since: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Events {
    pub events: Vec<EventShown>,
}

/// [`Event::to_json`](crate::event::Event::to_json) and what became of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EventShown {
    pub specversion: String,
    pub id: String,
    pub source: String,
    pub kind: String,
    pub r#type: String,
    pub time: String,
    pub subject: String,
    pub data: Value,
    pub deliveries: Vec<DeliveryShown>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeliveryShown {
    pub relay: String,
    pub sink: String,
    /// `pending`, `delivered`, `dead`, `replayed`, `dropped` or `suppressed`.
    pub state: String,
    pub attempts: u64,
    /// When each attempt failed.
    pub tries: Vec<String>,
    /// What went wrong last, or why it was not sent.
    pub why: Option<String>,
    /// What the receiver answered last to an attempt that failed.
    pub reply: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dead {
    pub dead: Vec<DeadShown>,
    /// How many there are in all, listed or not.
    pub total: u64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeadShown {
    pub id: i64,
    /// When it was buried.
    pub since: String,
    pub relay: String,
    pub sink: String,
    pub attempts: u64,
    /// When each attempt failed; of very many the latest.
    pub tries: Vec<String>,
    pub why: String,
    /// What the receiver answered last.
    pub reply: Option<String>,
    pub event: Value,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Silences {
    pub silences: Vec<SilenceShown>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SilenceShown {
    pub id: i64,
    /// As they were said; none: everything.
    pub matches: Vec<String>,
    pub why: String,
    pub since: String,
    pub until: String,
    /// When it ended, if it is over: at its time, or before it by a person's word.
    pub ended: Option<String>,
}

/// How many dead letters were replayed or dropped, or silences ended.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Moved {
    pub count: u64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Explained {
    pub event: EventShown,
    /// In the order of relays.toml.
    pub relays: Vec<RelayExplained>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RelayExplained {
    pub relay: String,
    pub took: bool,
    pub why: String,
    pub to: Vec<String>,
    /// The silence that hushes it at the moment, where the relay takes it.
    pub silence: Option<SilenceShown>,
}
