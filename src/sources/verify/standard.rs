//! Standard Webhooks: <https://www.standardwebhooks.com>. Svix, which they come from, spells the headers its own way.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::Mac;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName};
use std::time::Duration;

use super::signature::Key;
use super::{Denied, TOLERANCE, is_fresh, only_text, secrets};
use crate::config_reader::{Problem, TableReader};

const SPELLINGS: [[&str; 3]; 2] =
    [["webhook-id", "webhook-timestamp", "webhook-signature"], ["svix-id", "svix-timestamp", "svix-signature"]];

#[derive(Debug)]
pub(in crate::sources) struct Standard {
    keys: Vec<Key>,
    tolerance: Duration,
}

impl Standard {
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let said = secrets(table, "standard_webhooks");
        let tolerance = table.wait("tolerance");
        let said = said?;
        let keys: Vec<_> = said
            .iter()
            .filter_map(|secret| {
                let key = parse(secret.value.expose());
                if key.is_none() {
                    let wrong = "a key of Standard Webhooks is `whsec_` and 24 to 64 bytes in Base64";
                    table.reading.problem(Problem::error(secret.span.clone(), wrong));
                }
                key
            })
            .collect();
        (keys.len() == said.len()).then(|| Self { keys, tolerance: tolerance.unwrap_or(TOLERANCE) })
    }

    /// Gives the id that was signed: what the sender calls this delivery, the same when it is sent again.
    pub(super) fn check<'h>(&self, headers: &'h HeaderMap, body: &[u8], now: Timestamp) -> Result<&'h str, Denied> {
        let spelling = SPELLINGS.iter().find(|[.., signature]| headers.contains_key(*signature));
        let [id, timestamp, signatures] = spelling.unwrap_or(&SPELLINGS[0]).map(HeaderName::from_static);
        let (id, stamp) = (only_text(headers, &id)?, only_text(headers, &timestamp)?);
        let signed = [id.as_bytes(), b".", stamp.as_bytes(), b".", body];
        let macs = self.keys.iter().map(|key| key.over(signed));
        let shown = only_text(headers, &signatures)?;
        // Other versions than v1 (v1a is public-key) are somebody else's business.
        let shown = shown.split(' ').filter_map(|entry| BASE64_STANDARD.decode(entry.strip_prefix("v1,")?).ok());
        let shown: Vec<_> = shown.collect();
        let mut fits = false;
        for mac in macs {
            for signature in &shown {
                fits |= mac.clone().verify_slice(signature).is_ok();
            }
        }
        if !fits {
            return Err(Denied::Signature);
        }
        let then = stamp.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        let then = then.ok_or(Denied::Malformed(timestamp))?;
        if is_fresh(then, now, self.tolerance) { Ok(id) } else { Err(Denied::Stale(self.tolerance)) }
    }
}

/// Some vendors show the key without its prefix.
fn parse(text: &str) -> Option<Key> {
    let bytes = BASE64_STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok()?;
    (24..=64).contains(&bytes.len()).then(|| Key::new(&bytes))
}
