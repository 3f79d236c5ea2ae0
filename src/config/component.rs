//! The tables `[source.KIND.NAME]` and `[sink.KIND.NAME]`.

use crate::config_reader::{ConfigReader, Item, Node, Problem, Spanned, TableReader};

/// One of these tables, whose keys its settings read.
pub(super) struct Component<'r, 't> {
    /// `source` or `sink`.
    sort: &'static str,
    pub(super) kind: &'static str,
    pub(super) name: Spanned<String>,
    pub(super) table: TableReader<'r, 't>,
}

impl<'r, 't> Component<'r, 't> {
    pub(super) fn new(
        reader: &'r ConfigReader<'t>,
        sort: &'static str,
        kind: &'static str,
        name: Spanned<String>,
        item: &'r Item,
    ) -> Self {
        let mut table = TableReader::new(reader, &format!("{sort}.{kind}"), item);
        table.span = name.span.clone();
        table.read_optional();
        Self { sort, kind, name, table }
    }

    /// Without a table, so that every key has its default. Its name is its kind.
    pub(super) fn empty(reader: &'r ConfigReader<'t>, sort: &'static str, kind: &'static str, empty: &'r Item) -> Self {
        Self::new(reader, sort, kind, Spanned { value: kind.to_owned(), span: 0..0 }, empty)
    }

    /// Reports unknown keys. A component that is optional and lacks a secret is left out, with a warning.
    pub(super) fn finish<T>(self, settings: Option<T>, warnings: &mut Vec<String>) -> Option<T> {
        let unset = self.table.unset_secret();
        self.table.finish();
        let Some(why) = unset else { return settings };
        warnings.push(format!("{} {} is left out: {why}", self.sort, self.name.value));
        None
    }
}

/// The components of one sort. An unknown kind is a problem.
pub(super) fn components<'r, 't>(
    reader: &'r ConfigReader<'t>,
    item: Option<&'r Item>,
    sort: &'static str,
    kinds: &'static [&'static str],
) -> Vec<Component<'r, 't>> {
    let mut components = Vec::new();
    let Some(item) = item else { return components };
    for (kind_key, kind_item) in TableReader::new(reader, sort, item).entries() {
        let Some(kind) = kinds.iter().find(|kind| **kind == kind_key.value) else {
            let message = format!("`{}` is not a kind of {sort}", kind_key.value);
            let otherwise = || Some(format!("kinds: {}", kinds.join(", ")));
            let problem = Problem::error(kind_key.span.clone(), message);
            reader.problem(problem.suggest(&kind_key.value, kinds.iter().copied(), otherwise));
            continue;
        };
        for (name, item) in TableReader::new(reader, &format!("{sort}.{kind}"), kind_item).entries() {
            if matches!(item.node, Node::Table(_)) {
                components.push(Component::new(reader, sort, kind, name.clone(), item));
            } else {
                let problem = Problem::error(name.span.clone(), format!("this {sort} has no name"));
                reader.problem(problem.hint(format!("write [{sort}.{kind}.NAME] above its keys")));
            }
        }
    }
    components
}
