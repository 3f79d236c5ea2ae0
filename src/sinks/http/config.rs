//! `[sink.http.NAME]`

use reqwest::Method;
use reqwest::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};

use super::signature::{SigningKey, SigningKeys};
use crate::config_reader::{Problem, TableReader};
use crate::outbound::SecretUrl;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// The event itself, in `CloudEvents`' structured mode.
    CloudEvents,
    /// The rendered message.
    Text,
}

#[derive(Debug)]
pub struct Http {
    pub(super) method: Method,
    pub(super) url: SecretUrl,
    pub(super) headers: HeaderMap,
    pub(super) content: Content,
    pub(super) keys: Option<SigningKeys>,
}

impl Http {
    pub(in crate::sinks) fn read(table: &TableReader) -> Option<Self> {
        let method = match table.word("method", &["POST", "PUT", "PATCH"]) {
            Some("PUT") => Method::PUT,
            Some("PATCH") => Method::PATCH,
            _ => Method::POST,
        };
        let content = match table.word("content", &["cloudevents", "text"]) {
            Some("text") => Content::Text,
            _ => Content::CloudEvents,
        };
        let url = SecretUrl::read_either(table, "url");
        let (headers, secrets) = headers(table);
        let keys = table.table("sign").map(|sign| {
            let keys = keys(&sign);
            sign.finish();
            keys
        });
        let url = secrets.iter().fold(url?.value, |url, secret| url.redacting(secret));
        // With an invalid key nothing is sent, rather than without a signature.
        let keys = keys.map_or(Some(None), |keys| keys.map(Some))?;
        Some(Self { method, url, headers, content, keys })
    }
}

/// The headers, and their secrets, which are removed from replies.
fn headers(table: &TableReader) -> (HeaderMap, Vec<String>) {
    let (mut headers, mut secrets) = (HeaderMap::new(), Vec::new());
    for (name, secret) in table.named_secrets("headers") {
        let wrong = |span, why: String| table.reader.problem(Problem::error(span, why));
        match (HeaderName::try_from(&name.value), HeaderValue::from_str(secret.value.expose())) {
            (Err(_), _) => wrong(name.span, format!("`{}` is no name of an HTTP header", name.value)),
            (Ok(header), _) if is_reserved(&header) => {
                wrong(name.span, format!("`{}` is set by tidings itself", name.value));
            }
            (_, Err(_)) => {
                wrong(
                    secret.span,
                    "this value holds a character that no HTTP header can (a newline, perhaps)".to_owned(),
                );
            }
            (Ok(header), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.insert(header, value);
                secrets.push(secret.value.expose().to_owned());
                // A receiver may repeat the token without `Bearer`.
                secrets.extend(secret.value.expose().split_once(' ').map(|(_, token)| token.to_owned()));
            }
        }
    }
    // Shorter ones are words like `ops`, and no secrets.
    secrets.retain(|secret| secret.len() >= 6);
    (headers, secrets)
}

fn is_reserved(name: &HeaderName) -> bool {
    [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE].contains(name)
        || name.as_str().starts_with("webhook-")
        || name == "idempotency-key"
}

fn keys(sign: &TableReader) -> Option<SigningKeys> {
    let key = |name: &'static str| {
        let secret = sign.secret(name)?;
        let key = SigningKey::parse(secret.value.expose());
        if key.is_none() {
            let wrong = format!("`{name}` must be `whsec_` and 24 to 64 bytes in Base64");
            sign.reader.problem(Problem::error(secret.span, wrong));
        }
        key
    };
    let (new, old) = (key("standard_webhooks"), key("old"));
    if !sign.has("standard_webhooks") {
        sign.missing("standard_webhooks");
    }
    if sign.has("old") && old.is_none() {
        return None;
    }
    Some(SigningKeys { new: new?, old })
}
