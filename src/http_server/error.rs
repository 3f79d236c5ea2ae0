//! The error answer of every HTTP endpoint: a status, and `{"error", "hint"}` as JSON.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::header::{ALLOW, CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing::error;

use crate::fault::Fault;

/// `Retry-After` where nothing better is known.
const RETRY_SOON: Duration = Duration::from_secs(5);

/// `error` is the cause, `hint` what the client can do. Clients of the listener are untrusted: neither may hold secrets
/// or internals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpError {
    pub status: StatusCode,
    pub error: Text,
    pub hint: Text,
    pub retry_after: Option<Duration>,
    /// For `WWW-Authenticate`, beside a 401.
    pub challenge: Option<&'static str>,
}

type Text = Cow<'static, str>;

impl HttpError {
    pub fn new(status: StatusCode, error: impl Into<Text>, hint: impl Into<Text>) -> Self {
        Self { status, error: error.into(), hint: hint.into(), retry_after: None, challenge: None }
    }

    /// 400
    pub fn bad_request(error: impl Into<Text>, hint: impl Into<Text>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, hint)
    }

    /// 404
    pub fn not_found(error: impl Into<Text>, hint: impl Into<Text>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, hint)
    }

    /// 429 with `Retry-After`.
    pub fn too_busy(retry_after: Duration) -> Self {
        let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "too many requests are waiting", "send it again later");
        Self { retry_after: Some(retry_after), ..error }
    }

    /// 500 for untrusted clients: the cause is only in the log.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal error", "the daemon's log has the cause")
    }

    /// 500 for operators: the cause is logged and in the answer.
    pub fn internal_fault(fault: &Fault) -> Self {
        error!(reason = fault.reason(), "request failed: {fault}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, fault.to_string(), "the daemon's log may have more")
    }

    /// 503
    pub fn unavailable(error: impl Into<Text>, hint: impl Into<Text>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, hint)
    }

    /// 503 with `Retry-After`: the daemon is stopping.
    pub fn stopping() -> Self {
        let error = Self::unavailable("the daemon is stopping", "send it again when the daemon has started");
        Self { retry_after: Some(RETRY_SOON), ..error }
    }
}

/// For untrusted clients: why `Outbox::put` did not accept an event.
impl From<Fault> for HttpError {
    fn from(fault: Fault) -> Self {
        match fault.reason() {
            "busy" => Self::too_busy(RETRY_SOON),
            "state_file" => {
                let error = Self::unavailable("the event cannot be stored at the moment", "send it again later");
                Self { retry_after: Some(RETRY_SOON), ..error }
            }
            "closing" => Self::stopping(),
            reason => {
                error!(reason, "request failed: {fault}");
                Self::internal()
            }
        }
    }
}

impl IntoResponse for HttpError {
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
