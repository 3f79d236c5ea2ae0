//! `when`: an expression that decides what `match` cannot say.

use std::fmt;

use minijinja::value::Value;
use minijinja::{Error, ErrorKind, Expression};

use super::engine::{self, LONGEST_OUTPUT, LONGEST_SOURCE};
use super::faults_in::{Kind, report_flaw, report_names};
use super::guard::guarded;
use super::template::Occasion;
use super::tokens::{Sort, Token, of_expression};
use crate::config_reader::{ConfigReader, Problem, Spanned};
use crate::event::Body;
use crate::fault::Fault;

/// Compiled once, asked often.
pub struct Condition {
    source: String,
    expression: Expression<'static, 'static>,
    names: Vec<String>,
}

impl Condition {
    /// What is wrong becomes problems. `roots` are the names that it may use.
    pub fn compile(reading: &ConfigReader, said: &Spanned<String>, roots: &[&str]) -> Option<Self> {
        let source = said.value.as_str();
        let tokens = of_expression(source);
        if let Some(problem) = misshapen(reading, said, &tokens) {
            reading.problem(problem);
            return None;
        }
        let names = match engine::check_expression(source) {
            Ok(names) => names,
            Err(flaw) => {
                report_flaw(reading, said, Kind::Condition, &flaw);
                return None;
            }
        };
        if !report_names(reading, said, &tokens.iter().collect::<Vec<_>>(), &names, roots) {
            return None;
        }
        let guarded = engine::in_parentheses(&guarded(source, &tokens));
        // Nested comparisons are repeated in their guards, so this can grow; a person's conditions do not.
        let compiled = if guarded.len() <= LONGEST_OUTPUT {
            engine::expression(guarded).map_err(|flaw| flaw.said)
        } else {
            Err("its comparisons are nested too deep".to_owned())
        };
        match compiled {
            Ok(expression) => Some(Self { source: source.to_owned(), expression, names }),
            Err(why) => {
                let why = format!("this condition cannot be read: {why}");
                reading.problem(Problem::error(said.span.clone(), why));
                None
            }
        }
    }

    pub(super) fn uses(&self, name: &str) -> bool {
        self.names.iter().any(|used| used == name)
    }

    /// What a source asks of a body, before there is an event: the only root is `data`.
    pub fn holds_of(&self, body: &Body) -> Result<bool, Fault> {
        self.holds(Occasion::of_data(body, &[]).context(None))
    }

    /// A missing field is no match, also where an operator chokes on it; any other failure is a fault.
    pub(super) fn holds(&self, context: Value) -> Result<bool, Fault> {
        match self.expression.eval(context) {
            Ok(value) => Ok(value.is_true()),
            Err(error) if is_about_the_missing(&error) => Ok(false),
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

fn is_about_the_missing(error: &Error) -> bool {
    // Operators name the kinds of value that they could not take.
    let choked = |detail: &str| detail.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == "undefined");
    error.kind() == ErrorKind::UndefinedError
        || error.kind() == ErrorKind::InvalidOperation && error.detail().is_some_and(choked)
}

/// Shapes that the parentheses around a condition would make legal: nothing at all, a list without brackets,
/// and brackets that close more than was opened.
fn misshapen(reading: &ConfigReader, said: &Spanned<String>, tokens: &[Token]) -> Option<Problem> {
    let whole = 0..said.value.len();
    if said.value.len() > LONGEST_SOURCE {
        let why = format!("a condition may have at most {LONGEST_SOURCE} bytes, this one has {}", said.value.len());
        return Some(Problem::error(reading.place_in(said, whole), why));
    }
    if tokens.is_empty() {
        return Some(
            Problem::error(reading.place_in(said, whole), "an empty condition decides nothing")
                .hint("leave `when` out"),
        );
    }
    let mut depth = 0usize;
    for token in tokens {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth == 0 => {
                let why = format!("this `{}` closes nothing", token.text);
                return Some(Problem::error(reading.place_in(said, token.span.clone()), why));
            }
            ")" | "]" | "}" => depth -= 1,
            "&" | "|" if neighbour(token, tokens) => {
                let (twice, word) = if token.text == "&" { ("&&", "and") } else { ("||", "or") };
                let place = reading.place_in(said, token.span.start..token.span.end + 1);
                return Some(
                    Problem::error(place, format!("`{twice}` is no operator here")).hint(format!("write `{word}`")),
                );
            }
            "," if depth == 0 => {
                let problem = Problem::error(
                    reading.place_in(said, token.span.clone()),
                    "a condition is one expression, not a list",
                );
                return Some(problem.hint("write `and` or `or`"));
            }
            sign if token.sort == Sort::Sign && !SIGNS.contains(sign) && sign.chars().count() == 1 => {
                let why = format!("`{sign}` means nothing in a condition");
                return Some(Problem::error(reading.place_in(said, token.span.clone()), why));
            }
            _ => {}
        }
    }
    None
}

/// The signs of one letter that expressions have.
const SIGNS: &str = "+-*/%~|.,:=<>";

/// Whether the same sign stands right behind it.
fn neighbour(token: &Token, tokens: &[Token]) -> bool {
    let next = tokens.iter().find(|next| next.span.start == token.span.end);
    next.is_some_and(|next| next.sort == Sort::Sign && next.text == token.text)
}
