//! Parses messages of the stream. Every field may be absent or of an unexpected type.

use jiff::Timestamp;

use crate::event::{Body, Event, Step, path};
use crate::ingress::{Arrived, Known};
use crate::outbox::Outbox;

/// Types that are always events. Others are events if they have an action, a state or a subject.
const KNOWN: [&str; 9] =
    ["action", "buildsetting", "container", "error", "image", "node", "nodecluster", "service", "stack"];

#[derive(Debug)]
pub(super) enum Parsed {
    Event(Event),
    /// `auth`: the credentials are accepted.
    AuthSucceeded,
    /// `error` with `UNAUTHORIZED`: they are refused.
    AuthFailed,
    /// `user-notifications` and other messages to the client; not relayed.
    Notice(Body),
}

/// Holds the compiled paths that are looked up in every message.
#[derive(Debug)]
pub(super) struct Parser {
    r#type: Box<[Step]>,
    action: Box<[Step]>,
    state: Box<[Step]>,
    resource_uri: Box<[Step]>,
    datetime: Box<[Step]>,
    error: Box<[Step]>,
}

impl Parser {
    pub(super) fn new() -> Self {
        let path = |text| path(text).expect("a name is a valid path");
        Self {
            r#type: path("type"),
            action: path("action"),
            state: path("state"),
            resource_uri: path("resource_uri"),
            datetime: path("datetime"),
            error: path("data.errorMessage"),
        }
    }

    pub(super) fn parse(&self, body: Body, out: &Outbox) -> Parsed {
        match self.classify(&body) {
            // Messages have no id: the same text twice is two events.
            Class::Event(known) => {
                let arrived = Arrived { source: out.source(), kind: out.kind(), at: Timestamp::now() };
                Parsed::Event(known.event(body, arrived))
            }
            Class::AuthSucceeded => Parsed::AuthSucceeded,
            Class::AuthFailed => Parsed::AuthFailed,
            Class::Notice => Parsed::Notice(body),
        }
    }

    fn classify(&self, body: &Body) -> Class {
        let kind = body.plain(&self.r#type).unwrap_or_default();
        let action = body.plain(&self.action).unwrap_or_default();
        let r#type = event_type(&kind, &action);
        match r#type.as_str() {
            "auth" => return Class::AuthSucceeded,
            "user-notification" | "user-notifications" => return Class::Notice,
            "error" if body.plain(&self.error).is_some_and(|it| it.trim().eq_ignore_ascii_case("unauthorized")) => {
                return Class::AuthFailed;
            }
            _ => {}
        }
        let subject = body.plain(&self.resource_uri).unwrap_or_default();
        let is_empty = action.is_empty() && subject.is_empty() && body.plain(&self.state).is_none();
        if is_empty && !kind.is_empty() && !KNOWN.contains(&r#type.as_str()) {
            return Class::Notice;
        }
        let time = body.plain(&self.datetime).and_then(|time| time.parse().ok());
        Class::Event(Known { r#type: Some(r#type), id: None, subject: Some(subject.into()), time })
    }
}

/// A [`Parsed`] without the body.
enum Class {
    Event(Known),
    AuthSucceeded,
    AuthFailed,
    Notice,
}

/// `container.create`; missing parts are left out.
fn event_type(kind: &str, action: &str) -> String {
    let kind = if kind.is_empty() { "message" } else { kind };
    let dot = if action.is_empty() { "" } else { "." };
    [kind, dot, action].concat().to_lowercase()
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::event::Name;

    fn parse(text: &str) -> Parsed {
        let (out, _status) = Outbox::new(Name::from("prod"), Name::from("tutum"), mpsc::channel(1).0);
        Parser::new().parse(Body::parse(text).expect("JSON"), &out)
    }

    fn event(text: &str) -> Event {
        match parse(text) {
            Parsed::Event(event) => event,
            other => panic!("{text} is {other:?}"),
        }
    }

    #[test]
    fn the_documented_event_and_a_real_one_are_parsed() {
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
    fn the_same_text_twice_is_two_events() {
        let text = r#"{"type":"stack","action":"create"}"#;
        assert_ne!(event(text).id, event(text).id);
    }

    #[test]
    fn the_time_of_docker_cloud_is_used_unless_it_is_invalid() {
        let at = |time: &str| event(&format!(r#"{{"type":"image","datetime":{time}}}"#)).time;
        assert_eq!(at(r#""2016-02-01T16:47:28Z""#).to_string(), "2016-02-01T16:47:28Z");
        let before = Timestamp::now();
        for invalid in ["\"yesterday\"", "17", "null", "[]"] {
            assert!(at(invalid) >= before, "{invalid}");
        }
    }

    #[test]
    fn unexpected_fields_are_tolerated() {
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
    fn messages_to_the_client_are_not_events() {
        assert!(matches!(parse(r#"{"type":"auth"}"#), Parsed::AuthSucceeded));
        for notice in
            [r#"{"type":"user-notifications","x":[1]}"#, r#"{"type":"user-notification"}"#, r#"{"type":"hello"}"#]
        {
            assert!(matches!(parse(notice), Parsed::Notice(_)), "{notice}");
        }
        assert!(matches!(parse(r#"{"type":"error","data":{"errorMessage":"UNAUTHORIZED"}}"#), Parsed::AuthFailed));
        assert!(matches!(parse(r#"{"type":"error","data":{"errorMessage":"Unauthorized "}}"#), Parsed::AuthFailed));
    }
}
