//! Silences: matching deliveries are suppressed for a while.

use std::time::Duration;

use clap::ArgGroup;
use serde::{Deserialize, Serialize};

use super::fields::age;
use crate::config_reader::parse_duration;
use crate::http_server::HttpError;

/// Anything longer belongs into relays.toml.
const MAX_DURATION: Duration = Duration::from_secs(366 * 86_400);
const MAX_MATCHES: usize = 32;
/// Characters of one match, or of a reason: both are shown in tables and with every suppressed delivery.
const MAX_LENGTH: usize = 500;

const MATCH: &str = "What to silence: a path as in a relay's `match` (type, source, subject, data.state, \
    data.parents[]) or `relay`, and a pattern that may contain `*`; use != to exclude. All given matches must hold";
const ALL: &str = "Silence everything except the daemon's own events, which need source=tidings or a relay";

/// Which silences to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct SilencesRequest {
    /// Also list silences that have ended
    #[arg(long)]
    pub expired: bool,
}

/// The silence to add. One that suppresses everything must be requested with `all`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
#[command(group(ArgGroup::new("silenced").required(true).multiple(true).args(["matches", "relay", "all"])))]
#[group(skip)]
pub struct NewSilence {
    #[arg(long = "match", value_name = "KEY=PATTERN", help = MATCH)]
    pub matches: Vec<String>,
    /// Silence only this relay; the same as --match relay=NAME
    #[arg(long, value_name = "NAME")]
    pub relay: Option<String>,
    #[arg(long, conflicts_with_all = ["matches", "relay"], help = ALL)]
    pub all: bool,
    /// How long (30m, 2h, 7d), at most 366d
    #[arg(long, value_name = "DURATION", required = true, value_parser = parse_duration)]
    #[serde(with = "age")]
    pub r#for: Option<Duration>,
    /// The reason, for those who wonder later why nothing was sent
    #[arg(long, value_name = "REASON")]
    pub why: String,
}

/// Which silences to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
#[group(id = "ended", required = true, multiple = false, args = ["id", "all"])]
pub struct ExpireRequest {
    /// The silence's id, as `silence list` shows it
    pub id: Option<i64>,
    /// All active silences
    #[arg(long)]
    pub all: bool,
}

impl NewSilence {
    /// Checks everything that can be checked without the relays, and moves `relay` into `matches`.
    pub fn checked(mut self) -> Result<Self, HttpError> {
        let hint = r#"send {"matches": ["type=container.*"], "for": "2h", "why": "…"}"#;
        self.why = String::from(self.why.trim());
        if self.why.is_empty() {
            return Err(HttpError::bad_request(
                "a silence needs a `why`",
                "give the reason: others will look for it later",
            ));
        }
        if self.why.chars().count() > MAX_LENGTH {
            return Err(HttpError::bad_request(format!("`why` may have at most {MAX_LENGTH} characters"), hint));
        }
        match self.r#for {
            Some(Duration::ZERO) => return Err(HttpError::bad_request("`for` must be longer than 0s", hint)),
            Some(duration) if duration > MAX_DURATION => {
                return Err(HttpError::bad_request(
                    "a silence may last at most 366 days",
                    "remove the relay from relays.toml instead",
                ));
            }
            Some(_) => {}
            None => return Err(HttpError::bad_request("a silence needs a `for`", hint)),
        }
        self.matches.extend(self.relay.take().map(|name| format!("relay={name}")));
        if self.matches.len() > MAX_MATCHES || self.matches.iter().any(|text| text.chars().count() > MAX_LENGTH) {
            let error = format!("at most {MAX_MATCHES} matches of at most {MAX_LENGTH} characters each are possible");
            return Err(HttpError::bad_request(error, hint));
        }
        match (self.matches.is_empty(), self.all) {
            (true, false) => Err(HttpError::bad_request("nothing is matched", "set matches, relay or all")),
            (false, true) => Err(HttpError::bad_request("`all` excludes every match", "remove one of them")),
            _ => Ok(self),
        }
    }
}

impl ExpireRequest {
    pub fn checked(self) -> Result<Self, HttpError> {
        if self.id.is_some() == self.all {
            return Err(HttpError::bad_request("set either `id` or `all`", r#"send {"id": 3} or {"all": true}"#));
        }
        Ok(self)
    }
}

/// The oldest silence is the first one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Silences {
    pub silences: Vec<Silence>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Silence {
    pub id: i64,
    /// As requested; empty: everything.
    pub matches: Vec<String>,
    pub why: String,
    pub since: String,
    pub until: String,
    /// When it ended, by itself or because someone ended it.
    pub ended: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_silence_needs_matches_a_duration_and_a_reason() {
        let check = |body: Value| serde_json::from_value::<NewSilence>(body).map(NewSilence::checked);
        let checked = check(json!({"matches": ["type=a.*"], "relay": "one", "for": "2h", "why": " deploy "}));
        let checked = checked.expect("a request").expect("valid");
        assert_eq!((checked.matches, &*checked.why), (vec!["type=a.*".to_owned(), "relay=one".to_owned()], "deploy"));
        assert!(check(json!({"all": true, "for": "366d", "why": "x"})).expect("a request").is_ok());
        for bad in [
            json!({"matches": ["type=a"], "for": "2h"}),
            json!({"matches": ["type=a"], "for": "2h", "why": " "}),
            json!({"matches": ["type=a"], "for": "2h", "why": "x".repeat(501)}),
            json!({"matches": ["type=a"], "why": "x"}),
            json!({"matches": ["type=a"], "for": "0s", "why": "x"}),
            json!({"matches": ["type=a"], "for": "367d", "why": "x"}),
            json!({"for": "2h", "why": "x"}),
            json!({"matches": ["type=a"], "all": true, "for": "2h", "why": "x"}),
            json!({"matches": vec!["type=a"; 33], "for": "2h", "why": "x"}),
        ] {
            assert!(check(bad.clone()).expect("a request").is_err(), "{bad}");
        }
        for bad in [json!({"for": "two hours"}), json!({"matches": "type=a"}), json!({"mathces": []})] {
            assert!(check(bad.clone()).is_err(), "{bad}");
        }
        let expire = |body: Value| serde_json::from_value::<ExpireRequest>(body).expect("a request").checked();
        assert!(expire(json!({"id": 3})).is_ok() && expire(json!({"all": true})).is_ok());
        assert!(expire(json!({})).is_err() && expire(json!({"id": 3, "all": true})).is_err());
    }
}
