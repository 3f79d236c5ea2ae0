//! What is posted at the listener, read: JSON or a form, one thing or a list of them, a `CloudEvent` or a batch.
//!
//! Everything in here reads what strangers write. Nothing is believed about it, and every list has a limit.

pub(super) mod cloudevents;
mod form;
pub(super) mod split;

use reqwest::header::{CONTENT_TYPE, HeaderMap};

use crate::event::Body;

/// Why a request is no event: each sort has an answer of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// 400
    #[error("{0}")]
    Malformed(String),
    /// 413
    #[error("{0}")]
    TooMuch(String),
    /// 415
    #[error("{0}")]
    ContentType(String),
}

/// What the headers say that the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Form,
    CloudEvent,
    CloudEventBatch,
}

impl Media {
    /// Nothing said is taken for JSON.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Unreadable> {
        let Some(said) = headers.get(CONTENT_TYPE) else { return Ok(Self::Json) };
        let said = String::from_utf8_lossy(said.as_bytes());
        let essence = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "" | "application/json" | "text/json" => Ok(Self::Json),
            "application/x-www-form-urlencoded" => Ok(Self::Form),
            "application/cloudevents" | "application/cloudevents+json" => Ok(Self::CloudEvent),
            "application/cloudevents-batch" | "application/cloudevents-batch+json" => Ok(Self::CloudEventBatch),
            other if other.ends_with("+json") => Ok(Self::Json),
            other => {
                let other: String = other.chars().take(100).collect();
                Err(Unreadable::ContentType(format!("JSON or a form is taken here, not `{other}`")))
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

pub(super) fn json(bytes: &[u8]) -> Result<Body, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(&format!("not JSON: {error}")))?;
    // Some senders begin with a byte order mark, which JSON does not know.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Body::parse(text).map_err(|error| malformed(&error.to_string()))
}

fn malformed(what: &str) -> Unreadable {
    Unreadable::Malformed(what.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;

    use super::*;

    pub(super) fn headers(content_type: &str) -> HeaderMap {
        let value = HeaderValue::try_from(content_type).expect("a value");
        HeaderMap::from_iter([(CONTENT_TYPE, value)])
    }

    #[test]
    fn content_types_are_told_apart_whatever_their_case_and_parameters() {
        for (said, media) in [
            ("application/json", Media::Json),
            ("Application/JSON; charset=utf-8", Media::Json),
            ("application/vnd.docker.distribution.events.v1+json", Media::Json),
            ("text/json", Media::Json),
            ("application/x-www-form-urlencoded ;charset=x", Media::Form),
            ("application/cloudevents+json; charset=UTF-8", Media::CloudEvent),
            ("APPLICATION/CLOUDEVENTS-BATCH+JSON", Media::CloudEventBatch),
        ] {
            assert_eq!(Media::of(&headers(said)), Ok(media), "{said}");
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
    fn what_is_not_json_is_refused_with_the_reason() {
        assert_eq!(json(b"{\"a\": 1}").expect("JSON").text(), "{\"a\": 1}");
        assert_eq!(json("\u{feff}[]".as_bytes()).expect("JSON").text(), "[]");
        for (bad, reason) in [
            (&b""[..], "not JSON: EOF while parsing a value at line 1 column 0"),
            (b"<xml>", "not JSON: expected value at line 1 column 1"),
            (b"{\"a\": \xff}", "not JSON: invalid utf-8 sequence of 1 bytes from index 6"),
        ] {
            assert_eq!(json(bad).expect_err("no JSON"), malformed(reason));
        }
        assert!(json("[".repeat(100_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn no_body_breaks_the_reading(bytes in proptest::collection::vec(any::<u8>(), 0..200), said in "[ -~]{0,40}") {
            for headers in [HeaderMap::new(), headers("application/x-www-form-urlencoded"), headers(&said)] {
                if let Ok(body) = body(&headers, &bytes) {
                    prop_assert!(serde_json::from_str::<serde_json::Value>(body.text()).is_ok());
                }
            }
        }
    }
}
