//! What somebody brought, and what they are told.

use std::fmt;

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::http_server::Refusal;

/// One request to a hook: whole and within its limits, but from anybody. Verify it before anything else.
#[derive(Clone)]
pub struct HookRequest {
    pub headers: HeaderMap,
    /// As it came, still encoded. It may hold secrets: keep it out of logs.
    pub query: Option<String>,
    pub body: Bytes,
}

/// Headers and query hold the sender's secrets.
impl fmt::Debug for HookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Knock({} headers, {} bytes)", self.headers.len(), self.body.len())
    }
}

pub type Answer = Result<Accepted, Refusal>;

/// What was brought is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    accepted: usize,
}

impl Accepted {
    /// Say so only when these events are committed. None at all is fine too: a sender may only try the road.
    pub fn accepted(events: usize) -> Self {
        Self { accepted: events }
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(json!({ "accepted": self.accepted }))).into_response()
    }
}
