//! Messages that are sent as written in relays.toml: text, or tables as JSON. Secret references are replaced by the secret.

use serde_json::Value;

use super::item::{Item, Node, SECRET_REFERENCES, Spanned};
use super::problem::Problem;
use super::table_reader::TableReader;
use crate::secret::Secret;

impl TableReader<'_, '_> {
    /// The message or list of messages under `key`. A string is sent unchanged, a table as JSON. A table with the single
    /// key `env`, `file`, `path_env` or `credential` is a secret at any depth. Each message is a secret, as it may contain one.
    pub fn messages(&self, key: &'static str) -> Vec<Spanned<Secret>> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let message = |item: &Item| {
            let text = match &item.node {
                Node::Text(_) | Node::Table(_) => match self.with_secrets(key, item)? {
                    Value::String(text) => text,
                    value => value.to_string(),
                },
                _ => {
                    let message = format!("`{key}` must be a list of strings and tables, found {}", item.type_name());
                    self.reader.problem(Problem::error(item.span.clone(), message));
                    return None;
                }
            };
            Some(Spanned { value: Secret::literal(&text), span: item.span.clone() })
        };
        item.as_list().iter().filter_map(message).collect()
    }

    /// The item as JSON, with its secrets. None if one of them is missing, which is reported as a problem.
    fn with_secrets(&self, key: &str, item: &Item) -> Option<Value> {
        match &item.node {
            Node::Table(members) => match members.as_slice() {
                [(name, Item { node: Node::Text(_), .. })] if SECRET_REFERENCES.contains(&name.value.as_str()) => {
                    Some(self.referenced_secret(key, item)?.value.expose().into())
                }
                members => {
                    let members =
                        members.iter().map(|(name, item)| Some((name.value.clone(), self.with_secrets(key, item)?)));
                    members.collect::<Option<_>>().map(Value::Object)
                }
            },
            Node::List(items) => items.iter().map(|item| self.with_secrets(key, item)).collect(),
            _ => Some(item.to_json()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_reader::ConfigReader;

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let env = |name: &str| (name == "TOKEN").then(|| "s3\"cret".to_owned());
        let reader = ConfigReader::new(text, &env);
        let tree = reader.tree();
        let table = TableReader::new(&reader, "source.websocket", &tree);
        let messages = table.messages("subscribe");
        assert!(!format!("{messages:?}").contains("s3"));
        let messages = messages.iter().map(|message| message.value.expose().to_owned()).collect();
        (messages, reader.into_findings().problems.into_iter().map(|problem| problem.message).collect())
    }

    #[test]
    fn strings_tables_and_secrets_become_messages() {
        let text = r#"subscribe = ["hello", { op = "auth", args = [{ env = "TOKEN" }, 1, true] }, { env = "TOKEN" }]"#;
        let wanted = ["hello", r#"{"op":"auth","args":["s3\"cret",1,true]}"#, "s3\"cret"].map(str::to_owned);
        let (messages, problems) = read(text);
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(messages.len(), 3);
        for (message, wanted) in messages.iter().zip(&wanted) {
            let same = |text: &str| serde_json::from_str::<Value>(text).ok();
            assert!(message == wanted || same(message).is_some() && same(message) == same(wanted), "{message}");
        }
        assert_eq!(read("subscribe = \"one\"").0, ["one"]);
        assert_eq!(read(""), (vec![], vec![]));
    }

    #[test]
    fn unusable_messages_are_problems() {
        assert_eq!(
            read("subscribe = [1]").1,
            ["`subscribe` must be a list of strings and tables, found a whole number"]
        );
        assert_eq!(read("subscribe = [{ a = { env = \"UNSET\" } }]").1, ["`subscribe`: the variable UNSET is not set"]);
    }
}
