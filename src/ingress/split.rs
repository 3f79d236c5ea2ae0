//! `split`: one event for each element of a list inside the body, with the element's text unchanged.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::unreadable::Unreadable;
use crate::config_reader::{Problem, TableReader};
use crate::event::{Body, Step, path};

/// All events of one request are committed together; more would delay the other sources.
pub const MAX_ELEMENTS: usize = 10_000;

/// The path to the list. Without names the body itself is the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    path: String,
    names: Vec<Box<str>>,
}

impl Split {
    /// A leading `data` means the body, as in `match`; it may be left out.
    pub fn read(table: &TableReader) -> Option<Self> {
        Self::read_key(table, "split")
    }

    /// As [`Self::read`], from another key.
    pub fn read_key(table: &TableReader, key: &'static str) -> Option<Self> {
        let written = table.text(key)?;
        let inside = written.value.strip_prefix("data.").unwrap_or(&written.value);
        let steps = if written.value == "data" { Some(Box::default()) } else { path(inside) };
        let names = steps.and_then(|steps| {
            let names = steps.iter().map(|step| match step {
                Step::Key(name) => Some(name.clone()),
                Step::Each => None,
            });
            names.collect()
        });
        if names.is_none() {
            let wrong = format!("`{}` is no path{}", written.value, if key == "next" { "" } else { " to a list" });
            let hint = format!("names with dots between them, like {key} = \"data.alerts\"");
            table.reader.problem(Problem::error(written.span, wrong).hint(hint));
        }
        Some(Self { path: written.value, names: names? })
    }

    pub fn at(names: &[&str]) -> Self {
        Self { path: names.join("."), names: names.iter().map(|name| (*name).into()).collect() }
    }

    /// The value at the path, list or not.
    pub fn member<'b>(&self, body: &'b Body) -> Option<&'b Value> {
        self.names.iter().try_fold(&**body.value(), |here, name| here.get(&**name))
    }

    pub fn elements(&self, body: &Body) -> Result<Vec<Body>, Unreadable> {
        let malformed = |error: &dyn fmt::Display| Unreadable::malformed(error.to_string());
        let no_list = || Unreadable::malformed(format!("`{}` is missing or is not a list", self.path));
        let mut text = body.text();
        for name in &self.names {
            let members: HashMap<Cow<str>, &RawValue> = serde_json::from_str(text).map_err(|_| no_list())?;
            text = members.get(&**name).ok_or_else(no_list)?.get();
        }
        if !text.trim_start().starts_with('[') {
            return Err(no_list());
        }
        let elements = list(text).map_err(|error| malformed(&error))?.ok_or_else(|| {
            let why = format!("`{}` has more than {MAX_ELEMENTS} elements, send them in parts", self.path);
            Unreadable::TooLarge(why)
        })?;
        elements.into_iter().map(|text| Body::parse(text).map_err(|error| malformed(&error))).collect()
    }
}

/// The texts of a JSON list's elements. None if there are too many.
pub fn list(text: &str) -> Result<Option<Vec<&str>>, serde_json::Error> {
    struct Elements;
    impl<'t> Visitor<'t> for Elements {
        type Value = Option<Vec<&'t str>>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'t>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            let mut too_many = false;
            while let Some(element) = list.next_element::<&RawValue>()? {
                too_many |= elements.len() == MAX_ELEMENTS;
                if !too_many {
                    elements.push(element.get());
                }
            }
            Ok((!too_many).then_some(elements))
        }
    }
    let mut parser = serde_json::Deserializer::from_str(text);
    let elements = parser.deserialize_seq(Elements)?;
    parser.end()?;
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config_reader::ConfigReader;

    fn read(path: &str) -> (Option<Split>, Vec<String>) {
        let text = format!("split = \"{path}\"");
        let reading = ConfigReader::new(&text, &|_| None);
        let tree = reading.tree();
        let split = Split::read(&TableReader::new(&reading, "source.webhook", &tree));
        (split, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
    }

    fn elements(path: &str, body: &str) -> Result<Vec<String>, Unreadable> {
        let split = read(path).0.expect("a path");
        let elements = split.elements(&Body::parse(body).expect("JSON"))?;
        Ok(elements.iter().map(|element| element.text().to_owned()).collect())
    }

    #[test]
    fn elements_are_found_and_their_text_is_unchanged() {
        let body =
            r#"{"alerts": [ {"b": 1.50, "a" :[]}, 2 , "x"], "data": {"alerts": ["inner"]}, "\u0065vents": [true]}"#;
        assert_eq!(
            elements("data.alerts", body),
            Ok(vec![r#"{"b": 1.50, "a" :[]}"#.into(), "2".into(), "\"x\"".into()])
        );
        assert_eq!(elements("alerts", body), elements("data.alerts", body));
        assert_eq!(elements("data.data.alerts", body), Ok(vec!["\"inner\"".to_owned()]));
        assert_eq!(elements("events", body), Ok(vec!["true".to_owned()]));
        assert_eq!(elements("data", " [1,2]"), Ok(vec!["1".to_owned(), "2".to_owned()]));
        assert_eq!(elements("database", r#"{"database":[]}"#), Ok(vec![]));
        assert_eq!(
            elements("alerts", r#"{"alerts":[1],"alerts":[2]}"#),
            Ok(vec!["2".to_owned()]),
            "the last one counts"
        );
    }

    #[test]
    fn a_missing_list_is_reported() {
        for body in ["{}", r#"{"alerts":{}}"#, r#"{"alerts":null}"#, "[]", "3", "\"alerts\""] {
            let refused = elements("alerts", body).expect_err(body);
            assert_eq!(refused, Unreadable::malformed("`alerts` is missing or is not a list"), "{body}");
        }
        let many = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert_eq!(elements("data", &many(MAX_ELEMENTS)).map(|all| all.len()), Ok(MAX_ELEMENTS));
        assert!(matches!(elements("data", &many(MAX_ELEMENTS + 1)), Err(Unreadable::TooLarge(_))));
    }

    #[test]
    fn invalid_paths_are_refused() {
        for bad in ["", ".", "data.", "a..b", "alerts[]", "data.alerts[].x"] {
            assert_eq!(read(bad).1, [format!("`{bad}` is no path to a list")]);
        }
        assert_eq!(read("data.a.b").0, Some(Split { path: "data.a.b".into(), names: vec!["a".into(), "b".into()] }));
    }

    proptest! {
        #[test]
        fn no_body_causes_a_panic(body in "[\\[\\]{}\":, a-c0-9\\\\u]{0,60}") {
            if let Ok(body) = Body::parse(body) {
                for split in [Split::at(&[]), Split::at(&["a"]), Split::at(&["a", "b"])] {
                    for element in split.elements(&body).unwrap_or_default() {
                        prop_assert!(serde_json::from_str::<serde_json::Value>(element.text()).is_ok());
                    }
                }
            }
        }
    }
}
