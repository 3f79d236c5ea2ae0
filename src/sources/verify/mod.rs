//! Makes sure that a request comes from whom it should: over its raw bytes, before anything in it is read.
//!
//! The key `verify` of every source that waits at the listener. Comparisons take the same time whatever is
//! wrong, and an old secret may stand beside the new one while senders change over.

mod password;
mod signature;
mod standard;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use crate::config_reader::{Node, Problem, Spanned, TableReader};
use crate::secret::Secret;
use password::Password;
use signature::Signature;
use standard::Standard;

/// The ways, one of which `verify` names.
const WAYS: [&str; 6] = ["hmac_sha256", "standard_webhooks", "basic", "bearer", "token", "path"];
/// Written out where everyone may post.
const NOBODY: &str = "none";
/// How far the sender's clock and ours may lie apart, the way of the request included.
const TOLERANCE: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) enum Verify {
    /// Nothing is said: then only this machine may post.
    Unsaid,
    /// `"none"` is written out: everyone who reaches the listener may post.
    Nobody,
    Signature(Signature),
    Standard(Standard),
    Password(Password),
    /// The secret is the end of the path, which the listener compares: whoever arrives has passed.
    Path(Secret),
}

/// What a request that was let in has proved to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proof {
    /// Nothing that tells it from another of the same sender's.
    Sender,
    /// The delivery of this id, which was signed.
    Delivery(String),
    /// The same signature, over a time, as any copy of it: its digest.
    Signature(String),
}

/// Why a request was not let in. Says what the sender did, and nothing of what would have been right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    #[error("the header `{0}` is missing")]
    Missing(HeaderName),
    #[error("the header `{0}` is there more than once")]
    Repeated(HeaderName),
    #[error("the header `{0}` does not have the form that was agreed")]
    Malformed(HeaderName),
    #[error("the signature does not fit the body and the secret")]
    Signature,
    #[error("the signature fits, but it is older or newer than {} s; is a clock wrong?", .0.as_secs())]
    Stale(Duration),
    #[error("the credentials are wrong")]
    Credentials,
}

impl Verify {
    /// None where something is wrong, which the table's reading then knows, or a secret is not set.
    pub(super) fn read(table: &TableReader) -> Option<Self> {
        let Some(item) = table.item("verify") else { return Some(Self::Unsaid) };
        match &item.node {
            Node::Text(text) if text == NOBODY => Some(Self::Nobody),
            Node::Table(_) => {
                let inner = table.table("verify")?;
                let way = Self::read_way(&inner);
                inner.finish();
                way
            }
            _ => {
                // What stands here may be a secret in the wrong place, so it is not shown.
                let problem = Problem::error(item.span.clone(), "`verify` must be a table that says how, or \"none\"");
                table.reading.problem(problem.hint("like verify = { bearer = { env = \"…\" } }"));
                None
            }
        }
    }

    /// As GitHub signs: the digest in hexadecimal, in a header of its own behind a prefix.
    pub(super) fn signature(secrets: &[Secret], header: HeaderName, prefix: &str) -> Self {
        Self::Signature(Signature::of_body(secrets, header, prefix))
    }

    /// The whole value of a header is the secret.
    pub(super) fn token(secrets: &[Secret], header: HeaderName) -> Self {
        let values = secrets.iter().map(|secret| secret.expose().as_bytes());
        Self::Password(Password::new(header, None, values))
    }

    /// Whether nothing was said about who may post.
    pub(super) fn is_unsaid(&self) -> bool {
        matches!(self, Self::Unsaid)
    }

    /// The end of the path that lets in; None where the path is no secret.
    pub(super) fn path_secret(&self) -> Option<&Secret> {
        match self {
            Self::Path(secret) => Some(secret),
            _ => None,
        }
    }

    /// What is asked for with a 401.
    pub(super) fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::Password(password) => password.challenge(),
            _ => None,
        }
    }

    /// The header that holds a secret, which nothing may show.
    pub(super) fn secret_header(&self) -> Option<&HeaderName> {
        match self {
            Self::Password(password) => Some(password.header()),
            _ => None,
        }
    }

    pub(super) fn check(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Proof, Denied> {
        match self {
            Self::Unsaid | Self::Nobody | Self::Path(_) => Ok(Proof::Sender),
            Self::Signature(signature) => {
                let digest = signature.check(headers, body, now)?;
                Ok(digest.map_or(Proof::Sender, Proof::Signature))
            }
            Self::Standard(standard) => standard.check(headers, body, now).map(|id| Proof::Delivery(id.to_owned())),
            Self::Password(password) => password.check(headers).map(|()| Proof::Sender),
        }
    }

    fn read_way(table: &TableReader) -> Option<Self> {
        let said: Vec<_> = WAYS.into_iter().filter(|way| table.has(way)).collect();
        let [way] = said[..] else {
            let wrong = if said.is_empty() {
                "`verify` does not say how".to_owned()
            } else {
                format!("`verify` says more than one way: {}", said.join(", "))
            };
            for way in
                WAYS.into_iter().chain(["old", "header", "prefix", "encoding", "timestamp", "signed", "tolerance"])
            {
                // Known here, whatever the way: what is wrong is said once.
                table.item(way);
            }
            let hint = format!("one of {}; or verify = \"{NOBODY}\"", WAYS.join(", "));
            table.reading.problem(Problem::error(table.span.clone(), wrong).hint(hint));
            return None;
        };
        match way {
            "hmac_sha256" => Signature::read(table).map(Self::Signature),
            "standard_webhooks" => Standard::read(table).map(Self::Standard),
            "basic" => Password::read_basic(table).map(Self::Password),
            "bearer" => {
                let secrets = secrets(table, "bearer")?;
                let values = secrets.iter().map(|secret| secret.value.expose().as_bytes());
                Some(Self::Password(Password::new(AUTHORIZATION, Some("bearer"), values)))
            }
            "token" => {
                let header = header(table, "header");
                let secrets: Vec<_> = secrets(table, "token")?.into_iter().map(|said| said.value).collect();
                Some(Self::token(&secrets, header?.unwrap_or(AUTHORIZATION)))
            }
            _ => read_path(table),
        }
    }
}

fn read_path(table: &TableReader) -> Option<Verify> {
    let secret = table.secret("path")?;
    let text = secret.value.expose();
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
        let wrong = "a secret in a path has only letters, digits and `-._~`";
        table.reading.problem(Problem::error(secret.span, wrong));
        return None;
    }
    if text.len() < 16 {
        let weak = "a path of fewer than 16 characters is soon guessed";
        table.reading.problem(Problem::warning(secret.span, weak));
    }
    Some(Verify::Path(secret.value))
}

/// The secret at `key`, and the one before it where there is an `old`.
pub(super) fn secrets(table: &TableReader, key: &'static str) -> Option<Vec<Spanned<Secret>>> {
    let (new, old) = (table.secret(key), table.secret("old"));
    if old.is_none() && table.has("old") {
        return None;
    }
    Some(new.into_iter().chain(old).collect()).filter(|secrets: &Vec<_>| !secrets.is_empty())
}

/// The name of a header; None where it is none, `Some(None)` where nothing is said.
#[expect(clippy::option_option, reason = "what is wrong and what is not said are two things")]
fn header(table: &TableReader, key: &'static str) -> Option<Option<HeaderName>> {
    let Some(said) = table.text(key) else { return (!table.has(key)).then_some(None) };
    let header = HeaderName::try_from(&said.value).ok();
    if header.is_none() {
        let wrong = format!("`{}` is no name of an HTTP header", said.value);
        table.reading.problem(Problem::error(said.span, wrong));
    }
    header.map(Some)
}

/// The one value of a header. Two could be read one way here and another way elsewhere, so they are refused.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h HeaderValue, Denied> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| Denied::Missing(name.clone()))?;
    match values.next() {
        None => Ok(value),
        Some(_) => Err(Denied::Repeated(name.clone())),
    }
}

fn only_text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, Denied> {
    only(headers, name)?.to_str().map_err(|_| Denied::Malformed(name.clone()))
}

/// Whether something that was signed at `then` may still arrive.
fn is_fresh(then: Timestamp, now: Timestamp, tolerance: Duration) -> bool {
    now.duration_since(then).unsigned_abs() <= tolerance
}
