//! One template: compiled once, rendered often, without `MiniJinja` where nothing but values are put in.

use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use minijinja::Environment;
use minijinja::value::Value;
use serde_json::Value as Json;

use super::engine::{self, LONGEST_SOURCE};
use super::faults_in::{Kind, report_flaw, report_names};
use super::fetched::Fetched;
use super::tokens::{Part, Sort, Token, of_template};
use super::view::{Context, Facts, ROOTS};
use crate::config_reader::{ConfigReader, Problem, Spanned};
use crate::event::{Body, Event, Name, Step};
use crate::fault::Fault;
use crate::message::Markup;

/// Tags that load other templates: there are none.
const LOADERS: [&str; 4] = ["include", "extends", "import", "from"];

#[derive(Clone)]
pub struct Template {
    source: Arc<str>,
    /// Literals and plain paths, where the template is nothing else.
    plain: Option<Arc<[Piece]>>,
    /// None where there are only literals.
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

/// What a template is rendered about. Facts for `MiniJinja` are gathered when the first template needs them.
pub(super) struct Occasion<'e> {
    body: &'e Body,
    about: Option<(&'e Event, &'e Name, &'e Fetched)>,
    /// Roots beside `data`, where there is no event yet.
    others: &'e [(Name, Arc<Json>)],
    facts: OnceCell<Arc<Facts>>,
}

impl<'e> Occasion<'e> {
    pub(super) fn new(event: &'e Event, relay: &'e Name, fetched: &'e Fetched) -> Self {
        Self { body: &event.data, about: Some((event, relay, fetched)), others: &[], facts: OnceCell::new() }
    }

    pub(super) fn of_data(body: &'e Body, others: &'e [(Name, Arc<Json>)]) -> Self {
        Self { body, about: None, others, facts: OnceCell::new() }
    }

    pub(super) fn context(&self, markup: Option<Markup>) -> Value {
        let facts = self.facts.get_or_init(|| {
            Arc::new(match self.about {
                Some((event, relay, fetched)) => Facts::new(event, relay, fetched),
                None => Facts::of_data(self.body.value(), self.others),
            })
        });
        Value::from_object(Context { facts: Arc::clone(facts), markup })
    }
}

impl Template {
    /// What a relay's templates may use: `event`, `data` and `relay` (and the names of its `fetch`).
    pub const ROOTS: [&'static str; 3] = ROOTS;

    /// Compiles what relays.toml says. `roots` are the names that it may use; what is wrong becomes problems.
    pub fn compile(reading: &ConfigReader, said: &Spanned<String>, roots: &[&str]) -> Option<Self> {
        let refuse = |part: Range<usize>, why: String| {
            reading.problem(Problem::error(reading.place_in(said, part), why));
            None
        };
        let source = said.value.as_str();
        if source.len() > LONGEST_SOURCE {
            return refuse(
                0..source.len(),
                format!("a template may have at most {LONGEST_SOURCE} bytes, this one has {}", source.len()),
            );
        }
        let parts = of_template(source);
        let tags = parts.iter().filter_map(|part| match part {
            Part::Tag(tokens) => tokens.iter().find(|token| token.sort == Sort::Name),
            _ => None,
        });
        for tag in tags {
            if LOADERS.contains(&tag.text) {
                return refuse(
                    tag.span.clone(),
                    format!("`{}` has nothing to load: templates stand alone here", tag.text),
                );
            }
        }
        let (engine, names) = match engine::template(source) {
            Ok(compiled) => compiled,
            Err(flaw) => {
                report_flaw(reading, said, Kind::Template, &flaw);
                return None;
            }
        };
        let tokens: Vec<&Token> = parts.iter().flat_map(tokens_of).collect();
        report_names(reading, said, &tokens, &names, roots).then(|| Self::made(source, &parts, engine))
    }

    /// A text that is said as it stands, whatever is in it.
    pub fn verbatim(text: &str) -> Self {
        let piece = Piece::Literal(text.into());
        Self { source: text.into(), plain: Some([piece].into()), engine: None }
    }

    fn made(source: &str, parts: &[Part], engine: Environment<'static>) -> Self {
        let plain: Option<Arc<[Piece]>> = pieces(parts).map(Into::into);
        let only_literals =
            plain.iter().flat_map(|pieces| pieces.iter()).all(|piece| matches!(piece, Piece::Literal(_)));
        let engine = (plain.is_none() || !only_literals).then(|| Arc::new(engine));
        Self { source: source.into(), plain, engine }
    }

    /// The text, where it says the same of every event.
    pub fn literal(&self) -> Option<String> {
        match self.engine {
            None => Some(self.plain.iter().flat_map(|pieces| pieces.iter()).map(Piece::literal).collect()),
            Some(_) => None,
        }
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// What a source makes of a body, before there is an event: the roots are `data` and `others`. Nothing is escaped.
    pub fn render_data(&self, body: &Body, others: &[(Name, Arc<Json>)]) -> Result<String, Fault> {
        self.render(&Occasion::of_data(body, others), None)
    }

    pub(super) fn render(&self, occasion: &Occasion, markup: Option<Markup>) -> Result<String, Fault> {
        if let Some(text) = self.plain.as_ref().and_then(|pieces| directly(pieces, occasion, markup)) {
            return Ok(text);
        }
        match &self.engine {
            Some(engine) => engine::render(engine, occasion.context(markup)),
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

impl Piece {
    fn literal(&self) -> &str {
        match self {
            Self::Literal(text) => text,
            _ => "",
        }
    }
}

fn tokens_of<'p, 's>(part: &'p Part<'s>) -> &'p [Token<'s>] {
    match part {
        Part::Value(tokens) | Part::Tag(tokens) => tokens,
        Part::Literal(_) | Part::Comment => &[],
    }
}

/// None where `MiniJinja` is needed.
fn pieces(parts: &[Part]) -> Option<Vec<Piece>> {
    let last = parts.len().saturating_sub(1);
    let piece = |(at, part): (usize, &Part)| match part {
        // As MiniJinja does, so that both ways say the same: the newline that ends a template is not said.
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
            0 if token.sort == Sort::Name => names.push(token.text),
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

/// Beyond this many digits a number is no longer printed as it was written.
const HONEST_DIGITS: usize = 19;

/// None where a value is no text and no plain number: how the rest is printed, `MiniJinja` decides.
fn directly(pieces: &[Piece], occasion: &Occasion, markup: Option<Markup>) -> Option<String> {
    let mut out = String::new();
    for piece in pieces {
        let from_data;
        let value: &str = match (piece, occasion.about) {
            (Piece::Literal(text), _) => {
                out.push_str(text);
                continue;
            }
            (Piece::Data(path), _) => {
                from_data = occasion.body.plain(path)?;
                let number = !from_data.is_empty() && from_data.bytes().all(|byte| byte.is_ascii_digit());
                if number && from_data.len() > HONEST_DIGITS {
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
