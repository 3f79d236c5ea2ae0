//! A whole reply, and the one place where its status becomes a verdict.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::de::DeserializeOwned;

use super::{redact, retry_after};
use crate::fault::Fault;
use crate::message::SendError;

#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Removed from the body wherever it is repeated.
    secrets: Arc<[String]>,
}

/// Which [`SendError`] a reply becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    Later { lane: bool },
    NeverMessage,
    NeverDestination,
}

impl Reply {
    pub(super) fn new(status: u16, headers: HeaderMap, body: Vec<u8>, secrets: Arc<[String]>) -> Self {
        Self { status, headers, body, secrets }
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// How long the server asks us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after::parse(self.headers.get(RETRY_AFTER)?.to_str().ok()?, Timestamp::now())
    }

    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Fault::new("not_json", format!("the reply is not JSON: {error}")))
    }

    /// Whether the message was delivered. `exceptions` goes first: it names what a vendor means differently from the
    /// usual, an error within a 200 included, and gives None for all the rest.
    pub fn verdict(&self, exceptions: impl FnOnce(&Self) -> Option<FailureClass>) -> Result<(), SendError> {
        match exceptions(self) {
            Some(class) => Err(self.error(class)),
            None if self.is_success() => Ok(()),
            None => Err(self.error(usual_class(self.status))),
        }
    }

    /// One part of a reply to many things at once, with a status and a text of its own.
    #[must_use]
    pub fn part(&self, status: u16, text: &str) -> Self {
        Self::new(status, self.headers.clone(), text.into(), Arc::clone(&self.secrets))
    }

    /// The status and the body, fit to be logged and shown.
    pub fn cause(&self) -> Fault {
        let text = redact::clean(&String::from_utf8_lossy(&self.body), &self.secrets);
        let colon = if text.is_empty() { "" } else { ": " };
        let fault = Fault::new(reason(self.status), format!("status {}{colon}{text}", self.status));
        if self.body.is_empty() { fault } else { fault.with_reply(redact::kept(&self.body, &self.secrets)) }
    }

    fn error(&self, class: FailureClass) -> SendError {
        let cause = self.cause();
        match class {
            FailureClass::Later { lane } => {
                // A gateway that timed out had passed the message on.
                SendError::Later { wait: self.retry_after(), lane, maybe: self.status == 504, cause }
            }
            FailureClass::NeverMessage => SendError::NeverMessage(cause),
            FailureClass::NeverDestination => SendError::NeverDestination(cause),
        }
    }
}

/// What statuses mean (RFC 9110) unless the vendor documents something else.
fn usual_class(status: u16) -> FailureClass {
    match status {
        // A limit, or a gateway without its server: the next message would get the same reply.
        429 | 502..=504 => FailureClass::Later { lane: true },
        408 | 425 | 500 | 501 | 505..=599 => FailureClass::Later { lane: false },
        // Redirects are not followed: a webhook that moved is a change of relays.toml.
        300..=399 | 401 | 403 | 404 | 410 => FailureClass::NeverDestination,
        _ => FailureClass::NeverMessage,
    }
}

/// The metric label of a failure.
fn reason(status: u16) -> &'static str {
    match status {
        200..=299 => "failed_with_2xx",
        300..=399 => "redirect",
        400 => "status_400",
        401 => "status_401",
        403 => "status_403",
        404 => "status_404",
        408 => "status_408",
        410 => "status_410",
        413 => "status_413",
        415 => "status_415",
        422 => "status_422",
        425 => "status_425",
        429 => "rate_limited",
        500 => "status_500",
        502 => "status_502",
        503 => "status_503",
        504 => "status_504",
        other => match other / 100 {
            4 => "status_4xx",
            5 => "status_5xx",
            _ => "status_odd",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply::new(status, HeaderMap::new(), body.into(), Arc::from(["s3cr3t".to_owned()]))
    }

    fn verdict(status: u16) -> &'static str {
        match reply(status, "").verdict(|_| None) {
            Ok(()) => "delivered",
            Err(SendError::Later { lane: true, .. }) => "later, all",
            Err(SendError::Later { lane: false, .. }) => "later",
            Err(SendError::NeverMessage(_)) => "never, message",
            Err(SendError::NeverDestination(_)) => "never, destination",
        }
    }

    #[test]
    fn every_status_has_its_verdict() {
        for (statuses, expected) in [
            (&[200, 201, 202, 204, 299][..], "delivered"),
            (&[429, 502, 503, 504], "later, all"),
            (&[408, 425, 500, 501, 505, 507, 599], "later"),
            (&[300, 301, 302, 303, 304, 307, 308, 401, 403, 404, 410], "never, destination"),
            (&[400, 402, 405, 406, 409, 411, 413, 414, 415, 418, 422, 431, 451, 499, 600, 999], "never, message"),
        ] {
            for status in statuses {
                assert_eq!(verdict(*status), expected, "{status}");
            }
        }
    }

    #[test]
    fn an_exception_goes_before_the_rule() {
        let slow_down = reply(403, "").verdict(|_| Some(FailureClass::Later { lane: true }));
        assert!(matches!(slow_down, Err(SendError::Later { lane: true, .. })));
        let refused = reply(200, r#"{"ok":false}"#).verdict(|_| Some(FailureClass::NeverMessage)).expect_err("refused");
        assert_eq!(refused.cause().reason(), "failed_with_2xx");
        assert_eq!(refused.cause().to_string(), r#"status 200: {"ok":false}"#);
    }

    #[test]
    fn a_cause_repeats_no_secret_and_no_control() {
        let cause = reply(404, "no hook\r\n \u{1b}[31ms3cr3t at https://x.example/s/1?t=2").cause();
        assert_eq!(cause.to_string(), "status 404: no hook \u{fffd}[31m… at https://x.example/…");
        assert_eq!(cause.reason(), "status_404");
        assert_eq!(reply(500, "").cause().to_string(), "status 500");
        let binary = Reply::new(500, HeaderMap::new(), vec![0xff, 0xfe, b'a'], Arc::default()).cause();
        assert_eq!(binary.to_string(), "status 500: \u{fffd}\u{fffd}a");
    }
}
