//! What is sent, and what its reply may cost.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};

use super::{redact, secret_url::SecretUrl};

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
/// Enough for every reply to a message: a word or a small object.
pub(super) const LONGEST_ACKNOWLEDGEMENT: usize = 64 << 10;
/// A fetched resource becomes part of a message, and nothing larger could.
const LONGEST_RESOURCE: usize = 1 << 20;

/// One request. The caller makes sure that credentials in it belong to the host of its URL
/// (see [`super::own_host_only`]).
#[derive(Debug)]
pub struct Request {
    pub(super) http: reqwest::Request,
    pub(super) timeout: Option<Duration>,
    pub(super) limit: ReplyLimit,
    pub(super) secrets: Arc<[String]>,
}

/// How much of a reply's body is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplyLimit {
    pub(super) bytes: usize,
    /// Whether the beginning of a longer body is a reply all the same. Otherwise a longer one is a fault.
    pub(super) cuts: bool,
}

impl Request {
    pub fn new(method: Method, url: Url) -> Self {
        let secrets = redact::secrets_in(&url).into();
        let limit = ReplyLimit { bytes: LONGEST_RESOURCE, cuts: false };
        Self { http: reqwest::Request::new(method, url), timeout: None, limit, secrets }
    }

    pub fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// A message in JSON, to be judged by [`Reply::verdict`](super::Reply::verdict): of a long reply the beginning is
    /// enough, and no reply is repeated with a secret of `to`.
    pub fn post(to: &SecretUrl, body: Vec<u8>) -> Self {
        let limit = ReplyLimit { bytes: LONGEST_ACKNOWLEDGEMENT, cuts: true };
        let request = Self { limit, secrets: Arc::clone(to.secrets()), ..Self::new(Method::POST, to.url().clone()) };
        request.headers(HeaderMap::from_iter([(CONTENT_TYPE, JSON)])).body(body)
    }

    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        *self.http.method_mut() = method;
        self
    }

    /// Adds these, in place of those of the same name.
    #[must_use]
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.http.headers_mut().extend(headers);
        self
    }

    #[must_use]
    pub fn body(mut self, body: Vec<u8>) -> Self {
        *self.http.body_mut() = Some(body.into());
        self
    }

    /// From the first byte out to the last byte in; of a stream, to the end of the reply's head. Instead of
    /// [`Timeouts::total`](super::Timeouts).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A reply with a longer body than `bytes` is a fault.
    #[must_use]
    pub fn reply_limit(mut self, bytes: usize) -> Self {
        self.limit = ReplyLimit { bytes, cuts: false };
        self
    }
}
