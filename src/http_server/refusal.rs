//! What is said to whoever is not served: always with the way out, and when to come again where that would help.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::header::{ALLOW, CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing::error;

use crate::fault::Fault;

/// When to come again, where nothing better is known.
const SOON: Duration = Duration::from_secs(5);

/// Whoever makes one keeps secrets and the house's inner life out of it: strangers read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    error: Cow<'static, str>,
    hint: Cow<'static, str>,
    retry_after: Option<Duration>,
    challenge: Option<&'static str>,
}

type Words = Cow<'static, str>;

impl Refusal {
    pub fn with(status: StatusCode, error: impl Into<Words>, hint: impl Into<Words>) -> Self {
        Self { status, error: error.into(), hint: hint.into(), retry_after: None, challenge: None }
    }

    /// 400: what was sent cannot be understood, and why.
    pub fn bad_request(error: impl Into<Words>, hint: impl Into<Words>) -> Self {
        Self::with(StatusCode::BAD_REQUEST, error, hint)
    }

    /// 401: nothing shows that the sender is who they should be. Say which proof was missing, never what it should be.
    pub fn unauthorized(error: impl Into<Words>, hint: impl Into<Words>) -> Self {
        Self::with(StatusCode::UNAUTHORIZED, error, hint)
    }

    /// 404, also for what may not be known to exist.
    pub fn not_found() -> Self {
        Self::with(StatusCode::NOT_FOUND, "there is nothing at this path", "the path is set in relays.toml")
    }

    /// 405: the listener takes what is brought, and shows nothing.
    pub fn not_post() -> Self {
        Self::with(StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method", "send it with POST")
    }

    /// 408: it did not come whole within its time.
    pub fn too_slow(limit: Duration) -> Self {
        let error = format!("the body did not arrive within {} s", limit.as_secs());
        Self::with(StatusCode::REQUEST_TIMEOUT, error, "send it again, faster")
    }

    /// 413: more than `limit` bytes.
    pub fn too_large(limit: usize) -> Self {
        let hint = format!("{limit} bytes are taken; `max_body` of the source in relays.toml changes that");
        Self::with(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", hint)
    }

    /// 415: not in a form that is read here.
    pub fn unsupported(error: impl Into<Words>, hint: impl Into<Words>) -> Self {
        Self::with(StatusCode::UNSUPPORTED_MEDIA_TYPE, error, hint)
    }

    /// 429: we have more than enough to do.
    pub fn busy(wait: Duration) -> Self {
        let refusal = Self::with(StatusCode::TOO_MANY_REQUESTS, "too much is waiting here", "send it again later");
        Self { retry_after: Some(wait), ..refusal }
    }

    /// 503: it cannot be written down, so it is not taken.
    pub fn not_written(wait: Duration) -> Self {
        let error = "this cannot be kept at the moment, so it was not taken";
        let refusal = Self::with(StatusCode::SERVICE_UNAVAILABLE, error, "send it again later");
        Self { retry_after: Some(wait), ..refusal }
    }

    /// 503: the daemon is on its way down, or not yet up.
    pub fn closing() -> Self {
        let refusal =
            Self::with(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping", "send it again when it is back");
        Self { retry_after: Some(SOON), ..refusal }
    }

    /// 500: strangers are not told more; the log has it.
    pub fn broken_here() -> Self {
        Self::with(StatusCode::INTERNAL_SERVER_ERROR, "something broke here", "the daemon's log says more")
    }

    /// What `WWW-Authenticate` asks for, beside a 401.
    #[must_use]
    pub fn challenge(self, scheme: &'static str) -> Self {
        Self { challenge: Some(scheme), ..self }
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn error(&self) -> &str {
        &self.error
    }

    pub fn hint(&self) -> &str {
        &self.hint
    }
}

/// What `Outbox::put` says when it does not take something, as the sender should hear it.
impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault.reason() {
            "busy" => Self::busy(SOON),
            "state_file" => Self::not_written(SOON),
            "closing" => Self::closing(),
            reason => {
                error!(reason, "a request could not be answered: {fault}");
                Self::broken_here()
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "error": self.error, "hint": self.hint }))).into_response();
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if let Some(scheme) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.entry(ALLOW).or_insert(HeaderValue::from_static("POST"));
        }
        if self.status == StatusCode::REQUEST_TIMEOUT {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
