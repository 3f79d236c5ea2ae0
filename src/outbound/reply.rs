//! What came back, and the one place where it is judged.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::redact;
use crate::fault::Fault;
use crate::message::SendError;

/// Nobody who wants more silence than this means it; the lane asks again.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What came back: never followed, capped, and not yet judged.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
    /// What the body must not be repeated with.
    secrets: Arc<[String]>,
}

/// How far the trouble reaches; see [`SendError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Later { lane: bool },
    NeverMessage,
    NeverDestination,
}

impl Reply {
    pub(super) fn new(status: u16, retry_after: Option<Duration>, body: Vec<u8>, secrets: Arc<[String]>) -> Self {
        Self { status, retry_after, body, secrets }
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether it was delivered. `except` is asked first: it names what a vendor means otherwise than everyone
    /// else, an error within a 200 included, and gives None for all the rest.
    pub fn verdict(&self, except: impl FnOnce(&Self) -> Option<Class>) -> Result<(), SendError> {
        match except(self) {
            Some(class) => Err(self.refusal(class)),
            None if self.is_success() => Ok(()),
            None => Err(self.refusal(usual_class(self.status))),
        }
    }

    /// One part of this reply that has a status of its own, as replies to many things at once have.
    #[must_use]
    pub fn part(&self, status: u16, said: &str) -> Self {
        Self { status, body: said.into(), ..self.clone() }
    }

    /// The status and what the receiver says to it, fit to be logged and shown.
    pub fn cause(&self) -> Fault {
        let said = redact::clean(&String::from_utf8_lossy(&self.body), &self.secrets);
        let said =
            if said.is_empty() { format!("status {}", self.status) } else { format!("status {}: {said}", self.status) };
        let fault = Fault::new(reason(self.status), said);
        if self.body.is_empty() { fault } else { fault.with_reply(redact::kept(&self.body, &self.secrets)) }
    }

    fn refusal(&self, class: Class) -> SendError {
        let cause = self.cause();
        match class {
            // A gateway that waited in vain has passed it on.
            Class::Later { lane } => {
                SendError::Later { wait: self.retry_after, lane, maybe: self.status == 504, cause }
            }
            Class::NeverMessage => SendError::NeverMessage(cause),
            Class::NeverDestination => SendError::NeverDestination(cause),
        }
    }
}

/// What statuses mean to everyone (RFC 9110), unless a vendor's page says otherwise.
fn usual_class(status: u16) -> Class {
    match status {
        // A limit, or a peer whose front door says that nobody is in: whatever comes next would hear the same.
        429 | 502..=504 => Class::Later { lane: true },
        408 | 425 | 500 | 501 | 505..=599 => Class::Later { lane: false },
        // Redirects are not followed: where a webhook moved to is for a person to write down.
        300..=399 | 401 | 403 | 404 | 410 => Class::NeverDestination,
        _ => Class::NeverMessage,
    }
}

/// The label under which failures are counted.
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

/// `Retry-After`: seconds, or one of the three dates of RFC 9110. What is past, zero or unreadable is no wish.
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    const DATES: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let value = value.trim();
    // Some answer with a fraction; nobody means `inf` or `1e9`.
    let wait = if value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        let seconds: f64 = value.parse().ok()?;
        Duration::from_secs_f64(seconds.min(LONGEST_WAIT.as_secs_f64()))
    } else {
        let date = DATES.iter().find_map(|form| DateTime::strptime(form, value).ok())?;
        let then = date.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Duration::try_from(then.duration_since(now)).ok()?
    };
    Some(wait.min(LONGEST_WAIT)).filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply::new(status, None, body.into(), Arc::from(["s3cr3t".to_owned()]))
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
        let slow_down = reply(403, "").verdict(|_| Some(Class::Later { lane: true }));
        assert!(matches!(slow_down, Err(SendError::Later { lane: true, .. })));
        let refused = reply(200, r#"{"ok":false}"#).verdict(|_| Some(Class::NeverMessage)).expect_err("refused");
        assert_eq!(refused.cause().reason(), "failed_with_2xx");
        assert_eq!(refused.cause().to_string(), r#"status 200: {"ok":false}"#);
    }

    #[test]
    fn a_cause_repeats_no_secret_and_no_control() {
        let cause = reply(404, "no hook\r\n \u{1b}[31ms3cr3t at https://x.example/s/1?t=2").cause();
        assert_eq!(cause.to_string(), "status 404: no hook \u{fffd}[31m… at https://x.example/…");
        assert_eq!(cause.reason(), "status_404");
        assert_eq!(reply(500, "").cause().to_string(), "status 500");
        let binary = Reply::new(500, None, vec![0xff, 0xfe, b'a'], Arc::default()).cause();
        assert_eq!(binary.to_string(), "status 500: \u{fffd}\u{fffd}a");
    }

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        let now: Timestamp = "1994-11-06T08:49:07Z".parse().expect("a time");
        let half_a_minute = Some(Duration::from_secs(30));
        for (value, wait) in [
            ("30", half_a_minute),
            (" 30 ", half_a_minute),
            ("0.5", Some(Duration::from_millis(500))),
            ("Sun, 06 Nov 1994 08:49:37 GMT", half_a_minute),
            ("Sunday, 06-Nov-94 08:49:37 GMT", half_a_minute),
            ("Sun Nov  6 08:49:37 1994", half_a_minute),
            ("99999999999999999999999999", Some(LONGEST_WAIT)),
            ("Thu, 06 Nov 2994 08:49:37 GMT", Some(LONGEST_WAIT)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", None),
            ("0", None),
            ("-30", None),
            ("", None),
            ("inf", None),
            ("1.2.3", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(value, now), wait, "{value:?}");
        }
    }
}
