//! The body of a request, as its content type says: JSON or a form.
//!
//! The input is untrusted, even if its sender is verified.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;

use super::form;
use super::unreadable::Unreadable;
use crate::event::Body;

/// The format of a body, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    Json,
    Form,
    CloudEvent,
    CloudEventBatch,
}

impl Media {
    /// A body without a content type is taken for JSON.
    pub fn of(headers: &HeaderMap) -> Result<Self, Unreadable> {
        let Some(content_type) = headers.get(CONTENT_TYPE) else { return Ok(Self::Json) };
        let content_type = String::from_utf8_lossy(content_type.as_bytes());
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "" | "application/json" | "text/json" => Ok(Self::Json),
            "application/x-www-form-urlencoded" => Ok(Self::Form),
            "application/cloudevents" | "application/cloudevents+json" => Ok(Self::CloudEvent),
            "application/cloudevents-batch" | "application/cloudevents-batch+json" => Ok(Self::CloudEventBatch),
            other if other.ends_with("+json") => Ok(Self::Json),
            other => {
                let other: String = other.chars().take(100).collect();
                Err(Unreadable::ContentType(format!("the content type must be JSON or a form, not `{other}`")))
            }
        }
    }
}

/// The body of a request that is JSON or a form.
pub(super) fn body(headers: &HeaderMap, bytes: &[u8]) -> Result<Body, Unreadable> {
    match Media::of(headers)? {
        Media::Form => form::body(bytes),
        Media::Json | Media::CloudEvent | Media::CloudEventBatch => json(bytes),
    }
}

pub fn json(bytes: &[u8]) -> Result<Body, Unreadable> {
    Body::parse(json_text(bytes)?).map_err(|error| Unreadable::malformed(error.to_string()))
}

/// The text of a JSON body, not parsed yet.
pub(super) fn json_text(bytes: &[u8]) -> Result<&str, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|error| Unreadable::malformed(format!("not JSON: {error}")))?;
    // Some senders begin with a byte order mark, which JSON does not allow.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The text at a JSON pointer (`/contents/tag`), trimmed; None where there is none or it is empty.
pub fn text_at<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    fn headers(content_type: &str) -> HeaderMap {
        let value = HeaderValue::try_from(content_type).expect("a value");
        HeaderMap::from_iter([(CONTENT_TYPE, value)])
    }

    #[test]
    fn content_types_are_recognized_whatever_their_case_and_parameters() {
        for (content_type, media) in [
            ("application/json", Media::Json),
            ("Application/JSON; charset=utf-8", Media::Json),
            ("application/vnd.docker.distribution.events.v1+json", Media::Json),
            ("text/json", Media::Json),
            ("application/x-www-form-urlencoded ;charset=x", Media::Form),
            ("application/cloudevents+json; charset=UTF-8", Media::CloudEvent),
            ("APPLICATION/CLOUDEVENTS-BATCH+JSON", Media::CloudEventBatch),
        ] {
            assert_eq!(Media::of(&headers(content_type)), Ok(media), "{content_type}");
        }
        assert_eq!(Media::of(&HeaderMap::new()), Ok(Media::Json));
        for other in [
            "text/plain",
            "application/xml",
            "application/cloudevents+avro",
            "multipart/form-data; boundary=x",
            "json",
            "é",
        ] {
            assert!(matches!(Media::of(&headers(other)), Err(Unreadable::ContentType(_))), "{other}");
        }
    }

    #[test]
    fn invalid_json_is_refused_with_the_reason() {
        assert_eq!(json(b"{\"a\": 1}").expect("JSON").text(), "{\"a\": 1}");
        assert_eq!(json("\u{feff}[]".as_bytes()).expect("JSON").text(), "[]");
        for (bad, reason) in [
            (&b""[..], "not JSON: EOF while parsing a value at line 1 column 0"),
            (b"<xml>", "not JSON: expected value at line 1 column 1"),
            (b"{\"a\": \xff}", "not JSON: invalid utf-8 sequence of 1 bytes from index 6"),
        ] {
            assert_eq!(json(bad).expect_err("no JSON"), Unreadable::malformed(reason));
        }
        assert!(json("[".repeat(100_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_body_causes_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), content_type in "[ -~]{0,40}") {
            for headers in [HeaderMap::new(), headers("application/x-www-form-urlencoded"), headers(&content_type)] {
                if let Ok(body) = body(&headers, &bytes) {
                    prop_assert!(serde_json::from_str::<serde_json::Value>(body.text()).is_ok());
                }
            }
        }
    }
}
