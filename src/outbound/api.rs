//! A JSON API with credentials, which are sent to its own host only.

use std::time::Duration;

use reqwest::Url;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::client::Outbound;
use super::own_host::own_host_only;
use super::reply::Reply;
use super::request::Request;
use crate::config_reader::{ConfigReader, Problem, Spanned};
use crate::fault::Fault;

/// Callers have a shorter limit of their own (`fetch_timeout`); this one only makes sure that there is an end.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Debug shows no credential: their headers are marked as sensitive.
#[derive(Debug, Clone)]
pub struct Api {
    base: Url,
    headers: HeaderMap,
}

impl Api {
    /// `base` as an http(s) URL; anything else becomes a problem.
    pub fn read(reader: &ConfigReader, base: &Spanned<String>) -> Option<Self> {
        let wrong = |what: String| reader.problem(Problem::error(base.span.clone(), what));
        let url = Url::parse(&base.value).map_err(|error| wrong(format!("this is no URL: {error}"))).ok()?;
        if !matches!(url.scheme(), "http" | "https") {
            wrong(format!("an API's address begins with https or http, not with {}", url.scheme()));
            return None;
        }
        if !url.username().is_empty() || url.password().is_some() {
            wrong("this URL holds a user or a password; credentials have keys of their own".to_owned());
            return None;
        }
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        Some(Self { base: url, headers })
    }

    pub fn header(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    pub fn authorization(&mut self, value: HeaderValue) {
        self.header(AUTHORIZATION, value);
    }

    /// The base with `path` appended, each segment percent-encoded.
    pub fn url(&self, path: &[&str]) -> Result<Url, Fault> {
        let mut url = self.base.clone();
        url.set_query(None);
        url.set_fragment(None);
        let no_base = |()| Fault::new("no_base", "this URL cannot have a path");
        url.path_segments_mut().map_err(no_base)?.pop_if_empty().extend(path);
        Ok(url)
    }

    /// GETs `path` and leaves the status to the caller. A reply of more than `limit` bytes is a fault.
    pub async fn get(
        &self,
        net: &Outbound,
        path: &[&str],
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<Reply, Fault> {
        let mut url = self.url(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        net.send(self.request(url).reply_limit(limit)).await
    }

    /// GETs what `reference`, which came out of an event, names. A reference to another host is refused before
    /// anything is sent.
    pub async fn look_up(&self, net: &Outbound, reference: &str) -> Result<Value, Fault> {
        let foreign = |fault: Fault| Fault::new("foreign_host", fault.to_string());
        let url = own_host_only(&self.base, reference).map_err(foreign)?;
        let reply = net.send(self.request(url)).await?;
        if !reply.is_success() {
            return Err(Fault::new("status", reply.status.to_string()));
        }
        reply.json()
    }

    fn request(&self, url: Url) -> Request {
        Request::get(url).headers(self.headers.clone()).timeout(TIMEOUT)
    }
}
