//! Reads a request's body within its limits, or discards one that is refused.

use std::time::Duration;

use axum::body::{BodyDataStream, Bytes};
use axum::http::header::{CONTENT_LENGTH, EXPECT};
use axum::http::{HeaderMap, StatusCode};
use futures::StreamExt;
use tokio::time::{Instant, timeout, timeout_at};

use crate::http_server::{HttpError, Slot};

/// So much of a refused body is read: a client whose connection is closed in the middle of it sees no answer.
const MAX_DISCARDED: usize = 4 << 20;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// `Retry-After` of a 429.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(2);

pub(super) async fn read_body(
    body: &mut BodyDataStream,
    headers: &HeaderMap,
    max: usize,
    time: Duration,
    slot: &Slot,
) -> Result<Bytes, HttpError> {
    let too_large = || {
        let hint = format!("the limit is {max} bytes; `max_body` in relays.toml sets it");
        HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", hint)
    };
    let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    let deadline = Instant::now() + time;
    let too_late = |_| {
        let error = format!("the body did not arrive within {} s", time.as_secs());
        HttpError::new(StatusCode::REQUEST_TIMEOUT, error, "send the request again, faster")
    };
    let (mut chunks, mut length): (Vec<Bytes>, usize) = (Vec::new(), 0);
    while let Some(chunk) = timeout_at(deadline, body.next()).await.map_err(too_late)? {
        let chunk = chunk.map_err(|_| HttpError::bad_request("the body is incomplete", "send it again"))?;
        length += chunk.len();
        if length > max {
            return Err(too_large());
        }
        slot.add_body_bytes(chunk.len()).map_err(|_| HttpError::too_busy(RETRY_AFTER))?;
        chunks.push(chunk);
    }
    // Most bodies come in one chunk, which is not copied.
    Ok(if chunks.len() == 1 { chunks.remove(0) } else { chunks.concat().into() })
}

/// Reads on for a moment. A client that waits for `100 Continue` before it sends its body gets the answer at once.
pub(super) async fn discard(mut body: BodyDataStream, headers: &HeaderMap) {
    if headers.contains_key(EXPECT) {
        return;
    }
    let mut left = MAX_DISCARDED;
    let reading = async {
        while let Some(Ok(chunk)) = body.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                return;
            }
        }
    };
    let _complete = timeout(DISCARD_TIMEOUT, reading).await;
}
