//! Reports errors inside templates and conditions, with their position and a suggestion.

use super::engine::{CompileError, knows_filter, knows_test};
use super::filters;
use super::tokens::{Token, TokenKind};
use super::variables::ENVELOPE;
use crate::config_reader::{ConfigReader, Problem, Spanned, nearest};

#[derive(Debug, Clone, Copy)]
pub(super) enum CodeKind {
    Template,
    Condition,
}

/// An error of `MiniJinja`'s compiler.
pub(super) fn report_compile_error(
    reader: &ConfigReader,
    spanned: &Spanned<String>,
    kind: CodeKind,
    error: &CompileError,
) {
    let what = match kind {
        CodeKind::Template => "this template cannot be read",
        CodeKind::Condition => "this condition cannot be read",
    };
    let whole = 0..spanned.value.len();
    let place = error.span.clone().filter(|place| place.start < place.end && place.end <= whole.end).unwrap_or(whole);
    let problem = Problem::error(reader.place_in(spanned, place), format!("{what}: {}", error.message));
    let hint = match kind {
        CodeKind::Condition if has_single_equals(&spanned.value) => Some("write `==` to compare"),
        _ => None,
    };
    reader.problem(Problem { hint: hint.map(str::to_owned), ..problem });
}

fn has_single_equals(source: &str) -> bool {
    super::tokens::of_expression(source).iter().any(|token| token.is_sign("="))
}

/// Reports unknown filters, tests and roots; true when there are none.
pub(super) fn report_names(
    reader: &ConfigReader,
    spanned: &Spanned<String>,
    tokens: &[&Token],
    used: &[String],
    roots: &[&str],
) -> bool {
    let mut all_known = true;
    let mut report = |token: Option<&Token>, message: String, hint: String| {
        all_known = false;
        let part = token.map_or(0..spanned.value.len(), |token| token.span.clone());
        reader.problem(Problem::error(reader.place_in(spanned, part), message).hint(hint));
    };
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.kind == TokenKind::Name) {
        let before = |steps: usize| at.checked_sub(steps).and_then(|at| tokens.get(at));
        let is_at = |steps: usize, name: &str| before(steps).is_some_and(|token| token.is_name(name));
        let steps = if is_at(1, "not") { 2 } else { 1 };
        // `data.is` is a field.
        let behind_is = is_at(steps, "is") && !before(steps + 1).is_some_and(|token| token.is_sign("."));
        if before(1).is_some_and(|token| token.is_sign("|")) && !knows_filter(token.text) {
            let hint = suggestion(token.text, filters::KNOWN, "the README lists the filters");
            report(Some(token), format!("there is no filter `{}`", token.text), hint);
        } else if behind_is && token.text != "not" && !knows_test(token.text) {
            let hint = suggestion(token.text, filters::KNOWN_TESTS, "compare with `==` instead");
            report(Some(token), format!("there is no test `{}`", token.text), hint);
        }
    }
    for name in used.iter().filter(|name| !roots.contains(&name.as_str())) {
        let is_use = |(at, token): &(usize, &&Token)| {
            let before = at.checked_sub(1).and_then(|at| tokens.get(at));
            token.is_name(name) && before.is_none_or(|before| !before.is_sign(".") && !before.is_sign("|"))
        };
        let token = tokens.iter().enumerate().find(is_use).map(|(_, token)| *token);
        report(token, format!("unknown name `{name}`"), name_hint(name, roots));
    }
    all_known
}

fn suggestion(word: &str, known: &'static str, otherwise: &str) -> String {
    match nearest(word, known.split_whitespace()) {
        Some(word) => format!("did you mean `{word}`?"),
        None => otherwise.to_owned(),
    }
}

fn name_hint(name: &str, roots: &[&str]) -> String {
    if let Some(root) = nearest(name, roots.iter().copied()) {
        return format!("did you mean `{root}`? If you meant text, write \"{name}\"");
    }
    if ENVELOPE.contains(&name) && roots.contains(&"event") {
        return format!("did you mean `event.{name}`? If you meant text, write \"{name}\"");
    }
    format!(
        "known here: {}; a field of the body is `data.{name}`; if you meant text, write \"{name}\"",
        roots.join(", ")
    )
}
