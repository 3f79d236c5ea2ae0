//! Which relays take an event, and why.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::events::EventRecord;
use super::silences::Silence;
use crate::event::{Body, Event, EventId, Name};
use crate::http_server::HttpError;

/// An event in the form of `CloudEvents`, with `source` and `type` at least; or the `id` alone of a known event.
/// Other members of an event are allowed and ignored.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExplainRequest {
    pub id: Option<String>,
    pub source: Option<String>,
    /// The source's kind. Default: the source's name.
    pub kind: Option<String>,
    pub r#type: Option<String>,
    pub time: Option<String>,
    pub subject: Option<String>,
    pub data: Value,
}

/// A checked [`ExplainRequest`].
#[derive(Debug, Clone)]
pub enum ExplainTarget {
    /// The id of an event that is stored or still in memory.
    Known(EventId),
    Given(Box<Event>),
}

impl ExplainRequest {
    pub fn checked(self, now: Timestamp) -> Result<ExplainTarget, HttpError> {
        let hint = r#"send {"source": "prod", "type": "service.update", "subject": "…", "data": {…}} or {"id": "…"}"#;
        let id = self.id.as_deref().map(EventId::parse);
        let (source, r#type, id) = match (&self.source, &self.r#type, id) {
            (Some(source), Some(r#type), id) => (source, r#type, id),
            (None, None, Some(id)) if self == (Self { id: self.id.clone(), ..Self::default() }) => {
                return Ok(ExplainTarget::Known(id));
            }
            _ => return Err(HttpError::bad_request("an event needs a `source` and a `type`", hint)),
        };
        let time = match self.time.as_deref().map(str::parse) {
            None => now,
            Some(Ok(time)) => time,
            Some(Err(error)) => return Err(HttpError::bad_request(format!("`time` is not a time: {error}"), hint)),
        };
        Ok(ExplainTarget::Given(Box::new(Event {
            id: id.unwrap_or_else(|| EventId::fresh(now)),
            source: Name::from(&**source),
            kind: Name::from(self.kind.as_deref().unwrap_or(source)),
            r#type: r#type.as_str().into(),
            time,
            subject: self.subject.unwrap_or_default().into(),
            data: Body::from_value(&self.data),
        })))
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Explanation {
    pub event: EventRecord,
    /// In the order of relays.toml.
    pub relays: Vec<RelayVerdict>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RelayVerdict {
    pub relay: String,
    pub took: bool,
    pub why: String,
    pub to: Vec<String>,
    /// The active silence that suppresses it, if the relay takes the event.
    pub silence: Option<Silence>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_to_explain_is_given_or_named() {
        let read = |request: Value| {
            let request: ExplainRequest = serde_json::from_value(request).map_err(|error| error.to_string())?;
            request.checked(Timestamp::UNIX_EPOCH).map_err(|refusal| refusal.error.into_owned())
        };
        let Ok(ExplainTarget::Known(id)) = read(json!({"id": "e-1"})) else { panic!("an id names a known event") };
        assert_eq!(id.to_string(), "e-1");
        let given = read(json!({"specversion": "1.0", "id": "e-1", "source": "prod", "type": "a.b", "data": {"x": 1}}));
        let Ok(ExplainTarget::Given(event)) = given else { panic!("this is an event") };
        assert_eq!((&*event.source, &*event.r#type, &*event.subject), ("prod", "a.b", ""));
        assert_eq!(event.data.value().as_ref(), &json!({"x": 1}));
        for bad in [json!(1), json!({}), json!({"type": "a"}), json!({"id": "x", "type": "a"}), json!({"id": 1})] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
        assert!(read(json!({"source": "a", "type": "b", "time": "noon"})).is_err());
    }
}
