//! What a check of a request yields, and what all checks share.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// How far the sender's clock and ours may differ, the request's time on the network included.
pub(super) const TOLERANCE: Duration = Duration::from_secs(300);

/// What an authenticated request has proved to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Only who sent it: it may be a copy of another request.
    Sender,
    /// The delivery of this id, which was signed.
    Delivery(String),
    /// The digest of a signature over a time: every copy of the request has the same.
    Signature(String),
}

/// Why authentication failed. Tells the sender what it sent, and nothing of what would have been right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    #[error("the header `{0}` is missing")]
    Missing(HeaderName),
    #[error("the header `{0}` occurs more than once")]
    Repeated(HeaderName),
    #[error("the header `{0}` is malformed")]
    Malformed(HeaderName),
    #[error("the signature does not match the body and the secret")]
    Signature,
    #[error("the signature is valid, but more than {} s old or in the future; is a clock wrong?", .0.as_secs())]
    Stale(Duration),
    #[error("the credentials are wrong")]
    Credentials,
}

/// The one value of a header. Of two, another program could read the other one, so they are refused.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h HeaderValue, VerifyError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| VerifyError::Missing(name.clone()))?;
    match values.next() {
        None => Ok(value),
        Some(_) => Err(VerifyError::Repeated(name.clone())),
    }
}

pub(super) fn only_text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, VerifyError> {
    only(headers, name)?.to_str().map_err(|_| VerifyError::Malformed(name.clone()))
}

/// Refuses what was signed at `then`, too long ago or in the future.
pub(super) fn check_fresh(then: Timestamp, now: Timestamp, tolerance: Duration) -> Result<(), VerifyError> {
    if now.duration_since(then).unsigned_abs() <= tolerance { Ok(()) } else { Err(VerifyError::Stale(tolerance)) }
}
