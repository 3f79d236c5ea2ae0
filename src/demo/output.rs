//! What the demo prints: plain lines, coloured on a terminal only.

use std::env;
use std::io::{self, IsTerminal, Write};

#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    color: bool,
    /// A person reads along and needs time for it.
    pub(super) is_terminal: bool,
}

const BOLD: &str = "1";
const GREEN: &str = "32";
const RED: &str = "31";
const FAINT: &str = "2";

/// The width of the longest service name.
const NAME_WIDTH: usize = 11;

impl Output {
    pub(super) fn new() -> Self {
        let is_terminal = io::stdout().is_terminal();
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { color: is_terminal && !no_color, is_terminal }
    }

    pub(super) fn heading(self, text: &str) -> io::Result<()> {
        print_line(&format!("\n{}", self.paint(BOLD, text)))
    }

    #[expect(clippy::unused_self, reason = "all printing goes through Output")]
    pub(super) fn line(self, text: &str) -> io::Result<()> {
        print_line(&format!("  {text}"))
    }

    pub(super) fn quote(self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| print_line(&self.paint(FAINT, &format!("      {line}"))))
    }

    /// A message of `service`; further lines of the text are aligned with the first.
    pub(super) fn message(self, service: &str, text: &str) -> io::Result<()> {
        text.lines().enumerate().try_for_each(|(number, line)| {
            let name = format!("{:NAME_WIDTH$}", if number == 0 { service } else { "" });
            print_line(&format!("  {} | {line}", self.paint(GREEN, &name)))
        })
    }

    /// Without a line break.
    #[expect(clippy::unused_self, reason = "all printing goes through Output")]
    pub(super) fn part(self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        write!(out, "{text}")?;
        out.flush()
    }

    pub(super) fn verdict(self, held: bool, text: &str) -> io::Result<()> {
        self.line(&self.paint(if held { GREEN } else { RED }, text))
    }

    /// To standard error. If that fails too, the exit code still reports it.
    pub(super) fn error(self, text: &str) {
        let mut out = io::stderr().lock();
        writeln!(out, "\n{}", self.paint(RED, &format!("the demo was aborted: {text}"))).unwrap_or_default();
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn print_line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}
