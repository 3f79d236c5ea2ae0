//! The admin API's own words for what it does not do. Its askers are the operators: they are told why.

use axum::http::StatusCode;
use tracing::error;

use crate::fault::Fault;
use crate::http_server::Refusal;

impl Refusal {
    /// The asker's mistake: 400.
    pub fn wrong(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::bad_request(error.into(), hint.into())
    }

    /// There is no such thing: 404.
    pub fn unknown(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::with(StatusCode::NOT_FOUND, error.into(), hint.into())
    }

    /// Not now: 503.
    pub fn unready(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::with(StatusCode::SERVICE_UNAVAILABLE, error.into(), hint.into())
    }

    /// Something broke in the house: 500, and the log has it too.
    pub fn broken(fault: &Fault) -> Self {
        error!(reason = fault.reason(), "the admin API could not answer: {fault}");
        Self::with(StatusCode::INTERNAL_SERVER_ERROR, fault.to_string(), "the daemon's log may say more")
    }
}
