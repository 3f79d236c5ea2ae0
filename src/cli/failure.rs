//! Exit codes after sysexits, and the message printed when a verb fails.

use std::io::Write as _;
use std::process::ExitCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Success = 0,
    /// `demo` did not observe what it demonstrates.
    Failed = 1,
    Usage = 64,
    /// The daemon does not answer.
    Unreachable = 69,
    Internal = 70,
    /// relays.toml is missing or invalid.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// With the chain of causes.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Internal, format!("{error:#}"))
    }
}

/// Printed once, by `main`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub exit: Exit,
    pub message: String,
    hint: Option<String>,
}

impl Failure {
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// How to fix it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn print(&self) {
        // If stderr is closed, the exit code remains.
        std::io::stderr().lock().write_all(self.text().as_bytes()).ok();
    }

    fn text(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!("  {hint}\n")).unwrap_or_default();
        format!("tidings: {}\n{hint}", self.message.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_prints_its_message_and_hint() {
        let failure = Failure::new(Exit::Unreachable, "no answer").hint("is it running?");
        assert_eq!(failure.text(), "tidings: no answer\n  is it running?\n");
    }
}
