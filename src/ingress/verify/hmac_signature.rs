//! HMAC-SHA256 in a header, as GitHub, Slack and most others send it.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName};
use sha2::Sha256;

use super::check::{TOLERANCE, VerifyError, check_fresh, only_text};
use super::secrets::{header, secrets};
use crate::config_reader::{Problem, Spanned, TableReader};
use crate::event::digest;
use crate::ingress::labels::parse_time;
use crate::secret::Secret;

/// A MAC with its key and no data yet. Its Debug shows nothing.
#[derive(Clone)]
pub(super) struct MacKey(Hmac<Sha256>);

#[derive(Debug)]
pub struct HmacSignature {
    keys: Vec<MacKey>,
    header: HeaderName,
    prefix: String,
    encoding: Encoding,
    /// The header with the time of signing, if that is signed too.
    timestamp: Option<HeaderName>,
    tolerance: Duration,
    signed: Vec<Piece>,
}

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Hex,
    Base64,
}

/// The parts of the signed text.
#[derive(Debug, PartialEq)]
enum Piece {
    Literal(String),
    Timestamp,
    Body,
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey(…)")
    }
}

impl MacKey {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(Hmac::new_from_slice(bytes).expect("HMAC takes keys of every length"))
    }

    pub(super) fn over<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        parts.into_iter().for_each(|part| mac.update(part));
        mac
    }
}

impl HmacSignature {
    pub(super) fn of_body(secrets: &[Secret], header: HeaderName, prefix: &str) -> Self {
        Self {
            keys: secrets.iter().map(|secret| MacKey::new(secret.expose().as_bytes())).collect(),
            header,
            prefix: prefix.to_owned(),
            encoding: Encoding::Hex,
            timestamp: None,
            tolerance: TOLERANCE,
            signed: vec![Piece::Body],
        }
    }

    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let secrets = secrets(table, "hmac_sha256");
        let header = header(table, "header");
        if !table.has("header") {
            table.missing_with_hint(
                "header",
                Some("the header with the signature, like header = \"X-Hub-Signature-256\""),
            );
        }
        let prefix = table.text("prefix").map_or_else(String::new, |prefix| prefix.value);
        let encoding = table.word("encoding", &["hex", "base64"]);
        let timestamp = super::secrets::header(table, "timestamp");
        let signed = table.text("signed");
        let tolerance = table.wait("tolerance");
        let signed = read_signed(table, signed, table.has("timestamp"));
        let secrets: Vec<_> = secrets?.into_iter().map(|secret| secret.value).collect();
        Some(Self {
            encoding: if encoding == Some("base64") { Encoding::Base64 } else { Encoding::Hex },
            timestamp: timestamp?,
            tolerance: tolerance.unwrap_or(TOLERANCE),
            signed: signed?,
            ..Self::of_body(&secrets, header??, &prefix)
        })
    }

    /// Yields the signature's digest if a time is signed: then only copies of one request have the same.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<String>, VerifyError> {
        let malformed = || VerifyError::Malformed(self.header.clone());
        let sent = only_text(headers, &self.header)?.strip_prefix(&*self.prefix).ok_or_else(malformed)?;
        let sent = self.encoding.decode(sent).ok_or_else(malformed)?;
        let stamp = self.timestamp.as_ref().map(|header| Ok((header, only_text(headers, header)?))).transpose()?;
        let mut matches = false;
        for key in &self.keys {
            let parts = self.signed.iter().map(|piece| match piece {
                Piece::Literal(text) => text.as_bytes(),
                Piece::Timestamp => stamp.map_or("", |(_, stamp)| stamp).as_bytes(),
                Piece::Body => body,
            });
            matches |= key.over(parts).verify_slice(&sent).is_ok();
        }
        if !matches {
            return Err(VerifyError::Signature);
        }
        let Some((header, stamp)) = stamp else { return Ok(None) };
        let then = parse_time(stamp).ok_or_else(|| VerifyError::Malformed(header.clone()))?;
        check_fresh(then, now, self.tolerance)?;
        // Over its bytes: its text could be sent again in another case.
        Ok(Some(digest(&[&BASE64_STANDARD.encode(&sent)])))
    }
}

impl Encoding {
    fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Base64 => BASE64_STANDARD.decode(text).ok(),
            Self::Hex if text.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
            }
            Self::Hex => None,
        }
    }
}

/// `v0:{timestamp}:{body}`. The body must be signed, and the time if there is one: unsigned they prove nothing.
fn read_signed(table: &TableReader, signed: Option<Spanned<String>>, has_timestamp: bool) -> Option<Vec<Piece>> {
    let Some(signed) = signed else {
        let dot = || Piece::Literal(".".to_owned());
        let whole = if has_timestamp { vec![Piece::Timestamp, dot(), Piece::Body] } else { vec![Piece::Body] };
        return (!table.has("signed")).then_some(whole);
    };
    let mut pieces = Vec::new();
    let mut rest = signed.value.as_str();
    while let Some((before, piece, after)) = next_placeholder(rest) {
        pieces.extend((!before.is_empty()).then(|| Piece::Literal(before.to_owned())));
        pieces.push(piece);
        rest = after;
    }
    pieces.extend((!rest.is_empty()).then(|| Piece::Literal(rest.to_owned())));
    let bodies = pieces.iter().filter(|piece| **piece == Piece::Body).count();
    let wrong = if bodies != 1 {
        "`signed` must hold `{body}`, once"
    } else if pieces.contains(&Piece::Timestamp) != has_timestamp {
        "`timestamp` and a `{timestamp}` in `signed` belong together"
    } else {
        return Some(pieces);
    };
    table.reader.problem(Problem::error(signed.span, wrong).hint("like signed = \"{timestamp}.{body}\""));
    None
}

/// The next `{body}` or `{timestamp}`, with the text before and after it.
fn next_placeholder(text: &str) -> Option<(&str, Piece, &str)> {
    let (at, written) =
        ["{body}", "{timestamp}"].iter().filter_map(|written| Some((text.find(written)?, *written))).min()?;
    let (before, rest) = text.split_at_checked(at)?;
    let piece = if written == "{body}" { Piece::Body } else { Piece::Timestamp };
    Some((before, piece, rest.strip_prefix(written)?))
}
