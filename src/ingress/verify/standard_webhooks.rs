//! Standard Webhooks: <https://www.standardwebhooks.com>. Svix, their origin, has its own names for the headers.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::Mac;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName};

use super::check::{TOLERANCE, VerifyError, check_fresh, only_text};
use super::hmac_signature::MacKey;
use super::secrets::secrets;
use crate::config_reader::{Problem, TableReader};

const HEADERS: [[&str; 3]; 2] =
    [["webhook-id", "webhook-timestamp", "webhook-signature"], ["svix-id", "svix-timestamp", "svix-signature"]];

#[derive(Debug)]
pub struct StandardWebhooks {
    keys: Vec<MacKey>,
    tolerance: Duration,
}

impl StandardWebhooks {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let secrets = secrets(table, "standard_webhooks");
        let tolerance = table.wait("tolerance");
        let secrets = secrets?;
        let keys: Vec<_> = secrets
            .iter()
            .filter_map(|secret| {
                let key = parse(secret.value.expose());
                if key.is_none() {
                    let wrong = "a key of Standard Webhooks is `whsec_` and 24 to 64 bytes in Base64";
                    table.reader.problem(Problem::error(secret.span.clone(), wrong));
                }
                key
            })
            .collect();
        (keys.len() == secrets.len()).then(|| Self { keys, tolerance: tolerance.unwrap_or(TOLERANCE) })
    }

    /// Yields the signed id of this delivery, which is the same when the delivery is sent again.
    pub(super) fn check<'h>(
        &self,
        headers: &'h HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<&'h str, VerifyError> {
        let sent = HEADERS.iter().find(|[.., signature]| headers.contains_key(*signature));
        let [id, timestamp, signatures] = sent.unwrap_or(&HEADERS[0]).map(HeaderName::from_static);
        let (id, stamp) = (only_text(headers, &id)?, only_text(headers, &timestamp)?);
        let signed = [id.as_bytes(), b".", stamp.as_bytes(), b".", body];
        let macs = self.keys.iter().map(|key| key.over(signed));
        let sent = only_text(headers, &signatures)?;
        // Other versions than v1 (v1a is public-key) are ignored.
        let sent = sent.split(' ').filter_map(|entry| BASE64_STANDARD.decode(entry.strip_prefix("v1,")?).ok());
        let sent: Vec<_> = sent.collect();
        let mut matches = false;
        for mac in macs {
            for signature in &sent {
                matches |= mac.clone().verify_slice(signature).is_ok();
            }
        }
        if !matches {
            return Err(VerifyError::Signature);
        }
        let then = stamp.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        let then = then.ok_or(VerifyError::Malformed(timestamp))?;
        check_fresh(then, now, self.tolerance)?;
        Ok(id)
    }
}

/// Some vendors show the key without its prefix.
fn parse(text: &str) -> Option<MacKey> {
    let bytes = BASE64_STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok()?;
    (24..=64).contains(&bytes.len()).then(|| MacKey::new(&bytes))
}
