//! `when`: an expression that decides what `match` cannot say.

use std::fmt;

use minijinja::value::Value;
use minijinja::{Error, ErrorKind, Expression};

use super::comparison_guard::guarded;
use super::engine::{self, LONGEST_OUTPUT, LONGEST_SOURCE};
use super::template::TemplateInput;
use super::template_problems::{CodeKind, report_compile_error, report_names};
use super::tokens::{Token, TokenKind, of_expression};
use crate::config_reader::{ConfigReader, Problem, Spanned};
use crate::event::Body;
use crate::fault::Fault;

/// Compiled once, evaluated often.
pub struct Condition {
    source: String,
    expression: Expression<'static, 'static>,
    names: Vec<String>,
}

impl Condition {
    /// Errors become problems. `roots` are the names that it may use.
    pub fn compile(reader: &ConfigReader, spanned: &Spanned<String>, roots: &[&str]) -> Option<Self> {
        let source = spanned.value.as_str();
        let tokens = of_expression(source);
        if let Some(problem) = malformed(reader, spanned, &tokens) {
            reader.problem(problem);
            return None;
        }
        let names = match engine::check_expression(source) {
            Ok(names) => names,
            Err(error) => {
                report_compile_error(reader, spanned, CodeKind::Condition, &error);
                return None;
            }
        };
        if !report_names(reader, spanned, &tokens.iter().collect::<Vec<_>>(), &names, roots) {
            return None;
        }
        let guarded = engine::in_parentheses(&guarded(source, &tokens));
        // Guards repeat nested comparisons, so deep nesting grows fast.
        let compiled = if guarded.len() <= LONGEST_OUTPUT {
            engine::expression(guarded).map_err(|error| error.message)
        } else {
            Err("its comparisons are nested too deeply".to_owned())
        };
        match compiled {
            Ok(expression) => Some(Self { source: source.to_owned(), expression, names }),
            Err(why) => {
                let why = format!("this condition cannot be read: {why}");
                reader.problem(Problem::error(spanned.span.clone(), why));
                None
            }
        }
    }

    pub(super) fn uses(&self, name: &str) -> bool {
        self.names.iter().any(|used| used == name)
    }

    /// For sources, which decide about a body before there is an event: the only root is `data`.
    pub fn holds_of(&self, body: &Body) -> Result<bool, Fault> {
        self.holds(TemplateInput::of_data(body, &[]).context(None))
    }

    /// A missing field is no match, also if an operator fails because of it; any other failure is a fault.
    pub(super) fn holds(&self, context: Value) -> Result<bool, Fault> {
        match self.expression.eval(context) {
            Ok(value) => Ok(value.is_true()),
            Err(error) if is_about_a_missing_value(&error) => Ok(false),
            Err(error) => Err(Fault::new("when", engine::describe(&error))),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({:?})", self.source)
    }
}

fn is_about_a_missing_value(error: &Error) -> bool {
    // Operators name the kinds of value that they do not accept.
    let names_undefined =
        |detail: &str| detail.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == "undefined");
    error.kind() == ErrorKind::UndefinedError
        || error.kind() == ErrorKind::InvalidOperation && error.detail().is_some_and(names_undefined)
}

/// Errors that the parentheses around a condition would hide: an empty condition, a list without brackets, and
/// unmatched closing brackets.
fn malformed(reader: &ConfigReader, spanned: &Spanned<String>, tokens: &[Token]) -> Option<Problem> {
    let problem = |part, why: String| Some(Problem::error(reader.place_in(spanned, part), why));
    let whole = 0..spanned.value.len();
    if whole.len() > LONGEST_SOURCE {
        let why = format!("a condition may have at most {LONGEST_SOURCE} bytes, this one has {}", whole.len());
        return problem(whole, why);
    }
    if tokens.is_empty() {
        return problem(whole, "this condition is empty".to_owned()).map(|problem| problem.hint("remove `when`"));
    }
    let mut depth = 0usize;
    for token in tokens {
        let place = token.span.clone();
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth == 0 => return problem(place, format!("unmatched `{}`", token.text)),
            ")" | "]" | "}" => depth -= 1,
            "&" | "|" if is_doubled(token, tokens) => {
                let (twice, word) = if token.text == "&" { ("&&", "and") } else { ("||", "or") };
                let problem = problem(place.start..place.end + 1, format!("`{twice}` is not an operator here"));
                return problem.map(|problem| problem.hint(format!("write `{word}`")));
            }
            "," if depth == 0 => {
                let problem = problem(place, "a condition is one expression, not a list".to_owned());
                return problem.map(|problem| problem.hint("write `and` or `or`"));
            }
            sign if token.kind == TokenKind::Sign && !SIGNS.contains(sign) && sign.chars().count() == 1 => {
                return problem(place, format!("`{sign}` is not allowed in a condition"));
            }
            _ => {}
        }
    }
    None
}

/// The operators of one character.
const SIGNS: &str = "+-*/%~|.,:=<>";

/// Whether the same sign follows directly.
fn is_doubled(token: &Token, tokens: &[Token]) -> bool {
    let next = tokens.iter().find(|next| next.span.start == token.span.end);
    next.is_some_and(|next| next.kind == TokenKind::Sign && next.text == token.text)
}
