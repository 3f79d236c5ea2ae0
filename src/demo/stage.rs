//! What a person sees of the demo: plain lines, coloured on a terminal only.

use std::env;
use std::io::{self, IsTerminal, Write};

/// Knows whether somebody is watching.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stage {
    color: bool,
    watched: bool,
}

const BOLD: &str = "1";
const GREEN: &str = "32";
const RED: &str = "31";
const FAINT: &str = "2";

/// As wide as the longest name of those who speak.
const NAMES: usize = 11;

impl Stage {
    pub(super) fn new() -> Self {
        let watched = io::stdout().is_terminal();
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { color: watched && !unwanted, watched }
    }

    /// Whether somebody reads along, and wants time for it.
    pub(super) fn is_watched(self) -> bool {
        self.watched
    }

    pub(super) fn heading(self, text: &str) -> io::Result<()> {
        print_line(&format!("\n{}", self.paint(BOLD, text)))
    }

    /// The narrator's voice.
    #[expect(clippy::unused_self, reason = "nobody speaks but through the stage")]
    pub(super) fn say(self, text: &str) -> io::Result<()> {
        print_line(&format!("  {text}"))
    }

    pub(super) fn aside(self, text: &str) -> io::Result<()> {
        text.lines().try_for_each(|line| print_line(&self.paint(FAINT, &format!("      {line}"))))
    }

    /// Somebody speaks; the further lines of a text stand under its first.
    pub(super) fn hear(self, who: &str, text: &str) -> io::Result<()> {
        text.lines().enumerate().try_for_each(|(number, line)| {
            let name = format!("{:NAMES$}", if number == 0 { who } else { "" });
            print_line(&format!("  {} | {line}", self.paint(GREEN, &name)))
        })
    }

    /// Goes on in the same line.
    #[expect(clippy::unused_self, reason = "nobody speaks but through the stage")]
    pub(super) fn murmur(self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        write!(out, "{text}")?;
        out.flush()
    }

    pub(super) fn verdict(self, held: bool, text: &str) -> io::Result<()> {
        self.say(&self.paint(if held { GREEN } else { RED }, text))
    }

    /// The last resort: if that fails too, there is nobody left to tell, and the exit code says it.
    pub(super) fn complain(self, text: &str) {
        let mut out = io::stderr().lock();
        writeln!(out, "\n{}", self.paint(RED, &format!("the demo broke off: {text}"))).unwrap_or_default();
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

fn print_line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}
