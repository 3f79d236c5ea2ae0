//! A request to an endpoint, and the answer of a hook.

use std::fmt;

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::http_server::HttpError;

/// One POST to an endpoint: complete and within its limits, but not verified.
#[derive(Clone)]
pub struct HookRequest {
    pub headers: HeaderMap,
    /// Still encoded. It may hold secrets: keep it out of logs.
    pub query: Option<String>,
    pub body: Bytes,
}

/// Leaves out the headers and the query, which may hold secrets.
impl fmt::Debug for HookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HookRequest({} headers, {} bytes)", self.headers.len(), self.body.len())
    }
}

pub type HookResult = Result<Accepted, HttpError>;

/// 202: so many events are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    events: usize,
}

impl Accepted {
    /// Only for events that are committed. Zero is fine: some senders test a hook with a request without events.
    pub fn new(events: usize) -> Self {
        Self { events }
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(json!({ "accepted": self.events }))).into_response()
    }
}
