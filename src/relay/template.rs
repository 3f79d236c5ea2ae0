//! One template: compiled once, rendered often. Templates of literals and plain paths are rendered without `MiniJinja`.

use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use minijinja::Environment;
use minijinja::value::Value;
use serde_json::Value as Json;

use super::engine::{self, LONGEST_SOURCE};
use super::fetched::Fetched;
use super::template_problems::{CodeKind, report_compile_error, report_names};
use super::tokens::{Part, Token, TokenKind, of_template};
use super::variables::{ROOTS, RootObject, Variables};
use crate::config_reader::{ConfigReader, Problem, Spanned};
use crate::event::{Body, Event, Name, Step};
use crate::fault::Fault;
use crate::message::Markup;

/// Tags that load other templates, which do not exist.
const LOADERS: [&str; 4] = ["include", "extends", "import", "from"];

#[derive(Clone)]
pub struct Template {
    source: Arc<str>,
    /// Literals and plain paths, if the template has nothing else.
    plain: Option<Arc<[Piece]>>,
    /// None if there are only literals.
    engine: Option<Arc<Environment<'static>>>,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Literal(Box<str>),
    Data(Box<[Step]>),
    Type,
    Source,
    Kind,
    Subject,
    Relay,
}

/// What a template is rendered from. Variables for `MiniJinja` are made when the first template needs them.
pub(super) struct TemplateInput<'e> {
    body: &'e Body,
    about: Option<(&'e Event, &'e Name, &'e Fetched)>,
    /// Roots beside `data`, where there is no event yet.
    others: &'e [(Name, Arc<Json>)],
    variables: OnceCell<Arc<Variables>>,
}

impl<'e> TemplateInput<'e> {
    pub(super) fn new(event: &'e Event, relay: &'e Name, fetched: &'e Fetched) -> Self {
        Self { body: &event.data, about: Some((event, relay, fetched)), others: &[], variables: OnceCell::new() }
    }

    pub(super) fn of_data(body: &'e Body, others: &'e [(Name, Arc<Json>)]) -> Self {
        Self { body, about: None, others, variables: OnceCell::new() }
    }

    pub(super) fn context(&self, markup: Option<Markup>) -> Value {
        let variables = self.variables.get_or_init(|| {
            Arc::new(match self.about {
                Some((event, relay, fetched)) => Variables::new(event, relay, fetched),
                None => Variables::of_data(self.body.value(), self.others),
            })
        });
        Value::from_object(RootObject { variables: Arc::clone(variables), markup })
    }
}

impl Template {
    /// What a relay's templates may use: `event`, `data` and `relay` (and the names of its `fetch`).
    pub const ROOTS: [&'static str; 3] = ROOTS;

    /// Compiles a template of relays.toml. `roots` are the names that it may use. Errors become problems.
    pub fn compile(reader: &ConfigReader, spanned: &Spanned<String>, roots: &[&str]) -> Option<Self> {
        let refuse = |part: Range<usize>, why: String| {
            reader.problem(Problem::error(reader.place_in(spanned, part), why));
            None
        };
        let source = spanned.value.as_str();
        if source.len() > LONGEST_SOURCE {
            return refuse(
                0..source.len(),
                format!("a template may have at most {LONGEST_SOURCE} bytes, this one has {}", source.len()),
            );
        }
        let parts = of_template(source);
        let tags = parts.iter().filter_map(|part| match part {
            Part::Tag(tokens) => tokens.iter().find(|token| token.kind == TokenKind::Name),
            _ => None,
        });
        for tag in tags {
            if LOADERS.contains(&tag.text) {
                return refuse(
                    tag.span.clone(),
                    format!("`{}` is not available: templates cannot load others", tag.text),
                );
            }
        }
        let (engine, names) = match engine::template(source) {
            Ok(compiled) => compiled,
            Err(error) => {
                report_compile_error(reader, spanned, CodeKind::Template, &error);
                return None;
            }
        };
        let tokens: Vec<&Token> = parts.iter().flat_map(tokens_of).collect();
        report_names(reader, spanned, &tokens, &names, roots).then(|| Self::made(source, &parts, engine))
    }

    /// A literal text, not parsed.
    pub fn verbatim(text: &str) -> Self {
        let piece = Piece::Literal(text.into());
        Self { source: text.into(), plain: Some([piece].into()), engine: None }
    }

    fn made(source: &str, parts: &[Part], engine: Environment<'static>) -> Self {
        let mut made = Self { source: source.into(), plain: pieces(parts).map(Into::into), engine: None };
        if made.literal().is_none() {
            made.engine = Some(Arc::new(engine));
        }
        made
    }

    /// The text, if it is the same for every event.
    pub fn literal(&self) -> Option<String> {
        let text = |piece: &Piece| match piece {
            Piece::Literal(text) => Some(text.clone()),
            _ => None,
        };
        self.plain.as_ref()?.iter().map(text).collect()
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// For sources, which render from a body before there is an event: the roots are `data` and `others`. Nothing is
    /// escaped.
    pub fn render_data(&self, body: &Body, others: &[(Name, Arc<Json>)]) -> Result<String, Fault> {
        self.render(&TemplateInput::of_data(body, others), None)
    }

    pub(super) fn render(&self, input: &TemplateInput, markup: Option<Markup>) -> Result<String, Fault> {
        if let Some(text) = self.plain.as_ref().and_then(|pieces| render_pieces(pieces, input, markup)) {
            return Ok(text);
        }
        match &self.engine {
            Some(engine) => engine::render(engine, input.context(markup)),
            None => Ok(String::new()),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.source)
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

fn tokens_of<'p, 's>(part: &'p Part<'s>) -> &'p [Token<'s>] {
    match part {
        Part::Value(tokens) | Part::Tag(tokens) => tokens,
        Part::Literal(_) | Part::Comment => &[],
    }
}

/// None if `MiniJinja` is needed.
fn pieces(parts: &[Part]) -> Option<Vec<Piece>> {
    let last = parts.len().saturating_sub(1);
    let piece = |(at, part): (usize, &Part)| match part {
        // As `MiniJinja` does: the newline at the end of a template is removed.
        Part::Literal(text) if at == last => Some(Piece::Literal(without_last_newline(text).into())),
        Part::Literal(text) => Some(Piece::Literal((*text).into())),
        Part::Value(tokens) => path_piece(tokens),
        Part::Tag(_) | Part::Comment => None,
    };
    parts.iter().enumerate().map(piece).collect()
}

fn without_last_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

fn path_piece(tokens: &[Token]) -> Option<Piece> {
    let mut names = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match at % 2 {
            0 if token.kind == TokenKind::Name => names.push(token.text),
            1 if token.is_sign(".") => {}
            _ => return None,
        }
    }
    if tokens.len().is_multiple_of(2) {
        return None;
    }
    match names.as_slice() {
        ["data", path @ ..] | ["event", "data", path @ ..] if !path.is_empty() => {
            Some(Piece::Data(path.iter().map(|name| Step::Key((*name).into())).collect()))
        }
        ["event", "type"] => Some(Piece::Type),
        ["event", "source"] => Some(Piece::Source),
        ["event", "kind"] => Some(Piece::Kind),
        ["event", "subject"] => Some(Piece::Subject),
        ["relay"] | ["relay", "name"] => Some(Piece::Relay),
        _ => None,
    }
}

/// With more digits, `MiniJinja` prints a number differently from how it was written.
const EXACT_DIGITS: usize = 19;

/// None if a value is neither a text nor a plain number: `MiniJinja` prints those.
fn render_pieces(pieces: &[Piece], input: &TemplateInput, markup: Option<Markup>) -> Option<String> {
    let mut out = String::new();
    for piece in pieces {
        let from_data;
        let value: &str = match (piece, input.about) {
            (Piece::Literal(text), _) => {
                out.push_str(text);
                continue;
            }
            (Piece::Data(path), _) => {
                from_data = input.body.plain(path)?;
                let number = !from_data.is_empty() && from_data.bytes().all(|byte| byte.is_ascii_digit());
                if number && from_data.len() > EXACT_DIGITS {
                    return None;
                }
                &from_data
            }
            (Piece::Type, Some((event, ..))) => &event.r#type,
            (Piece::Source, Some((event, ..))) => &event.source,
            (Piece::Kind, Some((event, ..))) => &event.kind,
            (Piece::Subject, Some((event, ..))) => &event.subject,
            (Piece::Relay, Some((_, relay, _))) => relay,
            (_, None) => return None,
        };
        match markup {
            Some(markup) => markup.escape(value, &mut out),
            None => out.push_str(value),
        }
        if out.len() > engine::LONGEST_OUTPUT {
            return None;
        }
    }
    Some(out)
}
