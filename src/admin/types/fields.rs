//! Fields that are written as text: ages, moments, lists of ids.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::config_reader::{parse_duration, print_duration};

/// More than this in one response would fill the memory.
const MAX_LIMIT: usize = 10_000;
const DEFAULT_LIMIT: usize = 100;

pub(super) fn bounded(limit: Option<usize>) -> usize {
    limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT)
}

/// A duration like `2h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Age(pub Duration);

/// A point in time: written as a time, or as how long ago it was (`1h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment(pub Timestamp);

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_duration(text).map(Self)
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("`{text}` is neither a time like 2026-01-31T12:00:00Z nor an age like 1h");
        match parse_duration(text) {
            Ok(age) => Timestamp::now().checked_sub(age).map_err(|_| malformed()),
            Err(_) => text.parse().map_err(|_| malformed()),
        }
        .map(Self)
    }
}

impl TryFrom<String> for Age {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Age> for String {
    fn from(age: Age) -> Self {
        print_duration(age.0)
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.0.to_string()
    }
}

/// Reads a list of numbers, or `1,2,3` in a query string.
pub(super) fn ids<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of numbers")]
    enum Ids {
        List(Vec<i64>),
        Text(String),
    }
    let id = |part: &str| part.trim().parse().map_err(|_| D::Error::custom(format!("`{part}` is not a number")));
    match Ids::deserialize(from)? {
        Ids::List(ids) => Ok(ids),
        Ids::Text(text) => text.split(',').map(id).collect(),
    }
}
