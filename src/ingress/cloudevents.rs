//! `CloudEvents` 1.0 over HTTP: structured, binary and batch.
//!
//! Type, id, subject and time come from the attributes. The event's `data` is the posted body, which in structured
//! mode holds the attributes too. <https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/http-protocol-binding.md>

use percent_encoding::percent_decode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::content::json_text;
use super::labels::{Known, parse_time};
use super::split::{MAX_ELEMENTS, list};
use super::unreadable::Unreadable;
use crate::event::Body;

const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];
/// What is read here has the same names in 0.3.
const VERSIONS: [&str; 2] = ["1.0", "0.3"];

/// Whether the attributes are in the headers, and the body is the data alone.
pub fn is_binary(headers: &HeaderMap) -> bool {
    REQUIRED.iter().all(|name| headers.contains_key(format!("ce-{name}")))
}

/// The attributes of a binary event.
pub fn binary(headers: &HeaderMap) -> Result<Known, Unreadable> {
    known(|name| {
        let Some(value) = headers.get(format!("ce-{name}")) else { return Ok(None) };
        let invalid = || Unreadable::malformed(format!("the header `ce-{name}` is not valid percent-encoded UTF-8"));
        Ok(Some(percent_decode(&unquoted(value.as_bytes())).decode_utf8().map_err(|_| invalid())?.into_owned()))
    })
}

/// A structured event: its whole envelope, and its attributes.
pub fn structured(body: Body) -> Result<(Body, Known), Unreadable> {
    let members = body.value().as_object().ok_or_else(|| Unreadable::malformed("a CloudEvent is a JSON object"))?;
    let known = known(|name| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Unreadable::malformed(format!("the attribute `{name}` of a CloudEvent is a string"))),
    })?;
    Ok((body, known))
}

/// A list of structured events. One invalid event makes the batch invalid, since a batch has one answer.
pub fn batch(bytes: &[u8]) -> Result<Vec<(Body, Known)>, Unreadable> {
    let elements = list(json_text(bytes)?).map_err(|error| {
        let no_list = "a batch of CloudEvents is a JSON list".to_owned();
        Unreadable::Malformed(if error.is_data() { no_list } else { format!("not JSON: {error}") })
    })?;
    let too_many = || Unreadable::TooLarge(format!("a batch may have {MAX_ELEMENTS} events, send them in parts"));
    let elements = elements.ok_or_else(too_many)?.into_iter().enumerate();
    let events = elements.map(|(at, text)| {
        let body = Body::parse(text).map_err(|error| Unreadable::malformed(error.to_string()));
        body.and_then(structured)
            .map_err(|refused| Unreadable::malformed(format!("event {at} of the batch: {refused}")))
    });
    events.collect()
}

fn known(attribute: impl Fn(&str) -> Result<Option<String>, Unreadable>) -> Result<Known, Unreadable> {
    let required = |name| {
        let value = attribute(name)?.filter(|value: &String| !value.is_empty());
        value.ok_or_else(|| Unreadable::malformed(format!("the CloudEvent has no `{name}`")))
    };
    let version = required("specversion")?;
    if !VERSIONS.contains(&version.as_str()) {
        return Err(Unreadable::malformed("this version of CloudEvents is not supported, 1.0 is"));
    }
    let (id, source) = (required("id")?, required("source")?);
    Ok(Known {
        r#type: Some(required("type")?),
        // An id is unique within its source, and many sources may post here. No URI holds a space.
        id: Some(format!("{source} {id}")),
        subject: attribute("subject")?,
        time: attribute("time")?.and_then(|time| parse_time(&time)),
    })
}

/// A quoted string of HTTP, without its quotes.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let Some(inside) = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return value.to_owned();
    };
    let mut escaped = false;
    let kept = inside.iter().filter(|byte| {
        escaped = **byte == b'\\' && !escaped;
        !escaped
    });
    kept.copied().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    const ENVELOPE: &str = r#"{"specversion":"1.0","id":"A234","source":"https://github.com/cloudevents","type":"com.github.pull_request.opened","subject":"123","time":"2018-04-05T17:31:00Z","datacontenttype":"text/xml","data":"<much wow=\"xml\"/>"}"#;

    fn read(text: &str) -> Result<Known, String> {
        structured(Body::parse(text).expect("JSON")).map(|(_, known)| known).map_err(|refused| refused.to_string())
    }

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let name = |name: &str| HeaderName::try_from(format!("ce-{name}")).expect("a name");
        fields.iter().map(|(key, value)| (name(key), HeaderValue::try_from(*value).expect("a value"))).collect()
    }

    fn the_example() -> Known {
        Known {
            r#type: Some("com.github.pull_request.opened".into()),
            id: Some("https://github.com/cloudevents A234".into()),
            subject: Some("123".into()),
            time: parse_time("2018-04-05T17:31:00Z"),
        }
    }

    #[test]
    fn the_same_event_is_read_in_every_mode() {
        assert_eq!(read(ENVELOPE), Ok(the_example()));
        let fields = [
            ("specversion", "1.0"),
            ("id", "A234"),
            ("source", "https://github.com/cloudevents"),
            ("type", "com.github.pull_request.opened"),
            ("subject", "\"1\\23\""),
            ("time", "2018-04-05T17:31:00Z"),
        ];
        let sent = headers(&fields);
        assert!(is_binary(&sent) && !is_binary(&headers(&fields[1..])));
        assert_eq!(binary(&sent), Ok(the_example()));
        let two = batch(format!("[{ENVELOPE}, {ENVELOPE}]").as_bytes()).expect("a batch");
        assert_eq!(
            two.iter().map(|(body, known)| (body.text(), known.clone())).collect::<Vec<_>>(),
            [(ENVELOPE, the_example()), (ENVELOPE, the_example())]
        );
        assert_eq!(batch(b"[]").map(|events| events.len()), Ok(0));
    }

    #[test]
    fn headers_are_decoded_once_and_must_be_utf_8() {
        let subject = |text: &str| {
            let fields = [("specversion", "1.0"), ("id", "1"), ("source", "/"), ("type", "t"), ("subject", text)];
            binary(&headers(&fields)).map(|known| known.subject)
        };
        assert_eq!(subject("Euro%20%E2%82%AC%20%F0%9F%98%80"), Ok(Some("Euro € 😀".into())));
        assert_eq!(subject("\"a \\\"b\\\" %25\""), Ok(Some("a \"b\" %".into())));
        assert_eq!(
            subject("%C0%A0"),
            Err(Unreadable::malformed("the header `ce-subject` is not valid percent-encoded UTF-8"))
        );
    }

    #[test]
    fn an_invalid_cloudevent_is_refused_with_the_reason() {
        for (from, to, error) in [
            ("\"id\":\"A234\"", "\"id\":\"\"", "the CloudEvent has no `id`"),
            ("\"id\":\"A234\"", "\"id\":null", "the CloudEvent has no `id`"),
            ("\"id\":\"A234\"", "\"id\":7", "the attribute `id` of a CloudEvent is a string"),
            ("\"type\":", "\"kind\":", "the CloudEvent has no `type`"),
            ("\"1.0\"", "\"2.0\"", "this version of CloudEvents is not supported, 1.0 is"),
        ] {
            assert_eq!(read(&ENVELOPE.replace(from, to)), Err(error.to_owned()));
        }
        assert_eq!(read("[]"), Err("a CloudEvent is a JSON object".into()));
        assert_eq!(read(&ENVELOPE.replace("2018-", "soon")).map(|known| known.time), Ok(None));
        let spoilt = batch(format!("[{ENVELOPE},{{}}]").as_bytes());
        assert_eq!(
            spoilt.err(),
            Some(Unreadable::malformed("event 1 of the batch: the CloudEvent has no `specversion`"))
        );
        assert_eq!(batch(b"{}").err(), Some(Unreadable::malformed("a batch of CloudEvents is a JSON list")));
        let many = format!("[{}0]", "0,".repeat(MAX_ELEMENTS));
        assert!(matches!(batch(many.as_bytes()), Err(Unreadable::TooLarge(_))));
    }

    proptest! {
        #[test]
        fn no_input_causes_a_panic(text in "[ -~]{0,60}", at in 0..ENVELOPE.len(), byte in any::<u8>()) {
            let fields = [("specversion", "1.0"), ("id", &text), ("source", "/"), ("type", &text), ("subject", &text)];
            drop(binary(&headers(&fields)));
            let mut spoilt = format!("[{ENVELOPE}]").into_bytes();
            spoilt[at] = byte;
            drop(batch(&spoilt));
            if let Ok(body) = super::super::content::json(&spoilt) {
                drop(structured(body));
            }
        }
    }
}
