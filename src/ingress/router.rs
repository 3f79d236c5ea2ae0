//! Finds the endpoint of a request, reads the request within its limits and passes it to the endpoint's receiver.
//!
//! Bodies are read before a request waits for its turn with a receiver, so slow senders block no others.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::{debug, error};

use super::body_reader::{RETRY_AFTER, discard, read_body};
use super::endpoint::EndpointConfig;
use super::request::HookRequest;
use crate::event::Name;
use crate::http_server::{HttpError, Slot};
use crate::metrics::EndpointMetrics;
use crate::stop::Stop;
use crate::supervisor::panic_message;

#[derive(Debug, Clone, Copy)]
pub(super) struct RouterLimits {
    /// For a whole body, once its headers have arrived.
    pub(super) body: Duration,
    /// Requests with their receivers at a time: more would only wait for the same disk.
    pub(super) concurrent: usize,
    /// How long a request waits to be one of them.
    pub(super) wait: Duration,
}

impl Default for RouterLimits {
    fn default() -> Self {
        Self { body: Duration::from_secs(30), concurrent: 128, wait: Duration::from_secs(2) }
    }
}

/// Answers the requests to an endpoint. The hook of a source answers with [`Accepted`](super::Accepted); others may
/// give any response.
pub trait Receiver: Send + Sync + 'static {
    fn receive(&self, request: HookRequest) -> impl Future<Output = Result<Response, HttpError>> + Send;
}

pub struct Endpoint<R> {
    pub name: Name,
    pub config: EndpointConfig,
    pub receiver: R,
    pub metrics: EndpointMetrics,
}

pub(super) struct Router<R> {
    endpoints: Vec<(String, Endpoint<R>)>,
    unmatched: EndpointMetrics,
    limits: RouterLimits,
    turns: Semaphore,
    stop: Stop,
}

impl<R: Receiver> Router<R> {
    pub(super) fn new(
        endpoints: Vec<Endpoint<R>>,
        unmatched: EndpointMetrics,
        limits: RouterLimits,
        stop: Stop,
    ) -> Self {
        let endpoints = endpoints.into_iter().map(|endpoint| (endpoint.config.path(&endpoint.name), endpoint));
        Self { endpoints: endpoints.collect(), unmatched, limits, turns: Semaphore::new(limits.concurrent), stop }
    }

    pub(super) fn into_axum(self) -> axum::Router {
        axum::Router::new().fallback(respond::<R>).with_state(Arc::new(self))
    }

    /// Compares every path in constant time, so that the time of an answer tells nothing about a secret path.
    fn endpoint(&self, path: &str) -> Option<&Endpoint<R>> {
        let path = decode_path(path);
        let mut found = None;
        for (known, endpoint) in &self.endpoints {
            if bool::from(known.as_bytes().ct_eq(path.as_bytes())) {
                found = Some(endpoint);
            }
        }
        found
    }

    async fn handle(&self, endpoint: &Endpoint<R>, slot: &Slot, request: Request) -> Result<Response, HttpError> {
        if self.stop.is_triggered() {
            return Err(HttpError::stopping());
        }
        let (head, body) = request.into_parts();
        let config = &endpoint.config;
        if head.method == Method::OPTIONS && config.preflight && head.headers.contains_key(ORIGIN) {
            return Ok(preflight_response(&head.headers));
        }
        slot.begin_body();
        let mut body = body.into_data_stream();
        let read = if head.method == Method::POST {
            read_body(&mut body, &head.headers, config.max_body(), self.limits.body, slot).await
        } else {
            Err(HttpError::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not allow that method", "use POST"))
        };
        let body = match read {
            Ok(body) => body,
            Err(error) => {
                if error.status != StatusCode::REQUEST_TIMEOUT {
                    discard(body, &head.headers).await;
                }
                return Err(error);
            }
        };
        slot.end_body().map_err(|_| HttpError::too_busy(RETRY_AFTER))?;
        let turn = timeout(self.limits.wait, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| HttpError::too_busy(RETRY_AFTER))?;
        let query = head.uri.query().map(str::to_owned);
        let receiving = endpoint.receiver.receive(HookRequest { headers: head.headers, query, body });
        AssertUnwindSafe(receiving).catch_unwind().await.unwrap_or_else(|panic| {
            error!(endpoint = %endpoint.name, "receiver panicked: {}", panic_message(&*panic));
            Err(HttpError::internal())
        })
    }
}

async fn respond<R: Receiver>(
    State(router): State<Arc<Router<R>>>,
    ConnectInfo(slot): ConnectInfo<Slot>,
    request: Request,
) -> Response {
    let Some(endpoint) = router.endpoint(request.uri().path()) else {
        let (head, body) = request.into_parts();
        slot.begin_body();
        discard(body.into_data_stream(), &head.headers).await;
        let error = HttpError::not_found("no endpoint at this path", "endpoints are configured in relays.toml");
        router.unmatched.answered(error.status.as_u16());
        return error.into_response();
    };
    let response = router.handle(endpoint, &slot, request).await.unwrap_or_else(|error| {
        debug!(endpoint = %endpoint.name, status = %error.status, "request refused: {}", error.error);
        error.into_response()
    });
    match response.status() {
        StatusCode::ACCEPTED => _ = endpoint.metrics.accepted.inc(),
        other => endpoint.metrics.answered(other.as_u16()),
    }
    response
}

const ORIGIN: &str = "webhook-request-origin";

/// `CloudEvents` web hooks, section 4: every origin may send, at any rate.
fn preflight_response(headers: &HeaderMap) -> Response {
    let mut response = StatusCode::OK.into_response();
    let answer = response.headers_mut();
    answer.insert(ALLOW, HeaderValue::from_static("POST"));
    answer.insert("webhook-allowed-rate", HeaderValue::from_static("*"));
    if let Some(origin) = headers.get(ORIGIN) {
        answer.insert("webhook-allowed-origin", origin.clone());
    }
    response
}

/// Decodes `%2F` and the like, once. A path that decodes to no UTF-8 stays as it is.
fn decode_path(path: &str) -> Cow<'_, str> {
    percent_decode_str(path).decode_utf8().unwrap_or(path.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::decode_path;

    #[test]
    fn a_path_is_decoded_once_and_stays_if_it_is_no_utf_8() {
        for (path, decoded) in [
            ("/a/b", "/a/b"),
            ("/a%2Fb%3d", "/a/b="),
            ("/%C3%A9", "/é"),
            ("/%2541", "/%41"),
            ("/100%", "/100%"),
            ("/%4", "/%4"),
            ("/%zz", "/%zz"),
            ("/%ff", "/%ff"),
        ] {
            assert_eq!(decode_path(path), decoded, "{path}");
        }
    }

    proptest! {
        #[test]
        fn every_path_is_decoded(path in "[/a%0-9A-F\\PC]{0,40}") {
            let decoded = decode_path(&path);
            prop_assert!(decoded.len() <= path.len());
        }
    }
}
