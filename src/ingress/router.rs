//! Reads what is brought, within its limits, and hands it to whoever waits for it.
//!
//! What can be refused without reading the body is; the rest is read before it takes a turn with its receiver, so that
//! who dawdles takes nobody's turn.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{BodyDataStream, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{ALLOW, CONTENT_LENGTH, EXPECT};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::{FutureExt, StreamExt};
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{debug, error};

use super::{Answer, Hook, HookRequest};
use crate::event::Name;
use crate::http_server::Refusal;
use crate::http_server::Slot;
use crate::metrics::EndpointMetrics;
use crate::stop::Stop;
use crate::supervisor::panic_message;

/// How much work is put up with at a time, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For a whole body, once its headers are there.
    pub(super) body: Duration,
    /// Requests with their receivers at a time: more would only wait for the same disk.
    pub(super) turns: usize,
    /// How long one waits for its turn.
    pub(super) turn: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: Duration::from_secs(30), turns: 128, turn: Duration::from_secs(2) }
    }
}

/// So much of a body that nobody wants is read all the same: who is cut off in the middle of it hears no answer.
const POLITE: usize = 4 << 20;
const POLITELY: Duration = Duration::from_secs(1);

/// Takes what was brought. `app` puts the sources behind this.
pub trait Receiver: Send + Sync + 'static {
    fn receive(&self, request: HookRequest) -> impl Future<Output = Answer> + Send;
}

/// One hook and who waits behind it.
pub struct Endpoint<R> {
    pub name: Name,
    pub hook: Hook,
    pub receiver: R,
    pub metrics: EndpointMetrics,
}

pub(super) struct Router<R> {
    places: Vec<(String, Endpoint<R>)>,
    /// For requests that find no place.
    unmatched: EndpointMetrics,
    limits: Limits,
    turns: Semaphore,
    stop: Stop,
}

impl<R: Receiver> Router<R> {
    pub(super) fn new(places: Vec<Endpoint<R>>, unmatched: EndpointMetrics, limits: Limits, stop: Stop) -> Self {
        let places = places.into_iter().map(|place| (place.hook.path(&place.name), place)).collect();
        Self { places, unmatched, limits, turns: Semaphore::new(limits.turns), stop }
    }

    pub(super) fn router(self) -> axum::Router {
        axum::Router::new().fallback(request::<R>).with_state(Arc::new(self))
    }

    /// Every path is compared, and each in constant time: how long it takes tells nobody how near they were.
    fn place(&self, path: &str) -> Option<&Endpoint<R>> {
        let path = decoded(path);
        let mut found = None;
        for (known, place) in &self.places {
            if bool::from(known.as_bytes().ct_eq(path.as_bytes())) {
                found = Some(place);
            }
        }
        found
    }

    async fn answer(&self, place: &Endpoint<R>, slot: &Slot, request: Request) -> Result<Response, Refusal> {
        if self.stop.is_triggered() {
            return Err(Refusal::closing());
        }
        let (head, body) = request.into_parts();
        if head.method == Method::OPTIONS && place.hook.is_asked_first() && head.headers.contains_key(ORIGIN) {
            return Ok(welcome_to_send(&head.headers));
        }
        slot.is_reading();
        let mut body = body.into_data_stream();
        let read = if head.method == Method::POST {
            self.read(&mut body, &head.headers, place.hook.max_body(), slot).await
        } else {
            Err(Refusal::not_post())
        };
        let body = match read {
            Ok(body) => body,
            Err(refusal) => {
                if refusal.status() != StatusCode::REQUEST_TIMEOUT {
                    hear_out(body, &head.headers).await;
                }
                return Err(refusal);
            }
        };
        slot.is_whole().map_err(|_| too_crowded())?;
        let turn = timeout(self.limits.turn, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| Refusal::busy(AGAIN))?;
        let query = head.uri.query().map(str::to_owned);
        let receiving = place.receiver.receive(HookRequest { headers: head.headers, query, body });
        match AssertUnwindSafe(receiving).catch_unwind().await {
            Ok(answer) => Ok(answer?.into_response()),
            Err(panic) => {
                error!(source = %place.name, "what was brought made its receiver panic: {}", panic_message(&*panic));
                Err(Refusal::broken_here())
            }
        }
    }

    async fn read(
        &self,
        body: &mut BodyDataStream,
        headers: &HeaderMap,
        most: usize,
        slot: &Slot,
    ) -> Result<Bytes, Refusal> {
        let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|length| length > most) {
            return Err(Refusal::too_large(most));
        }
        let deadline = Instant::now() + self.limits.body;
        let (mut first, mut all) = (Bytes::new(), Vec::new());
        let mut length = 0;
        loop {
            let chunk = timeout_at(deadline, body.next()).await.map_err(|_| Refusal::too_slow(self.limits.body))?;
            let Some(chunk) = chunk else { break };
            let chunk = chunk.map_err(|_| Refusal::bad_request("the body did not arrive whole", "send it again"))?;
            length += chunk.len();
            if length > most {
                return Err(Refusal::too_large(most));
            }
            slot.holds(chunk.len()).map_err(|_| too_crowded())?;
            // Most bodies come in one piece, which is passed on as it is.
            if first.is_empty() {
                first = chunk;
            } else {
                if all.is_empty() {
                    all.extend_from_slice(&first);
                }
                all.extend_from_slice(&chunk);
            }
        }
        Ok(if all.is_empty() { first } else { all.into() })
    }
}

/// When to come again after a moment's crowd.
const AGAIN: Duration = Duration::from_secs(2);

fn too_crowded() -> Refusal {
    Refusal::busy(AGAIN)
}

async fn request<R: Receiver>(
    State(router): State<Arc<Router<R>>>,
    ConnectInfo(slot): ConnectInfo<Slot>,
    request: Request,
) -> Response {
    let Some(place) = router.place(request.uri().path()) else {
        let (head, body) = request.into_parts();
        slot.is_reading();
        hear_out(body.into_data_stream(), &head.headers).await;
        let refusal = Refusal::not_found();
        router.unmatched.answered(refusal.status().as_u16());
        return refusal.into_response();
    };
    let response = router.answer(place, &slot, request).await.unwrap_or_else(|refusal| {
        debug!(source = %place.name, status = %refusal.status(), "a request was refused: {}", refusal.error());
        refusal.into_response()
    });
    match response.status() {
        StatusCode::ACCEPTED => _ = place.metrics.accepted.inc(),
        other => place.metrics.answered(other.as_u16()),
    }
    response
}

/// Reads on for a moment. A sender that waits for leave to send its body never gets it.
async fn hear_out(mut body: BodyDataStream, headers: &HeaderMap) {
    if headers.contains_key(EXPECT) {
        return;
    }
    let mut left = POLITE;
    let reading = async {
        while let Some(Ok(chunk)) = body.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                return;
            }
        }
    };
    // Whether it came to its end makes no difference.
    let _ended = timeout(POLITELY, reading).await;
}

const ORIGIN: &str = "webhook-request-origin";

/// `CloudEvents` web hooks, section 4: whoever may knock here may send, and as fast as we answer.
fn welcome_to_send(headers: &HeaderMap) -> Response {
    let mut response = StatusCode::OK.into_response();
    let answer = response.headers_mut();
    answer.insert(ALLOW, axum::http::HeaderValue::from_static("POST"));
    answer.insert("webhook-allowed-rate", axum::http::HeaderValue::from_static("*"));
    if let Some(origin) = headers.get(ORIGIN) {
        answer.insert("webhook-allowed-origin", origin.clone());
    }
    response
}

/// A path with its `%2F` and the like as what they stand for. What stands for no text is left as it is.
fn decoded(path: &str) -> Cow<'_, str> {
    percent_decode_str(path).decode_utf8().unwrap_or(path.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::decoded;

    #[test]
    fn a_path_is_read_once_and_what_is_no_text_stays() {
        for (path, plain) in [
            ("/a/b", "/a/b"),
            ("/a%2Fb%3d", "/a/b="),
            ("/%C3%A9", "/é"),
            ("/%2541", "/%41"),
            ("/100%", "/100%"),
            ("/%4", "/%4"),
            ("/%zz", "/%zz"),
            ("/%ff", "/%ff"),
        ] {
            assert_eq!(decoded(path), plain, "{path}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read(path in "[/a%0-9A-F\\PC]{0,40}") {
            let plain = decoded(&path);
            prop_assert!(plain.len() <= path.len());
        }
    }
}
