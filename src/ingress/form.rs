//! Forms: `a=1&b=2` as an object of texts, or the JSON that one field holds.

use percent_encoding::percent_decode;
use serde_json::{Map, Value};

use super::unreadable::Unreadable;
use crate::event::Body;

/// GitHub and Slack put their JSON into a field of this name.
const PAYLOAD: &str = "payload";
const MAX_FIELDS: usize = 1000;

pub(super) fn body(bytes: &[u8]) -> Result<Body, Unreadable> {
    // What `curl -d` sends. In a form the brackets would be escaped.
    if matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
        let why = "the content type is a form, but the body looks like JSON: send `Content-Type: application/json`";
        return Err(Unreadable::ContentType(why.to_owned()));
    }
    let fields = fields(bytes)?;
    if let Some(Value::String(payload)) = fields.get(PAYLOAD)
        && payload.trim_start().starts_with(['{', '['])
    {
        let malformed = |error| Unreadable::malformed(format!("in the field `{PAYLOAD}`: {error}"));
        return Body::parse(payload.as_str()).map_err(malformed);
    }
    Ok(Value::Object(fields).into())
}

/// The values of a name that occurs again become a list.
fn fields(bytes: &[u8]) -> Result<Map<String, Value>, Unreadable> {
    // The parser below would replace invalid characters.
    percent_decode(bytes).decode_utf8().map_err(|_| Unreadable::malformed("the form is not UTF-8"))?;
    let mut fields = Map::new();
    for (count, (name, value)) in form_urlencoded::parse(bytes).enumerate() {
        if count == MAX_FIELDS {
            return Err(Unreadable::TooLarge(format!("the form has more than {MAX_FIELDS} fields")));
        }
        let value = Value::from(value.into_owned());
        match fields.get_mut(&*name) {
            None => drop(fields.insert(name.into_owned(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    if fields.is_empty() { Err(Unreadable::malformed("the form is empty")) } else { Ok(fields) }
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
    fn json_in_the_field_payload_becomes_the_body_unchanged() {
        assert_eq!(read("payload=%7B%22b%22%3A+1.50%2C%22a%22:2}&x=1"), r#"{"b": 1.50,"a":2}"#);
        assert_eq!(read("payload=none"), r#"{"payload":"none"}"#);
        assert_eq!(read("payload=%7B%7D&payload=%7B%7D"), r#"{"payload":["{}","{}"]}"#);
        assert!(
            matches!(body(b"payload=%7B"), Err(Unreadable::Malformed(why)) if why.starts_with("in the field `payload`"))
        );
    }

    #[test]
    fn invalid_forms_are_refused() {
        for bad in ["", "&&", "a=%FF"] {
            assert!(matches!(body(bad.as_bytes()), Err(Unreadable::Malformed(_))), "{bad}");
        }
        assert!(matches!(body(br#"{"a":1}"#), Err(Unreadable::ContentType(_))));
        assert!(matches!(body("a&".repeat(MAX_FIELDS + 1).as_bytes()), Err(Unreadable::TooLarge(_))));
        assert!(body("a&".repeat(MAX_FIELDS).as_bytes()).is_ok());
    }
}
