//! What may be asked about silences, checked as far as that needs no house.

use std::time::Duration;

use serde::Deserialize;

use super::HttpError;
use super::requests::duration;

/// What lasts longer is no silence but a change of relays.toml.
const LONGEST_SILENCE: Duration = Duration::from_secs(366 * 86_400);
const MOST_MATCHES: usize = 32;
/// Of one match, or of a reason: it stands in a table and beside every delivery that was hushed.
const LONGEST_WORDS: usize = 500;

/// Which silences to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SilencesRequest {
    /// Also those that are over and still kept.
    pub expired: bool,
}

/// A silence to be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SilenceRequest {
    /// `type=container.*` or `data.state!=Init`; all must hold.
    pub matches: Vec<String>,
    /// The same as `relay=NAME`.
    pub relay: Option<String>,
    #[serde(deserialize_with = "duration")]
    pub r#for: Option<Duration>,
    pub why: String,
    /// Says that a silence which nothing escapes is meant.
    pub all: bool,
}

/// Which silences to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExpireRequest {
    pub id: Option<i64>,
    /// Those that are in force, all of them.
    pub all: bool,
}

impl SilenceRequest {
    /// Everything that can be said about it without knowing the house; `relay` is among the matches then.
    pub(super) fn checked(mut self) -> Result<Self, HttpError> {
        let hint = r#"send {"matches": ["type=container.*"], "for": "2h", "why": "…"}"#;
        self.why = String::from(self.why.trim());
        if self.why.is_empty() {
            return Err(HttpError::bad_request(
                "a silence needs a `why`",
                "others must know later what was hushed, and why",
            ));
        }
        if self.why.chars().count() > LONGEST_WORDS {
            return Err(HttpError::bad_request(format!("`why` may have at most {LONGEST_WORDS} characters"), hint));
        }
        match self.r#for {
            Some(Duration::ZERO) => return Err(HttpError::bad_request("a silence of no length hushes nothing", hint)),
            Some(long) if long > LONGEST_SILENCE => {
                return Err(HttpError::bad_request(
                    "a silence may last 366 days",
                    "leave the relay out of relays.toml instead",
                ));
            }
            Some(_) => {}
            None => return Err(HttpError::bad_request("a silence needs a `for`", hint)),
        }
        self.matches.extend(self.relay.take().map(|name| format!("relay={name}")));
        if self.matches.len() > MOST_MATCHES || self.matches.iter().any(|said| said.chars().count() > LONGEST_WORDS) {
            let said = format!("at most {MOST_MATCHES} matches, of at most {LONGEST_WORDS} characters each");
            return Err(HttpError::bad_request(said, hint));
        }
        match (self.matches.is_empty(), self.all) {
            (true, false) => Err(HttpError::bad_request("nothing is matched", "name what to hush, or say all")),
            (false, true) => Err(HttpError::bad_request("all and matches exclude each other", "leave one of them out")),
            _ => Ok(self),
        }
    }
}

impl ExpireRequest {
    pub(super) fn chosen(self) -> Result<Self, HttpError> {
        if self.id.is_some() == self.all {
            return Err(HttpError::bad_request("either an id or all", r#"send {"id": 3} or {"all": true}"#));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_silence_says_what_how_long_and_why() {
        let ask = |body: Value| serde_json::from_value::<SilenceRequest>(body).map(SilenceRequest::checked);
        let checked = ask(json!({"matches": ["type=a.*"], "relay": "one", "for": "2h", "why": " deploy "}));
        let checked = checked.expect("an ask").expect("a good one");
        assert_eq!((checked.matches, &*checked.why), (vec!["type=a.*".to_owned(), "relay=one".to_owned()], "deploy"));
        assert!(ask(json!({"all": true, "for": "366d", "why": "x"})).expect("an ask").is_ok());
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
            assert!(ask(bad.clone()).expect("an ask").is_err(), "{bad}");
        }
        for bad in [json!({"for": "two hours"}), json!({"matches": "type=a"}), json!({"mathces": []})] {
            assert!(ask(bad.clone()).is_err(), "{bad}");
        }
        let expire = |body: Value| serde_json::from_value::<ExpireRequest>(body).expect("an ask").chosen();
        assert!(expire(json!({"id": 3})).is_ok() && expire(json!({"all": true})).is_ok());
        assert!(expire(json!({})).is_err() && expire(json!({"id": 3, "all": true})).is_err());
    }
}
