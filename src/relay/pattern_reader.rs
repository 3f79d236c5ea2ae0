//! Reads `match`: paths and their patterns.

use regex::RegexBuilder;

use super::acronyms::in_both_spellings;
use super::glob::Glob;
use super::pattern::{Check, FieldPath, Pattern, Test};
use super::ranges::Bound;
use crate::config_reader::{Item, Node, Problem, Spanned, TableReader, nearest};
use crate::event::path;

const ENVELOPE: [&str; 5] = ["type", "source", "subject", "kind", "id"];
const WORDS: [&str; 9] = ["not", "prefix", "suffix", "regex", "exists", "lt", "le", "gt", "ge"];

/// The limit for a compiled regex.
const LARGEST_REGEX: usize = 1 << 20;

/// Every path of `match` with its pattern. Errors become problems.
pub(super) fn read(table: &TableReader) -> Vec<(FieldPath, Pattern)> {
    let mut matches: Vec<(FieldPath, Pattern)> = Vec::new();
    for (key, item) in table.entries() {
        read_path(table, key, item, &mut matches);
    }
    matches
}

fn read_path(table: &TableReader, spanned: &Spanned<String>, item: &Item, matches: &mut Vec<(FieldPath, Pattern)>) {
    // `match.data.action = …` and `match = { data.action = … }` are tables in TOML; here they are the path.
    if let Node::Table(members) = &item.node {
        let in_body = spanned.value == "data" || spanned.value.starts_with("data.");
        if in_body && !members.is_empty() && members.iter().all(|(key, _)| !is_word(&key.value)) {
            for (key, inner) in members {
                let spanned = Spanned { value: format!("{}.{}", spanned.value, key.value), span: key.span.clone() };
                read_path(table, &spanned, inner, matches);
            }
            return;
        }
    }
    let at = match parse_path(&spanned.value) {
        Ok(at) => at,
        Err((why, hint)) => return table.reader.problem(Problem::error(spanned.span.clone(), why).hint(hint)),
    };
    let Some(pattern) = read_pattern(table, item, false) else { return };
    let pattern = if at == FieldPath::Type { in_both_spellings(pattern) } else { pattern };
    if matches.iter().any(|(known, _)| *known == at) {
        let why = format!("`{}` is matched twice", spanned.value);
        return table.reader.problem(Problem::error(spanned.span.clone(), why).hint("put both into one pattern"));
    }
    matches.push((at, pattern));
}

fn is_word(key: &str) -> bool {
    WORDS.contains(&key) || key == "ignore_case"
}

/// The parsed path, or an error and a hint.
pub(super) fn parse_path(text: &str) -> Result<FieldPath, (String, String)> {
    match text {
        "type" => Ok(FieldPath::Type),
        "source" => Ok(FieldPath::Source),
        "subject" => Ok(FieldPath::Subject),
        "kind" => Ok(FieldPath::Kind),
        "id" => Ok(FieldPath::Id),
        "data" => Ok(FieldPath::Data([].into())),
        other => {
            if let Some(inside) = other.strip_prefix("data.") {
                let hint = || "write it like data.vm.name or data.parents[]".to_owned();
                return path(inside).map(FieldPath::Data).ok_or_else(|| (format!("`{other}` is not a path"), hint()));
            }
            let hint = match nearest(other, ENVELOPE) {
                Some(word) => format!("did you mean `{word}`? Fields of the body begin with `data.`"),
                None => format!("known here: {}; a field of the body is \"data.{other}\"", ENVELOPE.join(", ")),
            };
            Err((format!("an event has no `{other}`"), hint))
        }
    }
}

fn read_pattern(table: &TableReader, item: &Item, fold: bool) -> Option<Pattern> {
    match &item.node {
        Node::List(items) if items.is_empty() => {
            let problem = Problem::error(item.span.clone(), "an empty list matches nothing");
            table.reader.problem(problem.hint("remove the path to match everything"));
            None
        }
        Node::List(items) => {
            let tests: Vec<_> = items.iter().filter_map(|item| read_test(table, item, fold)).collect();
            (tests.len() == items.len()).then_some(Pattern(tests))
        }
        _ => read_test(table, item, fold).map(|test| Pattern(vec![test])),
    }
}

fn read_test(table: &TableReader, item: &Item, fold: bool) -> Option<Test> {
    let folded = |check: Check| if fold { check.folded() } else { check };
    match &item.node {
        Node::Text(text) => Some(Test::of(folded(match Glob::parse(text) {
            Some(glob) => Check::Glob(glob),
            None => Check::Text(text.as_str().into()),
        }))),
        Node::Flag(flag) => Some(Test::of(Check::Flag(*flag))),
        Node::Whole(_) | Node::Real(_) => number(table, item).map(|number| Test::of(Check::Number(number))),
        Node::Table(_) => read_words(table, item),
        Node::List(_) => {
            table.reader.problem(Problem::error(item.span.clone(), "lists of patterns cannot be nested"));
            None
        }
    }
}

/// `{ prefix = "…", lt = 3, not = … }`
fn read_words(outer: &TableReader, item: &Item) -> Option<Test> {
    let table = TableReader::new(outer.reader, "relay.match", item);
    let fold = table.flag("ignore_case").unwrap_or(false);
    let mut test = Test { exists: table.flag("exists"), ..Test::default() };
    let mut is_valid = !table.has("exists") || test.exists.is_some();
    let mut add = |check: Option<Check>, key: &str| {
        is_valid &= check.is_some() || !table.has(key);
        test.checks.extend(check.map(|check| if fold { check.folded() } else { check }));
    };
    add(table.text("prefix").map(|text| Check::Prefix(text.value.into())), "prefix");
    add(table.text("suffix").map(|text| Check::Suffix(text.value.into())), "suffix");
    add(table.text("regex").and_then(|spanned| regex(&table, &spanned, fold)), "regex");
    for (key, bound) in [("lt", Bound::Less), ("le", Bound::AtMost), ("gt", Bound::More), ("ge", Bound::AtLeast)] {
        let limit = table.item(key).and_then(|item| number(&table, item));
        add(limit.map(|limit| Check::Bound(bound, limit)), key);
    }
    if let Some(item) = table.item("not") {
        test.not = read_pattern(&table, item, fold);
        is_valid &= test.not.is_some();
    }
    let is_empty = WORDS.iter().all(|word| !table.has(word));
    let contradicts = test.exists == Some(false) && (!test.checks.is_empty() || test.not.is_some());
    table.finish();
    if is_empty && !has_unknown_words(item) {
        let problem = Problem::error(item.span.clone(), "this pattern is empty");
        outer.reader.problem(problem.hint(format!("use one of {}", WORDS.join(", "))));
    }
    if contradicts {
        outer.reader.problem(Problem::error(item.span.clone(), "`exists = false` cannot be combined with other tests"));
    }
    (is_valid && !is_empty && !contradicts).then_some(test)
}

/// Whether there are unknown keys, which are reported elsewhere.
fn has_unknown_words(item: &Item) -> bool {
    matches!(&item.node, Node::Table(members) if members.iter().any(|(key, _)| !is_word(&key.value)))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "JSON's numbers are read as floats too, so both sides lose the same precision"
)]
fn number(table: &TableReader, item: &Item) -> Option<f64> {
    let number = match item.node {
        Node::Whole(number) => number as f64,
        Node::Real(number) => number,
        _ => f64::NAN,
    };
    if number.is_nan() {
        let why = format!("expected a number, found {}", item.type_name());
        table.reader.problem(Problem::error(item.span.clone(), why));
    }
    (!number.is_nan()).then_some(number)
}

fn regex(table: &TableReader, spanned: &Spanned<String>, fold: bool) -> Option<Check> {
    match RegexBuilder::new(&spanned.value).case_insensitive(fold).size_limit(LARGEST_REGEX).build() {
        Ok(regex) => Some(Check::Regex(regex)),
        Err(error) => {
            let error = error.to_string();
            let last = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let place = table.reader.place_in(spanned, 0..spanned.value.len());
            table.reader.problem(Problem::error(place, format!("this regex cannot be read: {last}")));
            None
        }
    }
}
