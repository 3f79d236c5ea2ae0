//! What may be asked: the same in a query string and in a JSON body. Unknown words are refused,
//! because a mistyped filter must not drop every dead letter.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::HttpError;
use crate::config_reader::parse_duration;
use crate::event::{Body, Event, EventId, Name};

/// How many are listed when nobody says how many.
const USUAL: usize = 100;
/// More than this in one answer helps nobody and fills the memory.
const MOST: usize = 10_000;

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventsRequest {
    pub source: Option<String>,
    /// May hold `*`.
    pub r#type: Option<String>,
    pub relay: Option<String>,
    pub sink: Option<String>,
    /// Written as a time, or as how long ago (`1h`).
    #[serde(deserialize_with = "moment")]
    pub since: Option<Timestamp>,
    /// The same.
    #[serde(deserialize_with = "moment")]
    pub until: Option<Timestamp>,
    pub limit: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadRequest {
    /// A list, or in a query string `1,2,3`.
    #[serde(deserialize_with = "numbers")]
    pub ids: Vec<i64>,
    pub relay: Option<String>,
    pub sink: Option<String>,
    /// Buried longer ago than this.
    #[serde(deserialize_with = "duration")]
    pub older_than: Option<Duration>,
    pub limit: Option<usize>,
    /// Says that no other choice is meant.
    pub all: bool,
}

/// Which relays would take an event, and why.
#[derive(Debug, Clone)]
pub enum ExplainRequest {
    /// One that is stored or still remembered.
    Stored(EventId),
    /// One that is shown. Its `kind` is what the asker says, else the source's name: the house knows better.
    Shown(Box<Event>),
}

impl EventsRequest {
    pub(super) fn bounded(mut self) -> Self {
        self.limit = Some(self.limit.unwrap_or(USUAL).min(MOST));
        self
    }
}

impl DeadRequest {
    pub(super) fn bounded(mut self) -> Self {
        self.limit = Some(self.limit.unwrap_or(USUAL).min(MOST));
        self
    }

    /// For what changes something: either a choice or `all`, never neither, never both.
    pub(super) fn chosen(self) -> Result<Self, HttpError> {
        let choice = !self.ids.is_empty() || self.relay.is_some() || self.sink.is_some() || self.older_than.is_some();
        match (choice, self.all) {
            (true, false) | (false, true) => Ok(self),
            (false, false) => {
                Err(HttpError::bad_request("nothing was chosen", "name ids, relay, sink or older_than; or say all"))
            }
            (true, true) => Err(HttpError::bad_request("all and a choice exclude each other", "leave one of them out")),
        }
    }
}

impl ExplainRequest {
    /// `{"id": "…"}`, or an event as `CloudEvents` spells it: `source` and `type` at least.
    pub fn read(asked: &Value, now: Timestamp) -> Result<Self, HttpError> {
        let hint = r#"send {"source": "prod", "type": "service.update", "subject": "…", "data": {…}} or {"id": "…"}"#;
        let Value::Object(members) = asked else { return Err(HttpError::bad_request("that is no object", hint)) };
        let text = |key: &str| match members.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(HttpError::bad_request(format!("`{key}` is no string"), hint)),
        };
        let id = text("id")?.map(EventId::parse);
        let (source, r#type) = match (text("source")?, text("type")?, id.clone()) {
            (Some(source), Some(r#type), _) => (source, r#type),
            (None, None, Some(id)) if members.len() == 1 => return Ok(Self::Stored(id)),
            _ => return Err(HttpError::bad_request("an event has a `source` and a `type`", hint)),
        };
        let time = match text("time")?.map(str::parse) {
            None => now,
            Some(Ok(time)) => time,
            Some(Err(error)) => return Err(HttpError::bad_request(format!("`time` is no time: {error}"), hint)),
        };
        Ok(Self::Shown(Box::new(Event {
            id: id.unwrap_or_else(|| EventId::fresh(now)),
            source: Name::from(source),
            kind: Name::from(text("kind")?.unwrap_or(source)),
            r#type: r#type.into(),
            time,
            subject: text("subject")?.unwrap_or_default().into(),
            data: Body::from_value(members.get("data").unwrap_or(&Value::Null)),
        })))
    }
}

pub(super) fn duration<'d, D: Deserializer<'d>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| parse_duration(&text).map_err(D::Error::custom)).transpose()
}

fn moment<'d, D: Deserializer<'d>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
    let unclear =
        || D::Error::custom(format!("`{text}` is neither a time like 2026-01-31T12:00:00Z nor an age like 1h"));
    match parse_duration(&text) {
        Ok(ago) => Timestamp::now().checked_sub(ago).map(Some).map_err(|_| unclear()),
        Err(_) => text.parse().map(Some).map_err(|_| unclear()),
    }
}

fn numbers<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<i64>, D::Error> {
    struct Numbers;
    impl<'d> Visitor<'d> for Numbers {
        type Value = Vec<i64>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a list of numbers")
        }

        fn visit_seq<A: SeqAccess<'d>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut numbers = Vec::new();
            while let Some(number) = list.next_element()? {
                numbers.push(number);
            }
            Ok(numbers)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            let number = |part: &str| part.trim().parse().map_err(|_| E::custom(format!("`{part}` is no number")));
            text.split(',').map(number).collect()
        }
    }
    from.deserialize_any(Numbers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_choice_is_needed_and_only_one() {
        let ask = |body: Value| serde_json::from_value::<DeadRequest>(body).expect("an ask").chosen();
        assert!(ask(json!({"ids": [1, 2]})).is_ok());
        assert!(ask(json!({"older_than": "2h"})).is_ok());
        assert!(ask(json!({"all": true})).is_ok());
        for bad in [json!({}), json!({"ids": []}), json!({"limit": 3}), json!({"all": true, "sink": "ops"})] {
            assert!(ask(bad.clone()).is_err(), "{bad}");
        }
        assert!(serde_json::from_value::<DeadRequest>(json!({"snik": "ops"})).is_err());
    }

    #[test]
    fn a_moment_is_a_time_or_an_age() {
        let since = |text: &str| {
            let ask: Result<EventsRequest, _> = serde_json::from_value(json!({ "since": text }));
            ask.map(|ask| ask.since)
        };
        assert_eq!(since("1970-01-01T00:00:00Z").expect("a time"), Some(Timestamp::UNIX_EPOCH));
        assert!(since("1h").expect("an age") < Some(Timestamp::now()));
        for bad in ["yesterday", "", "9999999999999d"] {
            assert!(since(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_event_to_explain_is_shown_or_named() {
        let read = |asked: Value| ExplainRequest::read(&asked, Timestamp::UNIX_EPOCH);
        let Ok(ExplainRequest::Stored(id)) = read(json!({"id": "e-1"})) else { panic!("an id names a stored event") };
        assert_eq!(id.to_string(), "e-1");
        let shown = read(json!({"specversion": "1.0", "id": "e-1", "source": "prod", "type": "a.b", "data": {"x": 1}}));
        let Ok(ExplainRequest::Shown(event)) = shown else { panic!("this is an event") };
        assert_eq!((&*event.source, &*event.r#type, &*event.subject), ("prod", "a.b", ""));
        assert_eq!(event.data.value().as_ref(), &json!({"x": 1}));
        for bad in [json!(1), json!({}), json!({"type": "a"}), json!({"id": "x", "type": "a"}), json!({"id": 1})] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
        assert!(read(json!({"source": "a", "type": "b", "time": "noon"})).is_err());
    }
}
