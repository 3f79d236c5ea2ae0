//! The tokens of a template or a condition, with their positions.
//!
//! `MiniJinja` compiles and runs templates, but gives no positions of names and does not check that a filter exists
//! before its first use. This scanner serves those checks. It reports no errors: `MiniJinja` does.

use std::ops::Range;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Name,
    Text,
    Number,
    Sign,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'s> {
    pub(super) kind: TokenKind,
    pub(super) text: &'s str,
    pub(super) span: Range<usize>,
}

impl Token<'_> {
    pub(super) fn is_sign(&self, sign: &str) -> bool {
        self.kind == TokenKind::Sign && self.text == sign
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        self.kind == TokenKind::Name && self.text == name
    }
}

/// A part of a template.
#[derive(Debug, PartialEq)]
pub(super) enum Part<'s> {
    Literal(&'s str),
    /// `{{ … }}`
    Value(Vec<Token<'s>>),
    /// `{% … %}`
    Tag(Vec<Token<'s>>),
    Comment,
}

/// Signs of two characters; all others have one.
const PAIRS: [&str; 6] = ["==", "!=", "<=", ">=", "**", "//"];

/// All of `source` as one expression.
pub(super) fn of_expression(source: &str) -> Vec<Token<'_>> {
    Scanner { source, at: 0 }.tokens(None)
}

pub(super) fn of_template(source: &str) -> Vec<Part<'_>> {
    let mut scanner = Scanner { source, at: 0 };
    let mut parts = Vec::new();
    while let Some(literal) = scanner.literal() {
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        let Some(opening) = source.get(scanner.at..scanner.at + 2) else { break };
        scanner.at += 2;
        match opening {
            "{{" => parts.push(Part::Value(scanner.tokens(Some("}}")))),
            "{%" => {
                let tokens = scanner.tokens(Some("%}"));
                if tokens.iter().find(|token| token.kind == TokenKind::Name).is_some_and(|token| token.text == "raw") {
                    scanner.skip_raw();
                }
                parts.push(Part::Tag(tokens));
            }
            _ => {
                scanner.skip_past("#}");
                parts.push(Part::Comment);
            }
        }
    }
    parts
}

struct Scanner<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Scanner<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn skip_past(&mut self, end: &str) {
        self.at = self.rest().find(end).map_or(self.source.len(), |found| self.at + found + end.len());
    }

    /// The text up to the next opening, or to the end; None at the end.
    fn literal(&mut self) -> Option<&'s str> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        let length = ["{{", "{%", "{#"].iter().filter_map(|opening| rest.find(opening)).min().unwrap_or(rest.len());
        self.at += length;
        rest.get(..length)
    }

    /// Behind `{% raw %}` nothing is a tag until `{% endraw %}`.
    fn skip_raw(&mut self) {
        while let Some(found) = self.rest().find("{%") {
            self.at += found + 2;
            let inside = self.rest().trim_start_matches(['-', '+']).trim_start();
            if inside.starts_with("endraw") {
                self.skip_past("%}");
                return;
            }
        }
        self.at = self.source.len();
    }

    /// Tokens up to `end` outside of braces (it is skipped too), or to the end of the source.
    fn tokens(&mut self, end: Option<&str>) -> Vec<Token<'s>> {
        let mut tokens = Vec::new();
        let mut braces = 0usize;
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if let Some(end) = end.filter(|end| braces == 0 && trimmed.starts_with(end)) {
                self.at += end.len();
                return tokens;
            }
            let Some(first) = trimmed.chars().next() else { return tokens };
            let (kind, length) = match first {
                '"' | '\'' => (TokenKind::Text, text_length(trimmed, first)),
                letter if letter == '_' || letter.is_ascii_alphabetic() => (TokenKind::Name, name_length(trimmed)),
                digit if digit.is_ascii_digit() => (TokenKind::Number, number_length(trimmed)),
                _ if PAIRS.iter().any(|pair| trimmed.starts_with(pair)) => (TokenKind::Sign, 2),
                sign => {
                    match sign {
                        '{' => braces += 1,
                        '}' => braces = braces.saturating_sub(1),
                        _ => {}
                    }
                    (TokenKind::Sign, sign.len_utf8())
                }
            };
            let text = trimmed.get(..length).unwrap_or(trimmed);
            tokens.push(Token { kind, text, span: self.at..self.at + text.len() });
            self.at += text.len();
        }
    }
}

fn text_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            letter if letter == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn name_length(rest: &str) -> usize {
    rest.find(|letter: char| letter != '_' && !letter.is_ascii_alphanumeric()).unwrap_or(rest.len())
}

fn number_length(rest: &str) -> usize {
    let whole = name_length(rest);
    let fraction = rest.get(whole..).and_then(|rest| rest.strip_prefix('.')).map_or(0, |rest| {
        match rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len()) {
            0 => 0,
            digits => digits + 1,
        }
    });
    whole + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(tokens: &[Token]) -> Vec<String> {
        tokens.iter().map(|token| token.text.to_owned()).collect()
    }

    #[test]
    fn expressions_are_split_into_tokens() {
        let tokens = of_expression("data.a!='it\\'s' and x>=1.5 // é");
        assert_eq!(words(&tokens), ["data", ".", "a", "!=", "'it\\'s'", "and", "x", ">=", "1.5", "//", "é"]);
        assert_eq!(tokens[4].span, 8..15);
    }

    #[test]
    fn templates_are_split_into_literals_and_tags() {
        let parts = of_template("a {{ {'x': {'y': 1}} }}{# {{ no }} #}{% raw %}{{ no }}{% endraw %}{% if b %}é");
        let Part::Value(value) = &parts[1] else { panic!("{parts:?}") };
        assert_eq!(value.len(), 9);
        assert_eq!(parts[0], Part::Literal("a "));
        assert_eq!(parts[2], Part::Comment);
        assert!(matches!(&parts[3], Part::Tag(tokens) if tokens[0].text == "raw"));
        assert!(matches!(&parts[4], Part::Tag(tokens) if tokens[0].text == "if"));
        assert_eq!(parts[5], Part::Literal("é"));
    }

    #[test]
    fn unterminated_parts_end_with_the_source() {
        for odd in ["{{", "{%", "{#", "{{ 'x", "{{ \"é\\", "{% raw %}{{", "{", "{{ {", "\\"] {
            of_template(odd);
            of_expression(odd);
        }
    }
}
