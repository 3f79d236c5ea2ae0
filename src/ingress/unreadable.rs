//! Why an authenticated request holds no events.

use axum::http::StatusCode;

use crate::http_server::HttpError;

/// Each variant has its own status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub enum Unreadable {
    Malformed(String),
    TooLarge(String),
    ContentType(String),
}

impl Unreadable {
    pub fn malformed(why: impl Into<String>) -> Self {
        Self::Malformed(why.into())
    }
}

impl From<Unreadable> for HttpError {
    fn from(unreadable: Unreadable) -> Self {
        let (status, hint) = match unreadable {
            Unreadable::Malformed(_) => (StatusCode::BAD_REQUEST, "nothing was stored"),
            Unreadable::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "nothing was stored"),
            Unreadable::ContentType(_) => {
                let hint = "send application/json, application/x-www-form-urlencoded or CloudEvents";
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, hint)
            }
        };
        Self::new(status, unreadable.to_string(), hint)
    }
}
