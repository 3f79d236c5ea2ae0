//! Trouble with one event, one connection or one request: logged, counted, survived.
//! Only an owner (the supervisor, `main`) may decide that a fault is the end.

use std::borrow::Cow;
use std::fmt;

/// What went wrong, for people (`said`) and for counting (`reason`).
///
/// Whoever makes one keeps secrets out of it: a `Fault` is printed, stored and shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    reason: &'static str,
    said: Cow<'static, str>,
    reply: Option<Box<str>>,
}

impl Fault {
    /// `reason` is a short fixed word (`timeout`, `status_500`): it becomes a metric's label.
    pub fn new(reason: &'static str, said: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, said: said.into(), reply: None }
    }

    /// What the other side answered, fit to be kept: longer than `said` has room for.
    #[must_use]
    pub fn with_reply(self, reply: impl Into<Box<str>>) -> Self {
        Self { reply: Some(reply.into()), ..self }
    }

    pub fn reply(&self) -> Option<&str> {
        self.reply.as_deref()
    }

    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// The same trouble with what was being done in front of it.
    #[must_use]
    pub fn while_doing(self, what: impl fmt::Display) -> Self {
        Self { said: format!("{what}: {}", self.said).into(), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl std::error::Error for Fault {}
