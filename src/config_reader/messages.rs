//! Messages that are sent as relays.toml has them: text, or tables as JSON, with secrets where they are referred to.

use serde_json::Value;

use super::{Item, Node, Problem, Spanned, TableReader};
use crate::secret::Secret;

impl TableReader<'_, '_> {
    /// The list `key` (or one alone) of messages. A string is sent as it is, a table as JSON. A table of a single key `env`,
    /// `file`, `path_env` or `credential` is a secret, wherever it stands. They are secrets as a whole: they may hold some.
    pub fn messages(&self, key: &'static str) -> Vec<Spanned<Secret>> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let items = match &item.node {
            Node::List(items) => items.as_slice(),
            _ => std::slice::from_ref(item),
        };
        let message = |item: &Item| {
            let text = match &item.node {
                Node::Text(_) | Node::Table(_) => match self.revealed(key, item)? {
                    Value::String(text) => text,
                    value => value.to_string(),
                },
                _ => {
                    let said = format!("`{key}` must be a list of strings and tables, found {}", item.sort());
                    self.reading.problem(Problem::error(item.span.clone(), said));
                    return None;
                }
            };
            Some(Spanned { value: Secret::literal(&text), span: item.span.clone() })
        };
        items.iter().filter_map(message).collect()
    }

    /// The item as JSON, with its secrets. None where one of them is missing, which is said then.
    fn revealed(&self, key: &str, item: &Item) -> Option<Value> {
        const SORTS: [&str; 4] = ["env", "file", "path_env", "credential"];
        match &item.node {
            Node::Table(members) => match members.as_slice() {
                [(sort, Item { node: Node::Text(_), .. })] if SORTS.contains(&sort.name.as_str()) => {
                    Some(self.referenced(key, item)?.value.expose().into())
                }
                members => {
                    let members =
                        members.iter().map(|(name, item)| Some((name.name.clone(), self.revealed(key, item)?)));
                    members.collect::<Option<_>>().map(Value::Object)
                }
            },
            Node::List(items) => items.iter().map(|item| self.revealed(key, item)).collect(),
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
        let reading = ConfigReader::new(text, &env);
        let tree = reading.tree();
        let table = TableReader::new(&reading, "source.websocket", &tree);
        let messages = table.messages("subscribe");
        assert!(!format!("{messages:?}").contains("s3"));
        let messages = messages.iter().map(|message| message.value.expose().to_owned()).collect();
        (messages, reading.into_findings().problems.into_iter().map(|problem| problem.said).collect())
    }

    #[test]
    fn strings_tables_and_secrets_become_what_is_sent() {
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
    fn what_cannot_be_sent_is_said() {
        assert_eq!(
            read("subscribe = [1]").1,
            ["`subscribe` must be a list of strings and tables, found a whole number"]
        );
        assert_eq!(read("subscribe = [{ a = { env = \"UNSET\" } }]").1, ["`subscribe`: the variable UNSET is not set"]);
    }
}
