//! Dead letters: deliveries that failed for good.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fields::{age, bounded, ids};
use crate::config_reader::parse_duration;
use crate::http_server::HttpError;

/// Which dead letters to list, replay or drop.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct DeadRequest {
    /// The ids of dead letters, as `dead list` shows them
    #[arg(value_name = "ID")]
    #[serde(deserialize_with = "ids")]
    pub ids: Vec<i64>,
    /// All dead letters
    #[arg(long, conflicts_with_all = ["ids", "relay", "sink", "older_than"])]
    pub all: bool,
    /// Only those of this relay
    #[arg(long, value_name = "NAME")]
    pub relay: Option<String>,
    /// Only those to this sink
    #[arg(long, value_name = "NAME")]
    pub sink: Option<String>,
    /// Only those that failed longer ago than this (2h, 7d)
    #[arg(long, value_name = "AGE", value_parser = parse_duration)]
    #[serde(with = "age")]
    pub older_than: Option<Duration>,
    /// At most this many, the oldest first (`dead list`: 100 unless set)
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

impl DeadRequest {
    #[must_use]
    pub fn bounded(self) -> Self {
        Self { limit: Some(bounded(self.limit)), ..self }
    }

    /// For requests that change something: either a selection or `all`, never neither, never both.
    pub fn checked(self) -> Result<Self, HttpError> {
        let selects = !self.ids.is_empty() || self.relay.is_some() || self.sink.is_some() || self.older_than.is_some();
        match (selects, self.all) {
            (true, false) | (false, true) => Ok(self),
            (false, false) => {
                Err(HttpError::bad_request("nothing is selected", "set ids, relay, sink, older_than or all"))
            }
            (true, true) => Err(HttpError::bad_request("`all` excludes every other selection", "remove one of them")),
        }
    }
}

/// The oldest dead letter is the first one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeadLetters {
    pub dead: Vec<DeadLetter>,
    /// The number of all dead letters, listed or not.
    pub total: u64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeadLetter {
    pub id: i64,
    /// When it failed for good.
    pub since: String,
    pub relay: String,
    pub sink: String,
    pub attempts: u64,
    /// When each attempt failed; only the latest of very many.
    pub tries: Vec<String>,
    pub why: String,
    /// The receiver's latest reply.
    pub reply: Option<String>,
    pub event: Value,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_needs_a_selection_or_all_but_not_both() {
        let check = |body: Value| serde_json::from_value::<DeadRequest>(body).expect("a request").checked();
        assert!(check(json!({"ids": [1, 2]})).is_ok());
        assert!(check(json!({"older_than": "2h"})).is_ok());
        assert!(check(json!({"all": true})).is_ok());
        for bad in [json!({}), json!({"ids": []}), json!({"limit": 3}), json!({"all": true, "sink": "ops"})] {
            assert!(check(bad.clone()).is_err(), "{bad}");
        }
        assert!(serde_json::from_value::<DeadRequest>(json!({"snik": "ops"})).is_err());
    }
}
