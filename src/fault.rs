//! A failure of one event, one connection or one request, which is logged and counted.
//! Only the supervisor and `main` decide that a fault ends the daemon.

use std::borrow::Cow;
use std::fmt;

/// What went wrong: a message for people and a reason for metrics.
///
/// The message must hold no secret: a `Fault` is logged, stored and displayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    reason: &'static str,
    message: Cow<'static, str>,
    reply: Option<Box<str>>,
}

impl Fault {
    /// `reason` is one of a few fixed words (`timeout`, `status_500`): it becomes the label of a metric.
    pub fn new(reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, message: message.into(), reply: None }
    }

    /// Adds the reply of the other side, longer than the message repeats it and free of secrets.
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

    /// Puts `what` was being done in front of the message.
    #[must_use]
    pub fn while_doing(self, what: impl fmt::Display) -> Self {
        Self { message: format!("{what}: {}", self.message).into(), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}
