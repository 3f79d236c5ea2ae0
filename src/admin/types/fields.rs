//! Fields that are written as text: ages, moments, lists of ids.

use std::time::Duration;

use jiff::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config_reader::{parse_duration, print_duration};

/// More than this in one response would fill the memory.
const MAX_LIMIT: usize = 10_000;
const DEFAULT_LIMIT: usize = 100;

pub(super) fn bounded(limit: Option<usize>) -> usize {
    limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT)
}

/// A point in time, written as a time or as how long ago it was.
pub(super) fn parse_moment(text: &str) -> Result<Timestamp, String> {
    let moment = match parse_duration(text) {
        Ok(age) => Timestamp::now().checked_sub(age).ok(),
        Err(_) => text.parse().ok(),
    };
    moment.ok_or_else(|| format!("`{text}` is neither a time like 2026-01-31T12:00:00Z nor an age like 1h"))
}

/// Serializes an optional time as text.
pub(super) mod moment {
    use super::{Deserializer, Serialize, Serializer, Timestamp, parse_moment, parsed};

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(in super::super) fn serialize<S: Serializer>(moment: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        moment.map(|moment| moment.to_string()).serialize(to)
    }

    pub(in super::super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        parsed(from, parse_moment)
    }
}

/// Serializes an optional duration as text like `2h`.
pub(super) mod age {
    use super::{Deserializer, Duration, Serialize, Serializer, parse_duration, parsed, print_duration};

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(in super::super) fn serialize<S: Serializer>(age: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        age.map(print_duration).serialize(to)
    }

    pub(in super::super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Option<Duration>, D::Error> {
        parsed(from, parse_duration)
    }
}

/// With the parser that also reads the command line's argument.
fn parsed<'d, D: Deserializer<'d>, T>(from: D, parse: fn(&str) -> Result<T, String>) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| parse(&text)).transpose().map_err(D::Error::custom)
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
