//! Makes comparisons with what is missing come out false.
//!
//! To `MiniJinja` a missing field is less than every number and unequal to every text, so
//! `data.cpu < 10` would hold for events that have no `cpu` at all. So every comparison is compiled
//! with a guard in front: `data.cpu < 10` as `(comparable(true, data.cpu, 10) and data.cpu < 10)`.

use super::engine::COMPARABLE;
use super::tokens::{Sort, Token};

/// `source` with every comparison guarded. It must be an expression that compiles.
pub(super) fn guarded(source: &str, tokens: &[Token]) -> String {
    let mut out = String::with_capacity(source.len() * 3);
    level(source, tokens, &mut out);
    out
}

/// One level of brackets: `and`, commas and the like separate what is compared.
fn level(source: &str, tokens: &[Token], out: &mut String) {
    let mut start = 0;
    let mut operators: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (role, length) = role(tokens, start, at);
        match role {
            Role::Operand => {}
            Role::Operator => operators.push((at, length)),
            Role::Separator => {
                comparison(source, tokens.get(start..at).unwrap_or_default(), start, &operators, out);
                operators.clear();
                copy(source, tokens.get(at..at + length).unwrap_or_default(), out);
                start = at + length;
            }
        }
        at += length;
    }
    comparison(source, tokens.get(start..).unwrap_or_default(), start, &operators, out);
}

enum Role {
    Operand,
    Operator,
    Separator,
}

/// What the token at `at` is, in a comparison that began at `start`, and how many tokens belong to it.
fn role(tokens: &[Token], start: usize, at: usize) -> (Role, usize) {
    let Some(token) = tokens.get(at) else { return (Role::Operand, 1) };
    let before = at.checked_sub(1).and_then(|at| tokens.get(at));
    match (token.sort, token.text) {
        (Sort::Sign, "(" | "[" | "{") => (Role::Operand, bracketed(tokens, at)),
        // An attribute or a test of that name.
        (Sort::Name, _)
            if before.is_some_and(|before| before.is_sign(".") || before.is_name("is") || before.is_sign("|")) =>
        {
            (Role::Operand, 1)
        }
        (Sort::Name, "in") if before.is_some_and(|before| before.is_name("not")) => (Role::Operand, 1),
        (Sort::Name, "and" | "or" | "if" | "else") | (Sort::Sign, "," | ":" | "=") => (Role::Separator, 1),
        (Sort::Name, "not") if at == start => (Role::Separator, 1),
        (Sort::Name, "not") => (Role::Operator, 2),
        (Sort::Name, "in") | (Sort::Sign, "==" | "!=" | "<" | ">" | "<=" | ">=") => (Role::Operator, 1),
        _ => (Role::Operand, 1),
    }
}

/// How many tokens there are from the bracket at `at` to the one that closes it.
fn bracketed(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0usize;
    for (length, token) in tokens.iter().skip(at).enumerate().filter(|(_, token)| token.sort == Sort::Sign) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return length + 1;
        }
    }
    tokens.len() - at
}

fn comparison(source: &str, tokens: &[Token], start: usize, operators: &[(usize, usize)], out: &mut String) {
    if operators.is_empty() {
        return copy(source, tokens, out);
    }
    let ordered = |(at, _): &(usize, usize)| {
        tokens.get(at - start).is_some_and(|token| ["<", ">", "<=", ">="].contains(&token.text))
    };
    out.push_str(" (");
    out.push_str(COMPARABLE);
    out.push_str(if operators.iter().all(ordered) { "(true" } else { "(false" });
    let mut from = 0;
    for (at, length) in operators.iter().copied().chain([(start + tokens.len(), 0)]) {
        out.push_str(", ");
        let operand = tokens.get(from..at - start).unwrap_or_default();
        if let (Some(first), Some(last)) = (operand.first(), operand.last()) {
            out.push_str(source.get(first.span.start..last.span.end).unwrap_or_default());
        }
        from = at - start + length;
    }
    out.push_str(") and ");
    copy(source, tokens, out);
    out.push_str(") ");
}

/// Tokens as they were written, but for what is compared inside their brackets.
fn copy(source: &str, tokens: &[Token], out: &mut String) {
    let mut at = 0;
    let mut end = None;
    while let Some(token) = tokens.get(at) {
        let gap = end.is_none_or(|end| end < token.span.start);
        if gap {
            out.push(' ');
        }
        out.push_str(token.text);
        end = Some(token.span.end);
        at += 1;
        if token.sort == Sort::Sign && matches!(token.text, "(" | "[" | "{") {
            let inside = bracketed(tokens, at - 1).saturating_sub(2);
            level(source, tokens.get(at..at + inside).unwrap_or_default(), out);
            out.push(' ');
            at += inside;
        }
    }
    out.push(' ');
}

#[cfg(test)]
mod tests {
    use super::super::tokens::of_expression;
    use super::*;

    fn words(source: &str) -> String {
        let guarded = guarded(source, &of_expression(source));
        guarded.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_comparison_gets_its_guard() {
        for (source, expected) in [
            ("data.up", "data.up"),
            ("data.a < 1", "(comparable(true, data.a, 1) and data.a < 1 )"),
            ("not data.a or b == 'x, y'", "not data.a or (comparable(false, b, 'x, y') and b == 'x, y' )"),
            (
                "a not in [b == c]",
                "(comparable(false, a, [b == c]) and a not in [ (comparable(false, b, c) and b == c ) ] )",
            ),
            ("a is not none and data.in is in(x)", "a is not none and data.in is in( x )"),
            ("f(k=a > b)|g", "f( k = (comparable(true, a, b) and a > b ) )|g"),
            ("1 < a < 3", "(comparable(true, 1, a, 3) and 1 < a < 3 )"),
        ] {
            assert_eq!(words(source), expected);
        }
    }
}
