//! How a verb ends: exit codes after sysexits, and what is said to a person when it ends badly.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Fine = 0,
    /// `demo` saw something other than what it promises.
    DidNotHold = 1,
    Usage = 64,
    /// The daemon does not answer.
    Unreachable = 69,
    Internal = 70,
    /// relays.toml cannot be used as it is.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Said once, at the top, to the person who typed the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    pub said: String,
    hint: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, said: impl Into<String>) -> Self {
        Self { exit, said: said.into(), hint: None }
    }

    /// Something that is nobody's mistake outside: with its whole chain of causes.
    pub fn internal(error: &anyhow::Error) -> Self {
        Self::new(Exit::Internal, format!("{error:#}"))
    }

    /// The way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn print(&self) {
        // If even stderr is gone, the exit code is all that is left to say.
        std::io::stderr().lock().write_all(self.text().as_bytes()).ok();
    }

    fn text(&self) -> String {
        let mut text = format!("tidings: {}\n", self.said.trim_end());
        if let Some(hint) = &self.hint {
            writeln!(text, "  {hint}").expect("a string takes everything");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_and_the_way_out() {
        let failure = Failure::new(Exit::Unreachable, "nobody answers").hint("is it running?");
        assert_eq!(failure.text(), "tidings: nobody answers\n  is it running?\n");
    }
}
