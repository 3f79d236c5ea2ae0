//! What the desk says when it does not do what it was asked: always with the way out.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing::error;

use crate::fault::Fault;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    error: String,
    hint: String,
}

impl Refusal {
    /// The asker's mistake: 400.
    pub fn wrong(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::with(StatusCode::BAD_REQUEST, error, hint)
    }

    /// There is no such thing: 404.
    pub fn unknown(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::with(StatusCode::NOT_FOUND, error, hint)
    }

    /// Not now: 503.
    pub fn unready(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::with(StatusCode::SERVICE_UNAVAILABLE, error, hint)
    }

    pub(super) fn with(status: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { status, error: error.into(), hint: hint.into() }
    }

    pub fn error(&self) -> &str {
        &self.error
    }

    pub fn hint(&self) -> &str {
        &self.hint
    }
}

/// Something broke in the house: 500, and the log has it too.
impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        error!(reason = fault.reason(), "the desk could not answer: {fault}");
        Self::with(StatusCode::INTERNAL_SERVER_ERROR, fault.to_string(), "the daemon's log may say more")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.error, "hint": self.hint }))).into_response()
    }
}
