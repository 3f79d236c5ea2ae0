//! The state of the daemon, its sources and its sinks.

use serde::{Deserialize, Serialize};

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
    /// The number of active silences.
    pub silences: u64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceStatus {
    pub name: String,
    pub kind: String,
    /// `connecting`, `up`, `held`, `lost` or `silent`.
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
    /// When the event of the oldest pending delivery was accepted.
    pub oldest: Option<String>,
    pub dead: u64,
    /// Deliveries suppressed since the daemon started.
    pub suppressed: u64,
    /// Why the lane stopped, if it did.
    pub stopped: Option<String>,
    /// Why the lane is waiting, if it is.
    pub held: Option<String>,
}

/// An alert that was triggered and is not resolved yet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Incident {
    pub source: String,
    /// `source.lost` or `source.silent`.
    pub event: String,
    pub why: String,
    pub since: Option<String>,
}
