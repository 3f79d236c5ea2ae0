//! Forms: `a=1&b=2` as an object of texts, or the JSON that one field of them carries.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use serde_json::{Map, Value};

use super::{Unreadable, malformed};
use crate::event::Body;

/// GitHub and Slack put their JSON into a field of this name.
const PAYLOAD: &str = "payload";
/// Nobody fills in more.
const MOST_FIELDS: usize = 1000;

pub(super) fn body(bytes: &[u8]) -> Result<Body, Unreadable> {
    // What curl sends with `-d` alone. A form has its brackets escaped, so this is none.
    if matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
        let said =
            "this looks like JSON, but its content type says that it is a form: send `Content-Type: application/json`";
        return Err(Unreadable::ContentType(said.to_owned()));
    }
    let fields = fields(bytes)?;
    if let Some(Value::String(payload)) = fields.get(PAYLOAD)
        && payload.trim_start().starts_with(['{', '['])
    {
        return Body::parse(payload.as_str()).map_err(|error| malformed(&format!("in the field `{PAYLOAD}`: {error}")));
    }
    Ok(Body::from_value(&Value::Object(fields)))
}

/// A name that comes again makes a list of its values.
fn fields(bytes: &[u8]) -> Result<Map<String, Value>, Unreadable> {
    let mut fields = Map::new();
    let pairs = bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    for (count, pair) in pairs.enumerate() {
        if count == MOST_FIELDS {
            return Err(Unreadable::TooMuch(format!("the form has more than {MOST_FIELDS} fields")));
        }
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let mut half = || {
            let half = halves.next().unwrap_or_default();
            let spaced: Vec<u8> = half.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
            let plain = percent_decode(&spaced).decode_utf8();
            plain.map(Cow::into_owned).map_err(|_| malformed("the form is not in UTF-8"))
        };
        let (name, value) = (half()?, Value::from(half()?));
        match fields.get_mut(&name) {
            None => drop(fields.insert(name, value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    if fields.is_empty() { Err(malformed("the form is empty")) } else { Ok(fields) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: &str) -> String {
        body(form.as_bytes()).expect("a form").text().to_owned()
    }

    #[test]
    fn fields_become_an_object() {
        assert_eq!(read("a=1&b=x+y%26z&c&a=2&a=3&=e&"), r#"{"":"e","a":["1","2","3"],"b":"x y&z","c":""}"#);
        assert_eq!(read("%C3%A9=%E2%82%AC"), r#"{"é":"€"}"#);
    }

    #[test]
    fn json_in_the_field_payload_is_the_body_as_it_came() {
        assert_eq!(read("payload=%7B%22b%22%3A+1.50%2C%22a%22:2}&x=1"), r#"{"b": 1.50,"a":2}"#);
        assert_eq!(read("payload=none"), r#"{"payload":"none"}"#);
        assert_eq!(read("payload=%7B%7D&payload=%7B%7D"), r#"{"payload":["{}","{}"]}"#);
        assert!(
            matches!(body(b"payload=%7B"), Err(Unreadable::Malformed(said)) if said.starts_with("in the field `payload`"))
        );
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for bad in ["", "&&", "a=%FF"] {
            assert!(matches!(body(bad.as_bytes()), Err(Unreadable::Malformed(_))), "{bad}");
        }
        assert!(matches!(body(br#"{"a":1}"#), Err(Unreadable::ContentType(_))));
        assert!(matches!(body("a&".repeat(MOST_FIELDS + 1).as_bytes()), Err(Unreadable::TooMuch(_))));
        assert!(body("a&".repeat(MOST_FIELDS).as_bytes()).is_ok());
    }
}
