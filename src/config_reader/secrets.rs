//! Secrets in relays.toml: typed references, resolved while the file is read.

use super::item::{Item, Node, SECRET_REFERENCES, Spanned};
use super::problem::Problem;
use super::table_reader::TableReader;
use crate::secret::{Origin, Secret, SecretError};

impl TableReader<'_, '_> {
    /// A secret reference, resolved at once. A literal string is accepted with a warning, unless it is empty.
    pub fn secret(&self, key: &'static str) -> Option<Spanned<Secret>> {
        let item = self.item(key)?;
        if let Node::Text(value) = &item.node {
            if value.is_empty() {
                let problem = Problem::error(item.span.clone(), format!("`{key}` is empty and protects nothing"));
                self.reader.problem(problem.hint(format!("write {key} = {{ env = \"…\" }}, or leave it out")));
                return None;
            }
            let message = format!("`{key}` is a secret written into the file");
            let hint = format!("better: {key} = {{ env = \"…\" }}, {{ file = \"…\" }} or {{ credential = \"…\" }}");
            self.reader.problem(Problem::warning(item.span.clone(), message).hint(hint));
            return Some(Spanned { value: Secret::literal(value), span: item.span.clone() });
        }
        self.referenced_secret(key, item)
    }

    /// A secret reference, or a string without a warning: for user names and the like.
    pub fn text_or_secret(&self, key: &'static str) -> Option<Spanned<Secret>> {
        self.literal_or_referenced(key, self.item(key)?)
    }

    /// The table `key` from names chosen by the user to strings or secret references.
    pub fn named_secrets(&self, key: &'static str) -> Vec<(Spanned<String>, Spanned<Secret>)> {
        let Some(table) = self.table(key) else { return Vec::new() };
        let secrets = table
            .entries()
            .filter_map(|(name, item)| Some((name.clone(), table.literal_or_referenced(&name.value, item)?)));
        secrets.collect()
    }

    fn literal_or_referenced(&self, key: &str, item: &Item) -> Option<Spanned<Secret>> {
        match &item.node {
            Node::Text(value) => Some(Spanned { value: Secret::literal(value), span: item.span.clone() }),
            _ => self.referenced_secret(key, item),
        }
    }

    pub(super) fn referenced_secret(&self, key: &str, item: &Item) -> Option<Spanned<Secret>> {
        let origin = self.origin(key, item)?;
        match Secret::read(origin, self.reader.env) {
            Ok(secret) => Some(Spanned { value: secret, span: item.span.clone() }),
            Err(SecretError::Unset(why)) if self.optional => {
                self.unset_secrets.borrow_mut().push(why);
                None
            }
            Err(SecretError::Unset(why)) => {
                let problem = Problem::error(item.span.clone(), format!("`{key}`: {why}"));
                self.reader.problem(
                    problem.hint("set it, or add `optional = true` to run without this part while it is unset"),
                );
                None
            }
            Err(SecretError::Unusable(why)) => {
                self.reader.problem(Problem::error(item.span.clone(), format!("`{key}`: {why}")));
                None
            }
        }
    }

    fn origin(&self, key: &str, item: &Item) -> Option<Origin> {
        let expected = "a secret: { env = \"…\" }, { file = \"…\" }, { path_env = \"…\" } or { credential = \"…\" }";
        let [(kind, Item { node: Node::Text(value), .. })] = item.members() else {
            self.wrong_type(item, key, expected);
            return None;
        };
        match kind.value.as_str() {
            "env" => Some(Origin::Env(value.clone())),
            "file" => Some(Origin::File(value.into())),
            "path_env" => Some(Origin::PathEnv(value.clone())),
            "credential" => Some(Origin::Credential(value.clone())),
            other => {
                let message = format!("`{other}` is not a kind of secret reference; expected {expected}");
                let problem = Problem::error(kind.span.clone(), message);
                self.reader.problem(problem.suggest(other, SECRET_REFERENCES, || None));
                None
            }
        }
    }
}
