//! `MiniJinja` with limits: what evaluation may cost, which functions exist, and how output is escaped.
//!
//! Templates come from relays.toml only; events are data and are never compiled. The limits are needed because a
//! template is rendered for events that its author never saw.

use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::sync::LazyLock;

use minijinja::value::{Rest, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Expression, State, UndefinedBehavior};

use super::filters;
use super::variables::MARKUP;
use crate::fault::Fault;
use crate::message::Markup;

/// `MiniJinja`'s compiler recurses: without a limit some 26,000 terms overflow even a big stack.
pub(super) const LONGEST_SOURCE: usize = 2048;

/// Chats accept a few thousand characters; a longer text is a mistake.
pub(super) const LONGEST_OUTPUT: usize = 64 * 1024;

/// Steps of one evaluation: enough to list a few thousand things, over within milliseconds.
const FUEL: u64 = 50_000;

/// Blocks may call each other; each level uses stack.
const DEEPEST_CALLS: usize = 40;

/// What compiling 2 KiB of the worst shape needs, several times over.
const COMPILERS_STACK: usize = 8 * 1024 * 1024;

/// The function that checks the operands of a comparison; see `comparison_guard`.
pub(super) const COMPARABLE: &str = "comparable";

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Chainable);
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(DEEPEST_CALLS);
    // Makes errors name the missing field, which distinguishes it from other failures.
    engine.set_debug(true);
    // Doubling a member of a namespace uses memory that fuel does not count; `range` does too, and `debug` shows everything.
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
    static HAS_COMPILER_STACK: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on a thread with a stack for the compiler. Within it, templates compile without a thread each.
pub fn with_compiler_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if HAS_COMPILER_STACK.get() {
        return work();
    }
    let mut work = Some(work);
    let mut done = None;
    std::thread::scope(|scope| {
        let compile = || {
            HAS_COMPILER_STACK.set(true);
            done = work.take().map(|work| work());
        };
        let thread = std::thread::Builder::new().name("compiler".to_owned()).stack_size(COMPILERS_STACK);
        if let Ok(thread) = thread.spawn_scoped(scope, compile) {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    // No thread available: the limit on sources is low enough for the own stack.
    done.or_else(|| work.map(|work| work())).expect("the work ran there or runs here")
}

/// Why a source did not compile, and where.
#[derive(Debug)]
pub(super) struct CompileError {
    pub(super) message: String,
    pub(super) span: Option<Range<usize>>,
}

impl CompileError {
    fn new(error: &Error) -> Self {
        Self { message: describe(error), span: error.range() }
    }
}

/// A compiled source, and the names that it uses.
pub(super) type Compiled<T> = Result<(T, Vec<String>), CompileError>;

/// `source` in parentheses, since `MiniJinja` silently drops what it cannot read behind a string at the very end:
/// `a == "b" && c` would be true whenever `a == "b"`.
pub(super) fn in_parentheses(source: &str) -> String {
    format!("({source})")
}

/// Checks that `source` is one expression. Spans are relative to `source`.
pub(super) fn check_expression(source: &str) -> Result<Vec<String>, CompileError> {
    let wrapped = in_parentheses(source);
    with_compiler_stack(|| match ENGINE.compile_expression_owned(wrapped) {
        Ok(expression) => Ok(sorted(expression.undeclared_variables(false))),
        Err(error) => {
            let mut error = CompileError::new(&error);
            let inside = |at: usize| at.saturating_sub(1).min(source.len());
            error.span = error.span.map(|span| inside(span.start)..inside(span.end));
            Err(error)
        }
    })
}

pub(super) fn expression(source: String) -> Result<Expression<'static, 'static>, CompileError> {
    with_compiler_stack(|| ENGINE.compile_expression_owned(source).map_err(|error| CompileError::new(&error)))
}

/// One template in an environment of its own, whose filters are shared.
pub(super) fn template(source: &str) -> Compiled<Environment<'static>> {
    with_compiler_stack(|| {
        let mut engine = ENGINE.clone();
        engine.add_template_owned(ONLY, source.to_owned()).map_err(|error| CompileError::new(&error))?;
        let names = engine.get_template(ONLY).map(|template| template.undeclared_variables(false));
        let names = names.map(sorted).map_err(|error| CompileError::new(&error))?;
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
    let mut out = CappedOutput(Vec::new());
    let rendered = engine.get_template(ONLY).and_then(|template| template.render_captured_to(context, &mut out));
    match rendered {
        Ok(_) => Ok(String::from_utf8(out.0).unwrap_or_default()),
        Err(error) if error.kind() == ErrorKind::WriteFailure => {
            Err(Fault::new("template", format!("the text is longer than {LONGEST_OUTPUT} bytes")))
        }
        Err(error) => Err(Fault::new("template", describe(&error))),
    }
}

/// An error in one line, with its causes and without `MiniJinja`'s own file names.
pub(super) fn describe(error: &Error) -> String {
    let mut message = match error.detail() {
        Some(detail) if error.kind() == ErrorKind::SyntaxError => detail.to_owned(),
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    message
}

struct CappedOutput(Vec<u8>);

impl io::Write for CappedOutput {
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

/// Prints the value of `{{ }}`: nothing if missing or null, JSON for lists and objects; escaped for the sink unless the
/// template uses `| safe`.
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

/// Whether all operands of a comparison exist. `ordered` ones must also be of one kind: `MiniJinja` would silently
/// order any string after any number.
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
            let message = format!("cannot compare {} with {}", left.kind(), right.kind());
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
    }
    Ok(true)
}
