//! A TOML tree whose items know their position in the file.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

/// The single key of a table that refers to a secret.
pub(super) const SECRET_REFERENCES: [&str; 4] = ["env", "file", "path_env", "credential"];

/// A value and its position in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Range<usize>,
}

impl<T> Spanned<T> {
    pub fn map<U>(self, with: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: with(self.value), span: self.span }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub span: Range<usize>,
    pub node: Node,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Text(String),
    Whole(i64),
    Real(f64),
    Flag(bool),
    List(Vec<Item>),
    Table(Vec<(Spanned<String>, Item)>),
}

impl Item {
    pub(super) fn from_value(value: toml::Spanned<DeValue<'_>>) -> Self {
        let span = value.span();
        let node = match value.into_inner() {
            DeValue::String(text) => Node::Text(text.into_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Node::Text(number.as_str().to_owned()), Node::Whole),
            DeValue::Float(number) => Node::Real(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Node::Flag(flag),
            DeValue::Datetime(time) => Node::Text(time.to_string()),
            DeValue::Array(list) => Node::List(list.into_iter().map(Self::from_value).collect()),
            DeValue::Table(table) => members(table),
        };
        Self { span, node }
    }

    /// The members of a table; empty for anything else.
    pub fn members(&self) -> &[(Spanned<String>, Item)] {
        match &self.node {
            Node::Table(members) => members,
            _ => &[],
        }
    }

    /// The items of a list; anything else is a list of itself.
    pub(super) fn as_list(&self) -> &[Self] {
        match &self.node {
            Node::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// Calls `visit` with the position of every string in this item, except references to secrets.
    pub(super) fn visit_strings(&self, visit: &mut dyn FnMut(Range<usize>)) {
        match &self.node {
            Node::Text(_) => visit(self.span.clone()),
            Node::List(items) => items.iter().for_each(|item| item.visit_strings(visit)),
            Node::Table(members) => {
                let others = members.iter().filter(|(key, _)| !SECRET_REFERENCES.contains(&key.value.as_str()));
                others.for_each(|(_, item)| item.visit_strings(visit));
            }
            Node::Whole(_) | Node::Real(_) | Node::Flag(_) => {}
        }
    }

    /// For "expected …, found …".
    pub fn type_name(&self) -> &'static str {
        match self.node {
            Node::Text(_) => "a string",
            Node::Whole(_) => "a whole number",
            Node::Real(_) => "a number with a point",
            Node::Flag(_) => "true or false",
            Node::List(_) => "a list",
            Node::Table(_) => "a table",
        }
    }

    /// As JSON, for payloads that are sent unchanged.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.node {
            Node::Text(text) => text.clone().into(),
            Node::Whole(number) => (*number).into(),
            Node::Real(number) => (*number).into(),
            Node::Flag(flag) => (*flag).into(),
            Node::List(list) => list.iter().map(Self::to_json).collect(),
            Node::Table(table) => table.iter().map(|(key, item)| (key.value.clone(), item.to_json())).collect(),
        }
    }
}

fn members(table: DeTable<'_>) -> Node {
    let mut members: Vec<_> = table
        .into_iter()
        .map(|(key, value)| {
            let span = key.span();
            (Spanned { value: key.into_inner().into_owned(), span }, Item::from_value(value))
        })
        .collect();
    // In the order of the file, which its author expects in reports.
    members.sort_by_key(|(key, _)| key.span.start);
    Node::Table(members)
}
