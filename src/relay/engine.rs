//! `MiniJinja`, fenced in: what it may cost, what it may call, and how its output is escaped.
//!
//! Only whoever writes relays.toml writes templates; events are data and are never compiled. The
//! fences are there because a template meets events that its author never saw.

use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::sync::LazyLock;

use minijinja::value::{Rest, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Expression, State, UndefinedBehavior};

use super::filters;
use super::view::MARKUP;
use crate::fault::Fault;
use crate::message::Markup;

/// `MiniJinja`'s compiler recurses: without a cap some 26,000 terms overflow even a big stack.
pub(super) const LONGEST_SOURCE: usize = 2048;

/// No chat takes more than a few thousand characters; what is longer than this is a mistake.
pub(super) const LONGEST_OUTPUT: usize = 64 * 1024;

/// Steps of one evaluation: enough to list a few thousand things, over within milliseconds.
const FUEL: u64 = 50_000;

/// Blocks may call each other; each level costs real stack.
const DEEPEST_CALLS: usize = 40;

/// What compiling 2 KiB of the worst shape needs, several times over.
const COMPILERS_STACK: usize = 8 * 1024 * 1024;

/// Stands in a condition for "all of these are there"; see `guard`.
pub(super) const COMPARABLE: &str = "comparable";

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Chainable);
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(DEEPEST_CALLS);
    // Then errors name the field that was missing, which is how a missing field is told from other failures.
    engine.set_debug(true);
    // Doubling a namespace's member eats memory that fuel does not count; the others tell or make too much.
    for name in ["namespace", "range", "debug"] {
        engine.remove_global(name);
    }
    engine.set_auto_escape_callback(|_| AutoEscape::Custom("markup".into()));
    engine.set_formatter(print);
    filters::add_to(&mut engine);
    engine.add_function(COMPARABLE, comparable);
    engine
});

thread_local! {
    static ROOMY: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` where templates can be compiled without a thread for each: whoever reads a whole file wraps it in this.
pub fn with_room<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if ROOMY.get() {
        return work();
    }
    let mut work = Some(work);
    let mut done = None;
    std::thread::scope(|scope| {
        let roomy = || {
            ROOMY.set(true);
            done = work.take().map(|work| work());
        };
        let thread = std::thread::Builder::new().name("compiler".to_owned()).stack_size(COMPILERS_STACK);
        if let Ok(thread) = thread.spawn_scoped(scope, roomy) {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    // Without a thread to spare our own stack must do; the cap on sources was chosen so that it does.
    done.or_else(|| work.map(|work| work())).expect("the work was done there or is done here")
}

/// What did not compile, and where in the source.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) said: String,
    pub(super) place: Option<Range<usize>>,
}

impl Flaw {
    fn new(error: &Error) -> Self {
        Self { said: describe(error), place: error.range() }
    }
}

/// What a source compiled to, and the names that it takes from outside.
pub(super) type Compiled<T> = Result<(T, Vec<String>), Flaw>;

/// `source` in parentheses, since `MiniJinja` silently drops what it cannot read behind a string at the very end:
/// `a == "b" && c` would be true whenever `a == "b"`.
pub(super) fn in_parentheses(source: &str) -> String {
    format!("({source})")
}

/// `source` as it stands must be one expression; places count from its own beginning.
pub(super) fn check_expression(source: &str) -> Result<Vec<String>, Flaw> {
    let wrapped = in_parentheses(source);
    with_room(|| match ENGINE.compile_expression_owned(wrapped) {
        Ok(expression) => Ok(sorted(expression.undeclared_variables(false))),
        Err(error) => {
            let mut flaw = Flaw::new(&error);
            let inside = |at: usize| at.saturating_sub(1).min(source.len());
            flaw.place = flaw.place.map(|place| inside(place.start)..inside(place.end));
            Err(flaw)
        }
    })
}

pub(super) fn expression(source: String) -> Result<Expression<'static, 'static>, Flaw> {
    with_room(|| ENGINE.compile_expression_owned(source).map_err(|error| Flaw::new(&error)))
}

/// One template in an environment of its own, whose filters are shared.
pub(super) fn template(source: &str) -> Compiled<Environment<'static>> {
    with_room(|| {
        let mut engine = ENGINE.clone();
        engine.add_template_owned(ONLY, source.to_owned()).map_err(|error| Flaw::new(&error))?;
        let names = engine.get_template(ONLY).map(|template| template.undeclared_variables(false));
        let names = names.map(sorted).map_err(|error| Flaw::new(&error))?;
        Ok((engine, names))
    })
}

/// The name of the one template in its environment.
const ONLY: &str = "template";

/// The one function that templates may call.
const FUNCTION: &str = "dict";

fn sorted(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.into_iter().filter(|name| name != FUNCTION).collect();
    names.sort();
    names
}

pub(super) fn knows_filter(name: &str) -> bool {
    let found = ENGINE.empty_state().apply_filter(name, &[]);
    !found.is_err_and(|error| error.kind() == ErrorKind::UnknownFilter)
}

pub(super) fn knows_test(name: &str) -> bool {
    let found = ENGINE.empty_state().perform_test(name, &[]);
    !found.is_err_and(|error| error.kind() == ErrorKind::UnknownTest)
}

pub(super) fn render(engine: &Environment<'static>, context: Value) -> Result<String, Fault> {
    let mut out = Capped(Vec::new());
    let rendered = engine.get_template(ONLY).and_then(|template| template.render_captured_to(context, &mut out));
    match rendered {
        Ok(_) => Ok(String::from_utf8(out.0).unwrap_or_default()),
        Err(error) if error.kind() == ErrorKind::WriteFailure => {
            Err(Fault::new("template", format!("the text grew past {LONGEST_OUTPUT} bytes")))
        }
        Err(error) => Err(Fault::new("template", describe(&error))),
    }
}

/// An error in one line, with its causes and without `MiniJinja`'s own file names.
pub(super) fn describe(error: &Error) -> String {
    let mut said = match error.detail() {
        Some(detail) if error.kind() == ErrorKind::SyntaxError => detail.to_owned(),
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        said.push_str(": ");
        said.push_str(&error.to_string());
        cause = error.source();
    }
    said
}

struct Capped(Vec<u8>);

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST_OUTPUT {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints what stands in `{{ }}`: nothing for what is missing or null, JSON for lists and objects, and everything
/// escaped for the reader at hand unless the template says `| safe`.
fn print(out: &mut minijinja::Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let text = match value.kind() {
        ValueKind::Undefined | ValueKind::None => return Ok(()),
        ValueKind::Bool => if value.is_true() { "true" } else { "false" }.to_owned(),
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => {
            serde_json::to_string(value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?
        }
        ValueKind::Invalid => return Err(Error::new(ErrorKind::InvalidOperation, value.to_string())),
        _ => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    };
    let plain = value.is_safe() || matches!(state.auto_escape(), AutoEscape::None);
    match markup(state).filter(|_| !plain) {
        Some(markup) => out.write_str(&markup.escaped(&text))?,
        None => out.write_str(&text)?,
    }
    Ok(())
}

fn markup(state: &State) -> Option<Markup> {
    let number = state.lookup(MARKUP)?.as_usize()?;
    Markup::ALL.into_iter().find(|markup| *markup as usize == number)
}

/// Whether a comparison has anything to compare. `ordered` ones also need two of a kind: `MiniJinja` would order
/// any string behind any number, and say so to nobody.
#[expect(clippy::needless_pass_by_value, reason = "`MiniJinja` hands over owned values")]
fn comparable(ordered: bool, operands: Rest<Value>) -> Result<bool, Error> {
    if operands.iter().any(Value::is_undefined) {
        return Ok(false);
    }
    if !ordered {
        return Ok(true);
    }
    if operands.iter().any(Value::is_none) {
        return Ok(false);
    }
    for pair in operands.windows(2) {
        let [left, right] = pair else { continue };
        if left.kind() != right.kind() {
            let said = format!("cannot compare {} with {}", left.kind(), right.kind());
            return Err(Error::new(ErrorKind::InvalidOperation, said));
        }
    }
    Ok(true)
}
