//! Payloads as request bodies, and keys that fit into them.

use std::borrow::Cow;

use serde::Serialize;

use crate::fault::Fault;
use crate::message::{SendError, Unit, cut};

/// A payload as the body of a request.
pub(super) fn to_body(payload: &impl Serialize) -> Result<Vec<u8>, SendError> {
    serde_json::to_vec(payload).map_err(|error| {
        SendError::NeverMessage(Fault::new("unwritable", format!("the payload cannot be written as JSON: {error}")))
    })
}

/// `key` within `limit` UTF-16 units. The end of a longer one becomes a digest, so that different keys stay different.
pub(super) fn fitting_key(key: &str, limit: usize) -> Cow<'_, str> {
    // There are never more UTF-16 units than bytes.
    if key.len() <= limit || Unit::Utf16.count(key) <= limit {
        return Cow::Borrowed(key);
    }
    let digest = format!("#{:016x}", stable_digest(key));
    Cow::Owned(format!("{}{digest}", cut(key, limit - digest.len(), Unit::Utf16)))
}

/// FNV-1a, written out: the standard library's hash may change, and a newer tidings must resolve the incidents that an
/// older one opened.
fn stable_digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keys_fit_and_stay_different() {
        assert_eq!(fitting_key("prod/web", 255), "prod/web");
        let (one, other) = (format!("{}a", "é".repeat(300)), format!("{}b", "é".repeat(300)));
        let (one, other) = (fitting_key(&one, 255), fitting_key(&other, 255));
        assert_ne!(one, other);
        assert_eq!((Unit::Utf16.count(&one), Unit::Utf16.count(&other)), (255, 255));
        // Part of the keys of open incidents: it must never change.
        assert_eq!(stable_digest("tidings"), 0xf6cf_e9e6_52b1_3c23);
    }
}
