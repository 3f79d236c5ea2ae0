//! The tables `[source.KIND.NAME]` and `[sink.KIND.NAME]`, before and after they are read.

use std::ops::Range;

use crate::config_reader::{ConfigReader, Item, Node, Problem, TableReader};
use crate::event::Name;

/// One table, before its keys are read.
pub(super) struct Component<'r, 't> {
    pub kind: &'static str,
    pub name: String,
    pub name_span: Range<usize>,
    pub table: TableReader<'r, 't>,
}

pub(super) enum Outcome<T> {
    Configured(Box<T>),
    /// The component is optional and one of its secrets is unset.
    LeftOut {
        name: String,
        why: String,
    },
    /// Its problems are reported.
    Invalid,
}

/// The tables of one sort (`source`, `sink`). An unknown kind is a problem.
pub(super) fn components<'r, 't>(
    reading: &'r ConfigReader<'t>,
    item: Option<&'r Item>,
    sort: &'static str,
    kinds: &'static [&'static str],
) -> Vec<Component<'r, 't>> {
    let mut components = Vec::new();
    let Some(item) = item else { return components };
    for (kind_key, kind_item) in TableReader::new(reading, sort, item).entries() {
        let Some(kind) = kinds.iter().find(|kind| **kind == kind_key.name) else {
            let message = format!("`{}` is not a kind of {sort}", kind_key.name);
            let otherwise = || Some(format!("kinds: {}", kinds.join(", ")));
            let problem = Problem::error(kind_key.span.clone(), message);
            reading.problem(problem.suggest(&kind_key.name, kinds.iter().copied(), otherwise));
            continue;
        };
        let path = format!("{sort}.{kind}");
        for (name_key, item) in TableReader::new(reading, &path, kind_item).entries() {
            if !matches!(item.node, Node::Table(_)) {
                let problem = Problem::error(name_key.span.clone(), format!("this {sort} has no name"));
                reading.problem(problem.hint(format!("write [{path}.NAME] above its keys")));
                continue;
            }
            let mut table = TableReader::new(reading, &path, item);
            table.span = name_key.span.clone();
            table.read_optional();
            components.push(Component { kind, name: name_key.name.clone(), name_span: name_key.span.clone(), table });
        }
    }
    components
}

/// Reports unknown keys, and builds the settings unless the component is left out or invalid.
pub(super) fn finish<C, T>(
    name: String,
    config: Option<C>,
    table: TableReader,
    settings: impl FnOnce(Name, C) -> T,
) -> Outcome<T> {
    let unset = table.unset_secret();
    table.finish();
    match (unset, config) {
        (Some(why), _) => Outcome::LeftOut { name, why },
        (None, Some(config)) => Outcome::Configured(Box::new(settings(Name::from(name), config))),
        (None, None) => Outcome::Invalid,
    }
}
