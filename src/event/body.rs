//! The body of an event: its original JSON text, and the offsets of its top-level members.
//!
//! Most events match no relay, and for these a full parse would cost more than everything else. So a body is scanned
//! once, which validates it, and then only the members that a pattern names are read. [`Body::value`] parses the whole
//! tree at its first call.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// With more opening brackets a body is parsed at once: the scan does not count depth, and the full parse refuses more
/// than 128 levels.
const MOST_UNCHECKED_BRACKETS: usize = 100;

#[derive(Clone)]
pub struct Body {
    text: Box<str>,
    /// None where the text is not an object or has an escaped key: then the tree is used.
    members: Option<Vec<Member>>,
    tree: OnceLock<Arc<Value>>,
}

/// Byte offsets into the text. Frames and requests are capped far below 4 GiB.
#[derive(Clone, Copy)]
struct Member {
    key: (u32, u32),
    value: (u32, u32),
}

#[derive(Debug, thiserror::Error)]
#[error("not JSON: {0}")]
pub struct BodyError(#[from] serde_json::Error);

/// One step of a path into a body.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    Key(Box<str>),
    /// `[]`: any element of the list.
    Each,
}

/// `parents[]` or `vm.name` as steps. None where it is empty or has an empty name in it.
pub fn path(text: &str) -> Option<Box<[Step]>> {
    let mut steps = Vec::new();
    for part in text.split('.') {
        let name = part.trim_end_matches("[]");
        let lists = (part.len() - name.len()) / 2;
        if name.is_empty() || name.contains(['[', ']']) {
            return None;
        }
        steps.push(Step::Key(name.into()));
        steps.extend(std::iter::repeat_n(Step::Each, lists));
    }
    Some(steps.into())
}

/// The value at the end of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Picked<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    Bool(bool),
    Null,
    /// An object or a list, which exists but equals no pattern.
    Compound,
}

impl From<Value> for Body {
    fn from(value: Value) -> Self {
        Self { text: value.to_string().into(), members: None, tree: OnceLock::from(Arc::new(value)) }
    }
}

impl Body {
    /// Accepts any JSON text, except for one that is nested too deeply.
    pub fn parse(text: impl Into<Box<str>>) -> Result<Self, BodyError> {
        let text = text.into();
        let tree = OnceLock::new();
        let brackets = text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
        if brackets > MOST_UNCHECKED_BRACKETS {
            let value: Value = serde_json::from_str(&text)?;
            tree.get_or_init(|| Arc::new(value));
        }
        let members = if text.trim_start().starts_with('{') { members(&text)? } else { None };
        if members.is_none() && tree.get().is_none() {
            let value: Value = serde_json::from_str(&text)?;
            tree.get_or_init(|| Arc::new(value));
        }
        Ok(Self { text, members, tree })
    }

    pub fn from_value(value: &Value) -> Self {
        value.clone().into()
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The whole tree, parsed at the first call.
    pub fn value(&self) -> &Arc<Value> {
        // `parse` has validated the text, so this cannot fail.
        self.tree.get_or_init(|| Arc::new(serde_json::from_str(&self.text).unwrap_or_default()))
    }

    /// Calls `visit` for every value at `path`: none, one, or one for each element.
    pub fn pick<'a>(&'a self, path: &[Step], visit: &mut dyn FnMut(Picked<'a>)) {
        if let (Some(members), [Step::Key(key)]) = (&self.members, path) {
            if let Some(raw) = self.member(members, key) {
                visit(picked_from_text(raw));
            }
            return;
        }
        walk(self.value(), path, visit);
    }

    /// The one text or number at `path`, as a template would print it; None for anything else.
    pub fn plain<'a>(&'a self, path: &[Step]) -> Option<Cow<'a, str>> {
        let mut found = None;
        if let (Some(members), [Step::Key(key)]) = (&self.members, path) {
            let raw = self.member(members, key)?;
            return match picked_from_text(raw) {
                Picked::Text(text) => Some(text),
                Picked::Number(_) if raw.bytes().all(|byte| byte.is_ascii_digit()) => Some(Cow::Borrowed(raw)),
                _ => None,
            };
        }
        walk(self.value(), path, &mut |picked| {
            if let Picked::Text(text) = picked {
                found = Some(text);
            }
        });
        found
    }

    /// The text of a member. Of repeated keys the last counts, as in the tree.
    fn member(&self, members: &[Member], key: &str) -> Option<&str> {
        members.iter().rev().find(|member| self.slice(member.key) == key).map(|member| self.slice(member.value))
    }

    fn slice(&self, (start, end): (u32, u32)) -> &str {
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn members(text: &str) -> Result<Option<Vec<Member>>, BodyError> {
    struct Scan<'t>(&'t str);
    impl<'t> Visitor<'t> for Scan<'t> {
        type Value = Option<Vec<Member>>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::with_capacity(8);
            let mut plain = true;
            while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                let key = key.get();
                // Only the tree finds an escaped key.
                plain &= !key.contains('\\');
                let (key, value) = (offsets(self.0, key), offsets(self.0, value.get()));
                members.push(Member { key: (key.0 + 1, key.1.saturating_sub(1)), value });
            }
            Ok(plain.then_some(members))
        }
    }
    let mut parser = serde_json::Deserializer::from_str(text);
    let members = parser.deserialize_map(Scan(text))?;
    parser.end()?;
    Ok(members)
}

/// The offsets of `part`, which is a slice of `whole`.
fn offsets(whole: &str, part: &str) -> (u32, u32) {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    let end = start + part.len();
    (u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(end).unwrap_or(u32::MAX))
}

fn picked_from_text(raw: &str) -> Picked<'_> {
    match raw.as_bytes().first() {
        Some(b'"') if !raw.contains('\\') => Picked::Text(Cow::Borrowed(raw.get(1..raw.len() - 1).unwrap_or_default())),
        Some(b'"') => Picked::Text(Cow::Owned(serde_json::from_str(raw).unwrap_or_default())),
        Some(b'{' | b'[') => Picked::Compound,
        Some(b't') => Picked::Bool(true),
        Some(b'f') => Picked::Bool(false),
        Some(b'n') | None => Picked::Null,
        _ => Picked::Number(raw.parse().unwrap_or(f64::NAN)),
    }
}

fn walk<'a>(value: &'a Value, path: &[Step], visit: &mut dyn FnMut(Picked<'a>)) {
    match path.split_first() {
        None => visit(picked(value)),
        Some((Step::Key(key), rest)) => {
            if let Some(member) = value.get(&**key) {
                walk(member, rest, visit);
            }
        }
        Some((Step::Each, rest)) => {
            for element in value.as_array().into_iter().flatten() {
                walk(element, rest, visit);
            }
        }
    }
}

fn picked(value: &Value) -> Picked<'_> {
    match value {
        Value::String(text) => Picked::Text(Cow::Borrowed(text)),
        Value::Number(number) => Picked::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::Bool(truth) => Picked::Bool(*truth),
        Value::Null => Picked::Null,
        Value::Array(_) | Value::Object(_) => Picked::Compound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(body: &str, at: &str) -> Vec<Picked<'static>> {
        let body: &'static Body = Box::leak(Box::new(Body::parse(body).expect("JSON")));
        let mut found = Vec::new();
        body.pick(&path(at).expect("a path"), &mut |picked| found.push(picked));
        found
    }

    fn text(text: &str) -> Picked<'static> {
        Picked::Text(text.to_owned().into())
    }

    #[test]
    fn members_are_read_without_the_tree() {
        let body = Body::parse(r#" {"type":"service","n": 3 ,"x":{"y":[1]},"s":"a\nb"} "#).expect("JSON");
        assert_eq!(body.plain(&path("type").expect("path")).as_deref(), Some("service"));
        assert_eq!(body.plain(&path("n").expect("path")).as_deref(), Some("3"));
        assert_eq!(body.plain(&path("s").expect("path")).as_deref(), Some("a\nb"));
        assert_eq!(body.plain(&path("x").expect("path")), None);
        assert!(body.tree.get().is_none(), "nothing above needed the tree");
    }

    #[test]
    fn paths_go_into_objects_and_lists() {
        let json = r#"{"parents":["/a/","/b/"],"vm":{"name":"web","up":true},"no":null}"#;
        assert_eq!(all(json, "parents[]"), [text("/a/"), text("/b/")]);
        assert_eq!(all(json, "vm.name"), [text("web")]);
        assert_eq!(all(json, "vm.up"), [Picked::Bool(true)]);
        assert_eq!(all(json, "vm"), [Picked::Compound]);
        assert_eq!(all(json, "no"), [Picked::Null]);
        assert_eq!(all(json, "nowhere.at.all"), []);
    }

    #[test]
    fn escaped_and_repeated_keys_are_read_as_in_the_tree() {
        assert_eq!(all(r#"{"\u0061":1}"#, "a"), [Picked::Number(1.0)]);
        assert_eq!(all(r#"{"a":1,"a":2}"#, "a"), [Picked::Number(2.0)]);
        assert_eq!(all("[1]", "a"), []);
    }

    #[test]
    fn other_text_and_deep_nesting_are_refused() {
        for bad in ["", "{", "{} x", "nope", r#"{"a":}"#, "\u{feff}{}"] {
            assert!(Body::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Body::parse("[".repeat(200_000)).is_err());
        assert!(Body::parse(format!("{}{}", "{\"a\":".repeat(5000), "}".repeat(5000))).is_err());
    }

    #[test]
    fn invalid_paths_are_refused() {
        for bad in ["", ".", "a..b", "[]", "a[0]", "a[]b"] {
            assert!(path(bad).is_none(), "{bad}");
        }
        assert_eq!(path("a[][]").map(|p| p.len()), Some(3));
    }
}
