//! HMAC-SHA256 in a header, the way of GitHub, Slack and most others.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderName};
use sha2::Sha256;

use super::{Denied, TOLERANCE, header, is_fresh, only_text, secrets};
use crate::config_reader::{Problem, Spanned, TableReader};
use crate::event::digest;
use crate::secret::Secret;
use crate::sources::labels::moment;

/// A keyed MAC that has seen nothing yet; never printed.
#[derive(Clone)]
pub(super) struct Key(Hmac<Sha256>);

#[derive(Debug)]
pub(in crate::sources) struct Signature {
    keys: Vec<Key>,
    header: HeaderName,
    prefix: String,
    encoding: Encoding,
    /// Where the time of signing is, how far it may be off, and what is signed. Without one the body alone is signed.
    stamp: Option<HeaderName>,
    tolerance: Duration,
    signed: Vec<Piece>,
}

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Hex,
    Base64,
}

/// What goes under the signature, one after the other.
#[derive(Debug, PartialEq)]
enum Piece {
    Literal(String),
    Timestamp,
    Body,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(Hmac::new_from_slice(bytes).expect("HMAC takes keys of every length"))
    }

    pub(super) fn over<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        parts.into_iter().for_each(|part| mac.update(part));
        mac
    }
}

impl Signature {
    pub(super) fn of_body(secrets: &[Secret], header: HeaderName, prefix: &str) -> Self {
        Self {
            keys: secrets.iter().map(|secret| Key::new(secret.expose().as_bytes())).collect(),
            header,
            prefix: prefix.to_owned(),
            encoding: Encoding::Hex,
            stamp: None,
            tolerance: TOLERANCE,
            signed: vec![Piece::Body],
        }
    }

    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let secrets = secrets(table, "hmac_sha256");
        let header = header(table, "header");
        if !table.has("header") {
            table.missing_with_hint("header", Some("where the signature is, like header = \"X-Hub-Signature-256\""));
        }
        let prefix = table.text("prefix").map_or_else(String::new, |said| said.value);
        let encoding = table.word("encoding", &["hex", "base64"]);
        let stamp = super::header(table, "timestamp");
        let signed = table.text("signed");
        let tolerance = table.wait("tolerance");
        let signed = read_signed(table, signed, table.has("timestamp"));
        let secrets: Vec<_> = secrets?.into_iter().map(|said| said.value).collect();
        Some(Self {
            encoding: if encoding == Some("base64") { Encoding::Base64 } else { Encoding::Hex },
            stamp: stamp?,
            tolerance: tolerance.unwrap_or(TOLERANCE),
            signed: signed?,
            ..Self::of_body(&secrets, header??, &prefix)
        })
    }

    /// Gives the signature's digest where a time is signed: then no two requests that are meant have the same.
    pub(super) fn check(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Option<String>, Denied> {
        let malformed = || Denied::Malformed(self.header.clone());
        let shown = only_text(headers, &self.header)?.strip_prefix(&*self.prefix).ok_or_else(malformed)?;
        let shown = self.encoding.decode(shown).ok_or_else(malformed)?;
        let stamp = self.stamp.as_ref().map(|header| Ok((header, only_text(headers, header)?))).transpose()?;
        let mut fits = false;
        for key in &self.keys {
            let parts = self.signed.iter().map(|piece| match piece {
                Piece::Literal(text) => text.as_bytes(),
                Piece::Timestamp => stamp.map_or("", |(_, stamp)| stamp).as_bytes(),
                Piece::Body => body,
            });
            fits |= key.over(parts).verify_slice(&shown).is_ok();
        }
        if !fits {
            return Err(Denied::Signature);
        }
        let Some((header, stamp)) = stamp else { return Ok(None) };
        let then = moment(stamp).ok_or_else(|| Denied::Malformed(header.clone()))?;
        if !is_fresh(then, now, self.tolerance) {
            return Err(Denied::Stale(self.tolerance));
        }
        // Of its bytes, not of its letters, which could be written in another case.
        Ok(Some(digest(&[&BASE64_STANDARD.encode(&shown)])))
    }
}

impl Encoding {
    fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Base64 => BASE64_STANDARD.decode(text).ok(),
            Self::Hex => {
                let digits: Option<Vec<_>> = text.chars().map(|digit| digit.to_digit(16)).collect();
                let bytes = digits?;
                let pairs = bytes.chunks(2).map(|pair| match pair {
                    [high, low] => u8::try_from(high << 4 | low).ok(),
                    _ => None,
                });
                pairs.collect()
            }
        }
    }
}

/// `v0:{timestamp}:{body}`. A time that is not signed proves nothing, and neither does a body that is not.
fn read_signed(table: &TableReader, said: Option<Spanned<String>>, stamped: bool) -> Option<Vec<Piece>> {
    let Some(said) = said else {
        let dot = || Piece::Literal(".".to_owned());
        let whole = if stamped { vec![Piece::Timestamp, dot(), Piece::Body] } else { vec![Piece::Body] };
        return (!table.has("signed")).then_some(whole);
    };
    let mut pieces = Vec::new();
    let mut rest = said.value.as_str();
    while let Some((before, name, after)) = next_name(rest) {
        pieces.extend((!before.is_empty()).then(|| Piece::Literal(before.to_owned())));
        pieces.push(if name == "body" { Piece::Body } else { Piece::Timestamp });
        rest = after;
    }
    pieces.extend((!rest.is_empty()).then(|| Piece::Literal(rest.to_owned())));
    let bodies = pieces.iter().filter(|piece| **piece == Piece::Body).count();
    let wrong = if bodies != 1 {
        "`signed` must hold `{body}`, once"
    } else if pieces.contains(&Piece::Timestamp) != stamped {
        "`timestamp` and a `{timestamp}` in `signed` belong together"
    } else {
        return Some(pieces);
    };
    table.reading.problem(Problem::error(said.span, wrong).hint("like signed = \"{timestamp}.{body}\""));
    None
}

/// The next `{body}` or `{timestamp}`, with what stands before and behind it.
fn next_name(text: &str) -> Option<(&str, &'static str, &str)> {
    let names = [("{body}", "body"), ("{timestamp}", "timestamp")];
    let (at, written, name) =
        names.iter().filter_map(|(written, name)| Some((text.find(written)?, written, *name))).min()?;
    let (before, rest) = text.split_at_checked(at)?;
    Some((before, name, rest.strip_prefix(written)?))
}
