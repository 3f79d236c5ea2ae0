//! The patterns of `match`, and how to evaluate one. `explain` uses this; the index gives the same results faster.

use std::fmt;

use regex::Regex;

use super::glob::Glob;
use super::ranges::Bound;
use crate::event::{Event, Picked, Step};

/// A field of an event, or what is at a path in its body.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum FieldPath {
    Type,
    Source,
    Kind,
    Subject,
    Id,
    Data(Box<[Step]>),
}

/// What the value at a path must match: any of these.
#[derive(Debug, Clone)]
pub(super) struct Pattern(pub(super) Vec<Test>);

/// All of this must hold, and all checks for the same element.
#[derive(Debug, Clone, Default)]
pub(super) struct Test {
    pub(super) exists: Option<bool>,
    pub(super) checks: Vec<Check>,
    /// No element may match this, but there must be an element.
    pub(super) not: Option<Pattern>,
}

#[derive(Debug, Clone)]
pub(super) enum Check {
    Text(Box<str>),
    Number(f64),
    Flag(bool),
    Glob(Glob),
    Prefix(Box<str>),
    Suffix(Box<str>),
    Regex(Regex),
    Bound(Bound, f64),
    /// Ignores case; the inner check is in lower case.
    Folded(Box<Check>),
}

impl FieldPath {
    /// Reading the envelope costs nothing, the top level of the body little, deeper levels a parse of the whole body.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Type | Self::Source | Self::Kind | Self::Subject => 0,
            Self::Id => 1,
            Self::Data(path) => 1 + path.len(),
        }
    }

    pub(super) fn pick<'e>(&self, event: &'e Event, visit: &mut dyn FnMut(Picked<'e>)) {
        let text: &str = match self {
            Self::Type => &event.r#type,
            Self::Source => &event.source,
            Self::Kind => &event.kind,
            Self::Subject => &event.subject,
            Self::Id => return visit(Picked::Text(event.id.to_string().into())),
            Self::Data(path) => return event.data.pick(path, visit),
        };
        visit(Picked::Text(text.into()));
    }

    pub(super) fn all<'e>(&self, event: &'e Event) -> Vec<Picked<'e>> {
        let mut values = Vec::new();
        self.pick(event, &mut |value| values.push(value));
        values
    }
}

impl Pattern {
    /// `values` is everything at the path: nothing, one value, or the elements of a list.
    pub(super) fn matches(&self, values: &[Picked]) -> bool {
        self.0.iter().any(|test| test.matches(values))
    }
}

impl Test {
    pub(super) fn of(check: Check) -> Self {
        Self { checks: vec![check], ..Self::default() }
    }

    fn matches(&self, values: &[Picked]) -> bool {
        if values.is_empty() {
            return self.exists == Some(false) && self.checks.is_empty() && self.not.is_none();
        }
        self.exists != Some(false)
            && (self.checks.is_empty() || values.iter().any(|value| self.checks.iter().all(|check| check.holds(value))))
            && self.not.as_ref().is_none_or(|not| !values.iter().any(|value| not.matches(std::slice::from_ref(value))))
    }
}

impl Check {
    #[expect(clippy::float_cmp, reason = "both sides are parsed from text, not computed")]
    pub(super) fn holds(&self, value: &Picked) -> bool {
        match (self, value) {
            (Self::Text(wanted), Picked::Text(text)) => **wanted == **text,
            (Self::Glob(glob), Picked::Text(text)) => glob.matches(text),
            (Self::Prefix(prefix), Picked::Text(text)) => text.starts_with(&**prefix),
            (Self::Suffix(suffix), Picked::Text(text)) => text.ends_with(&**suffix),
            (Self::Regex(regex), Picked::Text(text)) => regex.is_match(text),
            (Self::Folded(check), Picked::Text(text)) => check.holds(&Picked::Text(text.to_lowercase().into())),
            (Self::Number(wanted), Picked::Number(number)) => wanted == number,
            (Self::Bound(bound, limit), Picked::Number(number)) => bound.holds(*number, *limit),
            (Self::Flag(wanted), Picked::Bool(truth)) => wanted == truth,
            _ => false,
        }
    }

    pub(super) fn folded(self) -> Self {
        let lowered = match self {
            Self::Text(text) => Self::Text(text.to_lowercase().into()),
            Self::Prefix(text) => Self::Prefix(text.to_lowercase().into()),
            Self::Suffix(text) => Self::Suffix(text.to_lowercase().into()),
            Self::Glob(glob) => Self::Glob(glob.lowered()),
            other => return other,
        };
        Self::Folded(Box::new(lowered))
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Type => "type",
            Self::Source => "source",
            Self::Kind => "kind",
            Self::Subject => "subject",
            Self::Id => "id",
            Self::Data(path) => {
                f.write_str("data")?;
                for step in path {
                    match step {
                        Step::Key(key) => write!(f, ".{key}")?,
                        Step::Each => f.write_str("[]")?,
                    }
                }
                return Ok(());
            }
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tests: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&tests.join(" or "))
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self.checks.iter().map(ToString::to_string).collect();
        parts.extend(self.not.iter().map(|not| format!("not {not}")));
        parts.extend(self.exists.map(|exists| if exists { "anything" } else { "nothing" }.to_owned()));
        f.write_str(&parts.join(" and "))
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Glob(glob) => write!(f, "{:?}", glob.text()),
            Self::Prefix(text) => write!(f, "prefix {text:?}"),
            Self::Suffix(text) => write!(f, "suffix {text:?}"),
            Self::Regex(regex) => write!(f, "regex {:?}", regex.as_str()),
            Self::Bound(bound, limit) => write!(f, "{bound} {limit}"),
            Self::Folded(check) => write!(f, "{check} in any case"),
        }
    }
}
