//! The endpoint of a source that others post to, and the verification of its senders.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, COOKIE, FORWARDED, HeaderMap, HeaderName, ORIGIN, PROXY_AUTHORIZATION};
use serde_json::{Map, Value};

use super::content;
use super::endpoint::EndpointConfig;
use super::labels::Arrived;
use super::request::HookRequest;
use super::unreadable::Unreadable;
use super::verify::{Proof, Verify};
use crate::config_reader::{Problem, TableReader};
use crate::event::Body;
use crate::http_server::HttpError;
use crate::log_limiter::LogLimiter;
use crate::outbox::Outbox;

/// Headers with secrets of the sender, which no template may see.
const PRIVATE: [HeaderName; 3] = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];

/// Headers of requests that come through a proxy, or out of a web page: their sender is not known by its address.
const FORWARDING: [HeaderName; 6] = [
    ORIGIN,
    HeaderName::from_static("sec-fetch-site"),
    FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
];

#[derive(Debug)]
pub struct HookAuth {
    endpoint: EndpointConfig,
    verify: Verify,
    refused: Mutex<LogLimiter>,
}

/// A request whose sender is verified. Its content is untrusted.
#[derive(Debug, Clone, Copy)]
pub struct VerifiedRequest<'r> {
    pub headers: &'r HeaderMap,
    pub body: &'r [u8],
    pub proof: &'r Proof,
    pub arrived: Arrived<'r>,
    /// The header that `verify` compares with a secret.
    pub secret_header: Option<&'r HeaderName>,
}

impl HookAuth {
    /// None where one of the two is wrong, or they contradict each other, which becomes a problem of the table.
    pub fn new(table: &TableReader, endpoint: Option<EndpointConfig>, verify: Option<Verify>) -> Option<Self> {
        let (mut endpoint, verify) = (endpoint?, verify?);
        endpoint.unverified = verify.is_unset();
        if let Verify::Path(secret) = &verify {
            if endpoint.has_configured_path() {
                let wrong = "`path` and `verify.path` exclude each other";
                table.reader.problem(Problem::error(table.span.clone(), wrong).hint("keep the one that is meant"));
                return None;
            }
            endpoint = endpoint.with_secret(secret.clone());
        }
        Some(Self { endpoint, verify, refused: Mutex::default() })
    }

    pub fn endpoint(&self) -> &EndpointConfig {
        &self.endpoint
    }

    /// Verifies the sender, over the raw bytes, and then has the request read.
    pub fn read<T>(
        &self,
        request: &HookRequest,
        out: &Outbox,
        read: impl FnOnce(&VerifiedRequest) -> Result<T, Unreadable>,
    ) -> Result<T, HttpError> {
        let now = Timestamp::now();
        if self.verify.is_unset()
            && let Some(header) = FORWARDING.iter().find(|header| request.headers.contains_key(*header))
        {
            let why = format!(
                "the header `{header}` shows a proxy or a web page; without `verify` only local programs may post"
            );
            self.note(out, "authentication failed", &why);
            let hint = "set `verify` of this source in relays.toml, or verify = \"none\" to accept every sender";
            return Err(HttpError::new(StatusCode::FORBIDDEN, why, hint));
        }
        let proof = self.verify.check(&request.headers, &request.body, now).map_err(|denied| {
            self.note(out, "authentication failed", &denied);
            let hint = "see `verify` of this source in relays.toml";
            let error = HttpError::new(StatusCode::UNAUTHORIZED, denied.to_string(), hint);
            HttpError { challenge: self.verify.challenge(), ..error }
        })?;
        let arrived = Arrived { source: out.source(), kind: out.kind(), at: now };
        let verified = VerifiedRequest {
            headers: &request.headers,
            body: &request.body,
            proof: &proof,
            arrived,
            secret_header: self.verify.secret_header(),
        };
        read(&verified).map_err(|unreadable| {
            out.skipped();
            self.note(out, "unreadable request refused", &unreadable);
            unreadable.into()
        })
    }

    fn note(&self, out: &Outbox, what: &str, why: &dyn Display) {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).note(out.source(), what, why);
    }
}

impl VerifiedRequest<'_> {
    /// The body, which is JSON or a form.
    pub fn parse(&self) -> Result<Body, Unreadable> {
        content::body(self.headers, self.body)
    }

    /// As [`Self::parse`], but only an object.
    pub fn parse_object(&self) -> Result<Body, Unreadable> {
        let body = self.parse()?;
        if body.value().is_object() { Ok(body) } else { Err(Unreadable::malformed("the body must be a JSON object")) }
    }

    /// The headers for templates: names in lower case, several values joined by commas, and none with a secret.
    pub fn public_headers(&self) -> Value {
        let mut public = Map::new();
        for name in self.headers.keys() {
            if PRIVATE.contains(name) || self.secret_header == Some(name) {
                continue;
            }
            let values = self.headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
            public.insert(name.as_str().to_owned(), values.collect::<Vec<_>>().join(", ").into());
        }
        Value::Object(public)
    }
}
