//! The methods of `verify`, one of which a source has.

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName};

use super::check::{Proof, VerifyError};
use super::hmac_signature::HmacSignature;
use super::secrets::{header, secrets};
use super::shared_secret::SharedSecret;
use super::standard_webhooks::StandardWebhooks;
use crate::config_reader::{Node, Problem, TableReader};
use crate::secret::Secret;

/// The keys of `verify`, of which one must be set.
const METHODS: [&str; 6] = ["hmac_sha256", "standard_webhooks", "basic", "bearer", "token", "path"];
/// The further keys of all methods.
const OPTIONS: [&str; 7] = ["old", "header", "prefix", "encoding", "timestamp", "signed", "tolerance"];
/// `verify = "none"`
const NONE: &str = "none";
/// A shorter secret in a path is easy to guess.
const MIN_PATH_SECRET: usize = 16;

#[derive(Debug)]
pub enum Verify {
    /// No `verify`: only programs on this machine may post.
    Unset,
    /// `"none"`: everyone who reaches the listener may post.
    Everyone,
    Signature(HmacSignature),
    Standard(StandardWebhooks),
    Secret(SharedSecret),
    /// The end of the path, which the router has compared.
    Path(Secret),
}

impl Verify {
    /// None where something is wrong, which becomes a problem of the table, or a secret is unset.
    pub fn read(table: &TableReader) -> Option<Self> {
        let Some(item) = table.item("verify") else { return Some(Self::Unset) };
        match &item.node {
            Node::Text(text) if text == NONE => Some(Self::Everyone),
            Node::Table(_) => {
                let inner = table.table("verify")?;
                let verify = Self::read_method(&inner);
                inner.finish();
                verify
            }
            _ => {
                // The value may be a secret in the wrong place, so it is not shown.
                let problem = Problem::error(item.span.clone(), "`verify` must be a table with a method, or \"none\"");
                table.reader.problem(problem.hint("like verify = { bearer = { env = \"…\" } }"));
                None
            }
        }
    }

    /// For senders of `vendor`, which can be verified only by the path.
    pub fn read_path_only(table: &TableReader, vendor: &str) -> Option<Self> {
        let verify = Self::read(table)?;
        if matches!(verify, Self::Unset | Self::Everyone | Self::Path(_)) {
            return Some(verify);
        }
        let span = table.item("verify").map_or(table.span.clone(), |item| item.span.clone());
        let wrong = format!("{vendor} sends no proof but the path of its webhook");
        let hint = "write verify = { path = { env = \"…\" } }, and append the secret to the webhook's URL there";
        table.reader.problem(Problem::error(span, wrong).hint(hint));
        None
    }

    /// As GitHub signs: the digest of the body, in hexadecimal behind a prefix.
    pub fn body_signature(secrets: &[Secret], header: HeaderName, prefix: &str) -> Self {
        Self::Signature(HmacSignature::of_body(secrets, header, prefix))
    }

    /// The whole value of a header is the secret.
    pub fn token(secrets: &[Secret], header: HeaderName) -> Self {
        let values = secrets.iter().map(|secret| secret.expose().as_bytes());
        Self::Secret(SharedSecret::new(header, None, values))
    }

    pub fn is_unset(&self) -> bool {
        matches!(self, Self::Unset)
    }

    /// For `WWW-Authenticate`.
    pub fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::Secret(secret) => secret.challenge(),
            _ => None,
        }
    }

    /// The header that holds a secret.
    pub fn secret_header(&self) -> Option<&HeaderName> {
        match self {
            Self::Secret(secret) => Some(secret.header()),
            _ => None,
        }
    }

    pub fn check(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Proof, VerifyError> {
        match self {
            Self::Unset | Self::Everyone | Self::Path(_) => Ok(Proof::Sender),
            Self::Signature(signature) => {
                let digest = signature.check(headers, body, now)?;
                Ok(digest.map_or(Proof::Sender, Proof::Signature))
            }
            Self::Standard(standard) => standard.check(headers, body, now).map(|id| Proof::Delivery(id.to_owned())),
            Self::Secret(secret) => secret.check(headers).map(|()| Proof::Sender),
        }
    }

    fn read_method(table: &TableReader) -> Option<Self> {
        let methods: Vec<_> = METHODS.into_iter().filter(|method| table.has(method)).collect();
        let [method] = methods[..] else {
            let wrong = if methods.is_empty() {
                "`verify` has no method".to_owned()
            } else {
                format!("`verify` has more than one method: {}", methods.join(", "))
            };
            for key in METHODS.into_iter().chain(OPTIONS) {
                // Marks the key as known, so that it is not reported a second time.
                table.item(key);
            }
            let hint = format!("one of {}; or verify = \"{NONE}\"", METHODS.join(", "));
            table.reader.problem(Problem::error(table.span.clone(), wrong).hint(hint));
            return None;
        };
        match method {
            "hmac_sha256" => HmacSignature::read(table).map(Self::Signature),
            "standard_webhooks" => StandardWebhooks::read(table).map(Self::Standard),
            "basic" => SharedSecret::read_basic(table).map(Self::Secret),
            "bearer" => {
                let secrets = secrets(table, "bearer")?;
                let values = secrets.iter().map(|secret| secret.value.expose().as_bytes());
                Some(Self::Secret(SharedSecret::new(AUTHORIZATION, Some("bearer"), values)))
            }
            "token" => {
                let header = header(table, "header");
                let secrets: Vec<_> = secrets(table, "token")?.into_iter().map(|secret| secret.value).collect();
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
        table.reader.problem(Problem::error(secret.span, wrong));
        return None;
    }
    if text.len() < MIN_PATH_SECRET {
        let weak = format!("a secret of fewer than {MIN_PATH_SECRET} characters in a path is easy to guess");
        table.reader.problem(Problem::warning(secret.span, weak));
    }
    Some(Verify::Path(secret.value))
}
