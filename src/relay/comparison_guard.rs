//! Makes comparisons with missing values false.
//!
//! To `MiniJinja` a missing field is less than every number and unequal to every text, so `data.cpu < 10` would hold for
//! events without `cpu`. Therefore every comparison is compiled with a guard: `data.cpu < 10` becomes
//! `(comparable(true, data.cpu, 10) and data.cpu < 10)`.

use super::engine::COMPARABLE;
use super::tokens::{Token, TokenKind};

/// `source` with every comparison guarded. It must be an expression that compiles.
pub(super) fn guarded(source: &str, tokens: &[Token]) -> String {
    let mut out = String::with_capacity(source.len() * 3);
    level(source, tokens, &mut out);
    out
}

/// One level of brackets: `and`, commas and the like separate comparisons.
fn level(source: &str, tokens: &[Token], out: &mut String) {
    let mut start = 0;
    let mut operators: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (role, length) = role(tokens, start, at);
        match role {
            TokenRole::Operand => {}
            TokenRole::Operator => operators.push((at, length)),
            TokenRole::Separator => {
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

enum TokenRole {
    Operand,
    Operator,
    Separator,
}

/// What the token at `at` is, in a comparison that began at `start`, and how many tokens belong to it.
fn role(tokens: &[Token], start: usize, at: usize) -> (TokenRole, usize) {
    let Some(token) = tokens.get(at) else { return (TokenRole::Operand, 1) };
    let before = at.checked_sub(1).and_then(|at| tokens.get(at));
    match (token.kind, token.text) {
        (TokenKind::Sign, "(" | "[" | "{") => (TokenRole::Operand, bracketed(tokens, at)),
        // An attribute or a test of that name.
        (TokenKind::Name, _)
            if before.is_some_and(|before| before.is_sign(".") || before.is_name("is") || before.is_sign("|")) =>
        {
            (TokenRole::Operand, 1)
        }
        (TokenKind::Name, "in") if before.is_some_and(|before| before.is_name("not")) => (TokenRole::Operand, 1),
        (TokenKind::Name, "and" | "or" | "if" | "else") | (TokenKind::Sign, "," | ":" | "=") => {
            (TokenRole::Separator, 1)
        }
        (TokenKind::Name, "not") if at == start => (TokenRole::Separator, 1),
        (TokenKind::Name, "not") => (TokenRole::Operator, 2),
        (TokenKind::Name, "in") | (TokenKind::Sign, "==" | "!=" | "<" | ">" | "<=" | ">=") => (TokenRole::Operator, 1),
        _ => (TokenRole::Operand, 1),
    }
}

/// How many tokens there are from the bracket at `at` to the one that closes it.
fn bracketed(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0usize;
    for (length, token) in tokens.iter().skip(at).enumerate().filter(|(_, token)| token.kind == TokenKind::Sign) {
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

/// Copies tokens unchanged, except for comparisons inside their brackets.
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
        if token.kind == TokenKind::Sign && matches!(token.text, "(" | "[" | "{") {
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
