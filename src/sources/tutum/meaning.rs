//! What a message of the stream means. Every field may be absent, or of a type that nobody expected.

use jiff::Timestamp;

use crate::event::{Body, Event, EventId, Step, path};
use crate::message::{Unit, cut};
use crate::outbox::Outbox;

/// A type is a word to match on, not a place for an essay.
const LONGEST_TYPE: usize = 256;
/// A subject names one thing, and is part of the key that messages are grouped by.
const LONGEST_SUBJECT: usize = 1024;

/// What is an event whatever else the message says; other types are, if they say what was done, or to what.
const KNOWN: [&str; 9] =
    ["action", "buildsetting", "container", "error", "image", "node", "nodecluster", "service", "stack"];

#[derive(Debug)]
pub(super) enum Meaning {
    Event(Event),
    /// `auth`: the credentials are good.
    Greeting,
    /// `error` with `UNAUTHORIZED`: they are not.
    Refusal,
    /// `user-notifications` and whatever else the service says to its client; not relayed.
    SelfEvent(Body),
}

/// The paths that are looked up in every message, made once.
#[derive(Debug)]
pub(super) struct Reader {
    r#type: Box<[Step]>,
    action: Box<[Step]>,
    state: Box<[Step]>,
    resource_uri: Box<[Step]>,
    datetime: Box<[Step]>,
    error: Box<[Step]>,
}

impl Reader {
    pub(super) fn new() -> Self {
        let path = |text| path(text).expect("a word is a path");
        Self {
            r#type: path("type"),
            action: path("action"),
            state: path("state"),
            resource_uri: path("resource_uri"),
            datetime: path("datetime"),
            error: path("data.errorMessage"),
        }
    }

    pub(super) fn read(&self, body: Body, out: &Outbox) -> Meaning {
        let now = Timestamp::now();
        match self.gist(&body) {
            Gist::Event { r#type, subject, time } => Meaning::Event(Event {
                // The same words twice are two events: nothing in them says otherwise.
                id: EventId::fresh(now),
                source: out.source().clone(),
                kind: out.kind().clone(),
                r#type,
                time: time.unwrap_or(now),
                subject,
                data: body,
            }),
            Gist::Greeting => Meaning::Greeting,
            Gist::Refusal => Meaning::Refusal,
            Gist::SelfEvent => Meaning::SelfEvent(body),
        }
    }

    fn gist(&self, body: &Body) -> Gist {
        let kind = body.plain(&self.r#type).unwrap_or_default();
        let action = body.plain(&self.action).unwrap_or_default();
        let r#type = event_type(&kind, &action);
        match &*r#type {
            "auth" => return Gist::Greeting,
            "user-notification" | "user-notifications" => return Gist::SelfEvent,
            "error" if body.plain(&self.error).is_some_and(|it| it.trim().eq_ignore_ascii_case("unauthorized")) => {
                return Gist::Refusal;
            }
            _ => {}
        }
        let subject = body.plain(&self.resource_uri).unwrap_or_default();
        let says_nothing = action.is_empty() && subject.is_empty() && body.plain(&self.state).is_none();
        if says_nothing && !kind.is_empty() && !KNOWN.contains(&&*r#type) {
            return Gist::SelfEvent;
        }
        let time = body.plain(&self.datetime).and_then(|time| time.parse().ok());
        let fits = subject.len() <= LONGEST_SUBJECT;
        let subject = if fits { subject.into() } else { cut(&subject, LONGEST_SUBJECT, Unit::Chars).into() };
        Gist::Event { r#type, subject, time }
    }
}

/// A [`Meaning`] that has not yet taken the body.
enum Gist {
    Event { r#type: Box<str>, subject: Box<str>, time: Option<Timestamp> },
    Greeting,
    Refusal,
    SelfEvent,
}

/// `container.create`; what is missing is left out.
fn event_type(kind: &str, action: &str) -> Box<str> {
    let mut r#type = String::with_capacity(kind.len() + 1 + action.len());
    r#type.push_str(if kind.is_empty() { "message" } else { kind });
    if !action.is_empty() {
        r#type.push('.');
        r#type.push_str(action);
    }
    if r#type.is_ascii() {
        r#type.make_ascii_lowercase();
    } else {
        r#type = r#type.to_lowercase();
    }
    if r#type.len() > LONGEST_TYPE {
        r#type = cut(&r#type, LONGEST_TYPE, Unit::Chars);
    }
    r#type.into()
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::event::Name;

    fn read(text: &str) -> Meaning {
        let (out, _pulse) = Outbox::new(Name::from("prod"), Name::from("tutum"), mpsc::channel(1).0);
        Reader::new().read(Body::parse(text).expect("JSON"), &out)
    }

    fn event(text: &str) -> Event {
        match read(text) {
            Meaning::Event(event) => event,
            other => panic!("{text} is no event but {other:?}"),
        }
    }

    #[test]
    fn the_documented_event_and_a_real_one_are_read() {
        let action = event(
            r#"{"type":"action","action":"update","parents":["/api/v1/container/0b0e3538-88df-4f07-9aed-3a3cc4175076/"],
            "resource_uri":"/api/v1/action/49f0efe8-a704-4a10-b02f-f96344fabadd/","state":"Success"}"#,
        );
        assert_eq!(&*action.r#type, "action.update");
        assert_eq!(&*action.subject, "/api/v1/action/49f0efe8-a704-4a10-b02f-f96344fabadd/");
        assert_eq!((&*action.source, &*action.kind), ("prod", "tutum"));
        let container = event(r#"{"state":"Starting","action":"create","type":"container","parents":[]}"#);
        assert_eq!((&*container.r#type, &*container.subject), ("container.create", ""));
        assert_eq!(container.data.text(), r#"{"state":"Starting","action":"create","type":"container","parents":[]}"#);
    }

    #[test]
    fn the_same_words_twice_are_two_events() {
        let text = r#"{"type":"stack","action":"create"}"#;
        assert_ne!(event(text).id, event(text).id);
    }

    #[test]
    fn docker_clouds_time_is_taken_and_a_wrong_one_is_not() {
        let at = |time: &str| event(&format!(r#"{{"type":"image","datetime":{time}}}"#)).time;
        assert_eq!(at(r#""2016-02-01T16:47:28Z""#).to_string(), "2016-02-01T16:47:28Z");
        let before = Timestamp::now();
        for odd in ["\"yesterday\"", "17", "null", "[]"] {
            assert!(at(odd) >= before, "{odd}");
        }
    }

    #[test]
    fn odd_fields_harm_nobody() {
        for (text, r#type) in [
            ("{}", "message"),
            ("[1]", "message"),
            ("17", "message"),
            (r#"{"type":null,"action":{"a":1}}"#, "message"),
            (r#"{"type":"Container","action":"CREATE"}"#, "container.create"),
            (r#"{"type":"service"}"#, "service"),
            (r#"{"type":7,"action":"go"}"#, "7.go"),
            (r#"{"action":"delete"}"#, "message.delete"),
            (r#"{"type":"É","action":"x"}"#, "é.x"),
            (r#"{"type":"error","data":{"errorMessage":"QUOTA"}}"#, "error"),
            (r#"{"type":"error","data":[]}"#, "error"),
            (r#"{"type":"novel","state":"Empty"}"#, "novel"),
        ] {
            assert_eq!(&*event(text).r#type, r#type, "{text}");
        }
        let long = event(&format!(r#"{{"type":"{}","action":"x"}}"#, "é".repeat(300)));
        assert_eq!(long.r#type.chars().count(), 256);
        let long = event(&format!(r#"{{"type":"image","resource_uri":"{}"}}"#, "é".repeat(2000)));
        assert_eq!(long.subject.chars().count(), 1024);
    }

    #[test]
    fn what_the_service_says_to_its_client_is_no_event() {
        assert!(matches!(read(r#"{"type":"auth"}"#), Meaning::Greeting));
        for self_event in
            [r#"{"type":"user-notifications","x":[1]}"#, r#"{"type":"user-notification"}"#, r#"{"type":"hello"}"#]
        {
            assert!(matches!(read(self_event), Meaning::SelfEvent(_)), "{self_event}");
        }
        assert!(matches!(read(r#"{"type":"error","data":{"errorMessage":"UNAUTHORIZED"}}"#), Meaning::Refusal));
        assert!(matches!(read(r#"{"type":"error","data":{"errorMessage":"Unauthorized "}}"#), Meaning::Refusal));
    }
}
