//! `split`: one event of each element of a list inside the body, each as it was written.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Unreadable, malformed};
use crate::config_reader::{Problem, TableReader};
use crate::event::{Body, Step, path};

/// All elements of one delivery are committed together; more than this would hold up everybody else.
pub(in crate::sources) const MOST_ELEMENTS: usize = 10_000;

/// Where the list is. No steps: the body itself is the list.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sources) struct Split {
    said: String,
    names: Vec<Box<str>>,
}

impl Split {
    /// `data` at the beginning is the body, as in `match`; it may be left out.
    pub(in crate::sources) fn read(table: &TableReader) -> Option<Self> {
        Self::read_key(table, "split")
    }

    /// The same by another name.
    pub(in crate::sources) fn read_key(table: &TableReader, key: &'static str) -> Option<Self> {
        let said = table.text(key)?;
        let inside = said.value.strip_prefix("data.").unwrap_or(&said.value);
        let steps = if said.value == "data" { Some(Box::default()) } else { path(inside) };
        let names = steps.and_then(|steps| {
            let names = steps.iter().map(|step| match step {
                Step::Key(name) => Some(name.clone()),
                Step::Each => None,
            });
            names.collect()
        });
        if names.is_none() {
            let wrong = format!("`{}` is no path{}", said.value, if key == "next" { "" } else { " to a list" });
            let hint = format!("names with dots between them, like {key} = \"data.alerts\"");
            table.reading.problem(Problem::error(said.span, wrong).hint(hint));
        }
        Some(Self { said: said.value, names: names? })
    }

    /// The way by names alone.
    pub(in crate::sources) fn at(names: &[&str]) -> Self {
        Self { said: names.join("."), names: names.iter().map(|name| (*name).into()).collect() }
    }

    /// What lies there, whatever it is.
    pub(in crate::sources) fn member<'b>(&self, body: &'b Body) -> Option<&'b Value> {
        self.names.iter().try_fold(&**body.value(), |here, name| here.get(&**name))
    }

    pub(in crate::sources) fn elements(&self, body: &Body) -> Result<Vec<Body>, Unreadable> {
        let no_list = || malformed(&format!("`{}` is not there or is not a list", self.said));
        let mut here: Cow<str> = Cow::Borrowed(body.text());
        for name in &self.names {
            let members: HashMap<Cow<str>, &RawValue> = serde_json::from_str(&here).map_err(|_| no_list())?;
            let member = members.get(&**name).ok_or_else(no_list)?.get().to_owned();
            here = Cow::Owned(member);
        }
        if !here.trim_start().starts_with('[') {
            return Err(no_list());
        }
        let elements = list(&here).map_err(|error| malformed(&error.to_string()))?;
        let elements = elements.ok_or_else(|| {
            let said = format!("`{}` has more than {MOST_ELEMENTS} elements, send them in parts", self.said);
            Unreadable::TooMuch(said)
        })?;
        elements.into_iter().map(|text| Body::parse(text).map_err(|error| malformed(&error.to_string()))).collect()
    }
}

/// The elements of a JSON list, as they were written. None where there are too many.
pub(in crate::sources) fn list(text: &str) -> Result<Option<Vec<&str>>, serde_json::Error> {
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
                too_many |= elements.len() == MOST_ELEMENTS;
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

    fn read(said: &str) -> (Option<Split>, Vec<String>) {
        let text = format!("split = \"{said}\"");
        let reading = ConfigReader::new(&text, &|_| None);
        let tree = reading.tree();
        let split = Split::read(&TableReader::new(&reading, "source.webhook", &tree));
        (split, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
    }

    fn elements(said: &str, body: &str) -> Result<Vec<String>, Unreadable> {
        let split = read(said).0.expect("right");
        let elements = split.elements(&Body::parse(body).expect("JSON"))?;
        Ok(elements.iter().map(|element| element.text().to_owned()).collect())
    }

    #[test]
    fn elements_are_found_and_stay_as_they_were_written() {
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
    fn what_is_no_list_is_said() {
        for body in ["{}", r#"{"alerts":{}}"#, r#"{"alerts":null}"#, "[]", "3", "\"alerts\""] {
            let refused = elements("alerts", body).expect_err(body);
            assert_eq!(refused, malformed("`alerts` is not there or is not a list"), "{body}");
        }
        let many = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert_eq!(elements("data", &many(MOST_ELEMENTS)).map(|all| all.len()), Ok(MOST_ELEMENTS));
        assert!(matches!(elements("data", &many(MOST_ELEMENTS + 1)), Err(Unreadable::TooMuch(_))));
    }

    #[test]
    fn a_path_that_says_nothing_is_refused() {
        for bad in ["", ".", "data.", "a..b", "alerts[]", "data.alerts[].x"] {
            assert_eq!(read(bad).1, [format!("`{bad}` is no path to a list")]);
        }
        assert_eq!(read("data.a.b").0, Some(Split { said: "data.a.b".into(), names: vec!["a".into(), "b".into()] }));
    }

    proptest! {
        #[test]
        fn no_body_breaks_the_split(body in "[\\[\\]{}\":, a-c0-9\\\\u]{0,60}") {
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
