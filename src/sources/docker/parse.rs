//! Parses one object of the event stream, in today's format and in that of the first Engines.

use jiff::Timestamp;
use serde_json::Value;

use crate::event::{Body, Event, digest};
use crate::ingress::{Arrived, Known};

/// The length of a container's full id. Users see the first twelve digits.
const FULL_ID: usize = 64;
const SHORT_ID: usize = 12;
/// Actions on images in the old format, which has no `Type`.
const IMAGE_ACTIONS: [&str; 8] = ["delete", "import", "load", "pull", "push", "save", "tag", "untag"];

/// An event with its id and time in the Engine's history.
#[derive(Debug)]
pub(super) struct EngineEvent {
    pub(super) event: Event,
    pub(super) id: String,
    /// Nanoseconds since 1970, by the Engine's clock.
    pub(super) at: i64,
}

/// None where the object is not an event.
pub(super) fn parse(body: Body, arrived: Arrived) -> Option<EngineEvent> {
    let value = body.value();
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let action = text("/Action").or_else(|| text("/status"))?;
    // `exec_create: sh -c …`, `health_status: unhealthy`: the text after the colon is no part of the type.
    let verb = action.split(':').next().unwrap_or(action).trim();
    let object_type = text("/Type").unwrap_or(if IMAGE_ACTIONS.contains(&verb) { "image" } else { "container" });
    let actor = text("/Actor/ID").or_else(|| text("/id")).unwrap_or_default();
    let at = nanoseconds(value).unwrap_or_else(|| i64::try_from(arrived.at.as_nanosecond()).unwrap_or(i64::MAX));
    let id = digest(&[&at.to_string(), object_type, action, actor]);
    let subject = text("/Actor/Attributes/name").map_or_else(|| short(actor), str::to_owned);
    let known = Known {
        r#type: Some(format!("{object_type}.{verb}").to_lowercase()),
        id: Some(id.clone()),
        subject: Some(subject),
        time: Timestamp::from_nanosecond(at.into()).ok(),
    };
    Some(EngineEvent { event: known.event(body, arrived), id, at })
}

fn nanoseconds(value: &Value) -> Option<i64> {
    let whole = |name: &str| value.get(name).and_then(Value::as_i64).filter(|number| *number > 0);
    whole("timeNano").or_else(|| whole("time")?.checked_mul(1_000_000_000))
}

fn short(id: &str) -> String {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    let is_full = digits.len() == FULL_ID && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_full { digits.get(..SHORT_ID).unwrap_or(digits).to_owned() } else { id.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{EventId, Name};

    fn parsed(text: &str) -> Option<EngineEvent> {
        let (source, kind) = (Name::from("host"), Name::from("docker"));
        let arrived = Arrived { source: &source, kind: &kind, at: Timestamp::UNIX_EPOCH };
        parse(Body::parse(text).expect("JSON"), arrived)
    }

    fn type_and_subject(text: &str) -> (String, String) {
        let event = parsed(text).expect(text).event;
        (event.r#type.into(), event.subject.into())
    }

    fn pair(r#type: &str, subject: &str) -> (String, String) {
        (r#type.to_owned(), subject.to_owned())
    }

    #[test]
    fn the_current_and_the_old_format_give_the_same_events() {
        let id = "4386fb97867d1c2e3b1cd6b1ce1ffae8f8ba28a5c4e0e1d7b0d4b2e3f5a6b7c8";
        let today = format!(
            r#"{{"status":"die","id":"{id}","from":"alpine","Type":"container","Action":"die","Actor":{{"ID":"{id}","Attributes":{{"exitCode":"137","image":"alpine","name":"web"}}}},"scope":"local","time":1461943105,"timeNano":1461943105338056026}}"#
        );
        let event = parsed(&today).expect("an event").event;
        assert_eq!((&*event.r#type, &*event.subject), ("container.die", "web"));
        assert_eq!(event.time.to_string(), "2016-04-29T15:18:25.338056026Z");
        assert_eq!(event.data.text(), today);
        let then = format!(r#"{{"status":"die","id":"{id}","from":"alpine","time":1461943105}}"#);
        assert_eq!(type_and_subject(&then), pair("container.die", "4386fb97867d"));
        assert_eq!(parsed(&then).expect("an event").at, 1_461_943_105_000_000_000);
        assert_eq!(
            type_and_subject(r#"{"status":"pull","id":"busybox:latest","time":1}"#),
            pair("image.pull", "busybox:latest")
        );
    }

    #[test]
    fn text_after_the_colon_is_not_part_of_the_type() {
        let about = |action: &str| {
            type_and_subject(&format!(r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"x"}}}}"#))
        };
        assert_eq!(about("exec_create: sh -c 'a: b'"), pair("container.exec_create", "x"));
        assert_eq!(about("health_status: unhealthy"), pair("container.health_status", "x"));
        assert_eq!(type_and_subject(r#"{"Type":"Network","Action":"Connect"}"#), pair("network.connect", ""));
    }

    #[test]
    fn the_same_event_has_the_same_id_and_another_event_another() {
        let of = |nano: &str, action: &str, id: &str| {
            let text =
                format!(r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"{id}"}},"timeNano":{nano}}}"#);
            parsed(&text).expect("an event").event.id
        };
        let first = of("17", "die", "a");
        assert!(matches!(&first, EventId::Given(id) if id.len() == 32));
        assert_eq!(first, of("17", "die", "a"));
        for other in [of("18", "die", "a"), of("17", "kill", "a"), of("17", "die", "b")] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn objects_without_an_action_are_not_events() {
        for text in ["{}", r#"{"message":"no"}"#, r#"{"Action":1}"#, r#"{"Action":""}"#, r#"{"Type":"container"}"#] {
            assert!(parsed(text).is_none(), "{text}");
        }
        assert_eq!(type_and_subject(r#"{"Action":"x","Actor":7,"time":-3,"timeNano":1e300}"#), pair("container.x", ""));
        assert_eq!(type_and_subject(r#"{"Action":"x","time":9223372036854775807}"#), pair("container.x", ""));
    }

    proptest! {
        #[test]
        fn no_object_causes_a_panic(action in "\\PC{0,20}", id in "\\PC{0,80}", time in any::<i64>(), deep in any::<bool>()) {
            let actor = if deep { serde_json::json!({"ID": id, "Attributes": {"name": action}}) } else { serde_json::json!(id) };
            let value = serde_json::json!({"Type": id, "Action": action, "Actor": actor, "id": id, "timeNano": time});
            if let Some(parsed) = parsed(&value.to_string()) {
                prop_assert_eq!(parsed.event.data.text(), value.to_string());
            }
        }
    }
}
