//! What one object of the Engine's stream means, as it speaks today and as it did ten years ago.

use jiff::Timestamp;
use serde_json::Value;

use crate::event::{Body, Event, digest};
use crate::ingress::{Arrived, Known};

/// A container's id in full. People know its first twelve.
const WHOLE_ID: usize = 64;
const SHORT_ID: usize = 12;
/// What was done to images, when no word said what it was done to.
const TO_IMAGES: [&str; 8] = ["delete", "import", "load", "pull", "push", "save", "tag", "untag"];

/// An event, and what its place in the Engine's history is known by.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) event: Event,
    pub(super) id: String,
    /// Nanoseconds since 1970, by the Engine's clock.
    pub(super) at: i64,
}

/// None where the object is no event.
pub(super) fn read(body: Body, arrived: Arrived) -> Option<Told> {
    let value = body.value();
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let action = text("/Action").or_else(|| text("/status"))?;
    // `exec_create: sh -c …`, `health_status: unhealthy`: what stands behind the colon is for people.
    let verb = action.split(':').next().unwrap_or(action).trim();
    let noun = text("/Type").unwrap_or(if TO_IMAGES.contains(&verb) { "image" } else { "container" });
    let actor = text("/Actor/ID").or_else(|| text("/id")).unwrap_or_default();
    let at = nanoseconds(value).unwrap_or_else(|| i64::try_from(arrived.at.as_nanosecond()).unwrap_or(i64::MAX));
    let id = digest(&[&at.to_string(), noun, action, actor]);
    let subject = text("/Actor/Attributes/name").map_or_else(|| short(actor), str::to_owned);
    let known = Known {
        r#type: Some(format!("{noun}.{verb}").to_lowercase()),
        id: Some(id.clone()),
        subject: Some(subject),
        time: Timestamp::from_nanosecond(at.into()).ok(),
    };
    Some(Told { event: known.event(body, arrived), id, at })
}

fn nanoseconds(value: &Value) -> Option<i64> {
    let whole = |name: &str| value.get(name).and_then(Value::as_i64).filter(|number| *number > 0);
    whole("timeNano").or_else(|| whole("time")?.checked_mul(1_000_000_000))
}

fn short(id: &str) -> String {
    let bare = id.strip_prefix("sha256:").unwrap_or(id);
    let is_whole = bare.len() == WHOLE_ID && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_whole { bare.get(..SHORT_ID).unwrap_or(bare).to_owned() } else { id.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{EventId, Name};

    fn told(text: &str) -> Option<Told> {
        let (source, kind) = (Name::from("host"), Name::from("docker"));
        let arrived = Arrived { source: &source, kind: &kind, at: Timestamp::UNIX_EPOCH };
        read(Body::parse(text).expect("JSON"), arrived)
    }

    fn gist(text: &str) -> (String, String) {
        let event = told(text).expect(text).event;
        (event.r#type.into(), event.subject.into())
    }

    fn pair(r#type: &str, subject: &str) -> (String, String) {
        (r#type.to_owned(), subject.to_owned())
    }

    #[test]
    fn todays_events_and_those_of_ten_years_ago_read_the_same() {
        let id = "4386fb97867d1c2e3b1cd6b1ce1ffae8f8ba28a5c4e0e1d7b0d4b2e3f5a6b7c8";
        let today = format!(
            r#"{{"status":"die","id":"{id}","from":"alpine","Type":"container","Action":"die","Actor":{{"ID":"{id}","Attributes":{{"exitCode":"137","image":"alpine","name":"web"}}}},"scope":"local","time":1461943105,"timeNano":1461943105338056026}}"#
        );
        let event = told(&today).expect("an event").event;
        assert_eq!((&*event.r#type, &*event.subject), ("container.die", "web"));
        assert_eq!(event.time.to_string(), "2016-04-29T15:18:25.338056026Z");
        assert_eq!(event.data.text(), today);
        let then = format!(r#"{{"status":"die","id":"{id}","from":"alpine","time":1461943105}}"#);
        assert_eq!(gist(&then), pair("container.die", "4386fb97867d"));
        assert_eq!(told(&then).expect("an event").at, 1_461_943_105_000_000_000);
        assert_eq!(gist(r#"{"status":"pull","id":"busybox:latest","time":1}"#), pair("image.pull", "busybox:latest"));
    }

    #[test]
    fn what_stands_behind_the_colon_is_no_type() {
        let about = |action: &str| gist(&format!(r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"x"}}}}"#));
        assert_eq!(about("exec_create: sh -c 'a: b'"), pair("container.exec_create", "x"));
        assert_eq!(about("health_status: unhealthy"), pair("container.health_status", "x"));
        assert_eq!(gist(r#"{"Type":"Network","Action":"Connect"}"#), pair("network.connect", ""));
    }

    #[test]
    fn one_event_has_one_id_and_another_one_has_another() {
        let of = |nano: &str, action: &str, id: &str| {
            let text =
                format!(r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"{id}"}},"timeNano":{nano}}}"#);
            told(&text).expect("an event").event.id
        };
        let first = of("17", "die", "a");
        assert!(matches!(&first, EventId::Given(id) if id.len() == 32));
        assert_eq!(first, of("17", "die", "a"));
        for other in [of("18", "die", "a"), of("17", "kill", "a"), of("17", "die", "b")] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn what_is_no_event_is_told_from_what_is() {
        for text in ["{}", r#"{"message":"no"}"#, r#"{"Action":1}"#, r#"{"Action":""}"#, r#"{"Type":"container"}"#] {
            assert!(told(text).is_none(), "{text}");
        }
        assert_eq!(gist(r#"{"Action":"x","Actor":7,"time":-3,"timeNano":1e300}"#), pair("container.x", ""));
        assert_eq!(gist(r#"{"Action":"x","time":9223372036854775807}"#), pair("container.x", ""));
    }

    proptest! {
        #[test]
        fn no_object_breaks_the_reading(action in "\\PC{0,20}", id in "\\PC{0,80}", time in any::<i64>(), deep in any::<bool>()) {
            let actor = if deep { serde_json::json!({"ID": id, "Attributes": {"name": action}}) } else { serde_json::json!(id) };
            let value = serde_json::json!({"Type": id, "Action": action, "Actor": actor, "id": id, "timeNano": time});
            if let Some(told) = told(&value.to_string()) {
                prop_assert_eq!(told.event.data.text(), value.to_string());
            }
        }
    }
}
