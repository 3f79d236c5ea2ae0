//! Events and their deliveries.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{bounded, moment, parse_moment};

/// Which events to list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct EventsRequest {
    /// Only events of this source
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Only events of this type; may contain `*`
    #[arg(long, value_name = "TYPE")]
    pub r#type: Option<String>,
    /// Only events that this relay took
    #[arg(long, value_name = "NAME")]
    pub relay: Option<String>,
    /// Only events with a delivery to this sink
    #[arg(long, value_name = "NAME")]
    pub sink: Option<String>,
    /// Only events since this time (2026-01-31T12:00:00Z) or this long ago (1h)
    #[arg(long, value_name = "WHEN", value_parser = parse_moment)]
    #[serde(with = "moment")]
    pub since: Option<Timestamp>,
    /// Only events up to this time, or up to this long ago
    #[arg(long, value_name = "WHEN", value_parser = parse_moment)]
    #[serde(with = "moment")]
    pub until: Option<Timestamp>,
    /// List at most this many, the latest ones
    #[arg(long, value_name = "N", default_value = "50")]
    pub limit: Option<usize>,
}

impl EventsRequest {
    #[must_use]
    pub fn bounded(self) -> Self {
        Self { limit: Some(bounded(self.limit)), ..self }
    }
}

/// The latest event is the last one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Events {
    pub events: Vec<EventRecord>,
}

/// [`Event::to_json`](crate::event::Event::to_json) and the event's deliveries.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EventRecord {
    pub specversion: String,
    pub id: String,
    pub source: String,
    pub kind: String,
    pub r#type: String,
    pub time: String,
    pub subject: String,
    pub data: Value,
    pub deliveries: Vec<DeliveryRecord>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeliveryRecord {
    pub relay: String,
    pub sink: String,
    /// `pending`, `delivered`, `dead`, `replayed`, `dropped` or `suppressed`.
    pub state: String,
    pub attempts: u64,
    /// When each attempt failed.
    pub tries: Vec<String>,
    /// The latest error, or why the delivery was suppressed.
    pub why: Option<String>,
    /// The receiver's reply to the latest failed attempt.
    pub reply: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_moment_is_a_time_or_an_age() {
        let since = |text: &str| {
            let request: Result<EventsRequest, _> = serde_json::from_value(json!({ "since": text }));
            request.map(|request| request.since)
        };
        assert_eq!(since("1970-01-01T00:00:00Z").expect("a time"), Some(Timestamp::UNIX_EPOCH));
        assert!(since("1h").expect("an age") < Some(Timestamp::now()));
        for bad in ["yesterday", "", "9999999999999d"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }
}
