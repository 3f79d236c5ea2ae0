//! Says what is wrong inside a template or a condition: where exactly, and what was probably meant.

use super::engine::{Flaw, knows_filter, knows_test};
use super::filters;
use super::tokens::{Sort, Token};
use super::view::ENVELOPE;
use crate::config_reader::{ConfigReader, Problem, Spanned, nearest};

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Template,
    Condition,
}

/// What `MiniJinja` could not compile.
pub(super) fn report_flaw(reading: &ConfigReader, said: &Spanned<String>, kind: Kind, flaw: &Flaw) {
    let what = match kind {
        Kind::Template => "this template cannot be read",
        Kind::Condition => "this condition cannot be read",
    };
    let whole = 0..said.value.len();
    let place = flaw.place.clone().filter(|place| place.start < place.end && place.end <= whole.end).unwrap_or(whole);
    let problem = Problem::error(reading.place_in(said, place), format!("{what}: {}", flaw.said));
    let hint = match kind {
        Kind::Condition if has_single_equals(&said.value) => Some("write `==` to compare"),
        _ => None,
    };
    reading.problem(match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    });
}

fn has_single_equals(source: &str) -> bool {
    super::tokens::of_expression(source).iter().any(|token| token.is_sign("="))
}

/// Reports unknown filters, tests and roots; true when there are none.
pub(super) fn report_names(
    reading: &ConfigReader,
    said: &Spanned<String>,
    tokens: &[&Token],
    used: &[String],
    roots: &[&str],
) -> bool {
    let mut all_known = true;
    let mut report = |token: Option<&Token>, message: String, hint: String| {
        all_known = false;
        let part = token.map_or(0..said.value.len(), |token| token.span.clone());
        reading.problem(Problem::error(reading.place_in(said, part), message).hint(hint));
    };
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.sort == Sort::Name) {
        let before = |steps: usize| at.checked_sub(steps).and_then(|at| tokens.get(at));
        let is_at = |steps: usize, name: &str| before(steps).is_some_and(|token| token.is_name(name));
        let steps = if is_at(1, "not") { 2 } else { 1 };
        // `data.is` is a field.
        let behind_is = is_at(steps, "is") && !before(steps + 1).is_some_and(|token| token.is_sign("."));
        if before(1).is_some_and(|token| token.is_sign("|")) && !knows_filter(token.text) {
            let hint = way_out(token.text, &filters::KNOWN, "the README lists the filters");
            report(Some(token), format!("there is no filter `{}`", token.text), hint);
        } else if behind_is && token.text != "not" && !knows_test(token.text) {
            let hint = way_out(token.text, &filters::KNOWN_TESTS, "compare with `==` instead");
            report(Some(token), format!("there is no test `{}`", token.text), hint);
        }
    }
    for name in used.iter().filter(|name| !roots.contains(&name.as_str())) {
        let stands = |at: usize, token: &Token| {
            let free = at
                .checked_sub(1)
                .and_then(|at| tokens.get(at))
                .is_none_or(|before| !before.is_sign(".") && !before.is_sign("|"));
            free && token.is_name(name)
        };
        let token = tokens.iter().enumerate().find(|(at, token)| stands(*at, token)).map(|(_, token)| *token);
        report(token, format!("unknown name `{name}`"), name_hint(name, roots));
    }
    all_known
}

fn way_out(word: &str, known: &[&'static str], otherwise: &str) -> String {
    match nearest(word, known.iter().copied()) {
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
