//! The HTTP side of a source that has one: asked for what an event names, with the source's own credentials,
//! and for that reason on the source's own host only.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use serde_json::Value;

use crate::config_reader::{ConfigReader, Problem, Spanned};
use crate::fault::Fault;
use crate::outbound::{Answer, Outbound, own_host_only};

/// Whoever asks has a shorter limit of its own (`fetch_timeout`); this one only makes sure that there is an end.
const LONGEST_LOOK: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub(super) struct Api {
    base: Url,
    headers: HeaderMap,
}

impl Api {
    /// `base` as an http(s) address; what is wrong becomes a problem.
    pub(super) fn read(reading: &ConfigReader, base: &Spanned<String>) -> Option<Self> {
        let wrong = |what: String| reading.problem(Problem::error(base.span.clone(), what));
        let url = Url::parse(&base.value).map_err(|error| wrong(format!("this is no URL: {error}"))).ok()?;
        if !matches!(url.scheme(), "http" | "https") {
            wrong(format!("an API's address begins with https or http, not with {}", url.scheme()));
            return None;
        }
        if !url.username().is_empty() || url.password().is_some() {
            wrong("a user or password stands in this URL; credentials have keys of their own".to_owned());
            return None;
        }
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        Some(Self { base: url, headers })
    }

    pub(super) fn header(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    pub(super) fn authorization(&mut self, value: HeaderValue) {
        self.header(AUTHORIZATION, value);
    }

    /// The address of what lies below the base by these names, whatever characters stand in them.
    pub(super) fn below(&self, path: &[&str]) -> Result<Url, Fault> {
        let mut url = self.base.clone();
        url.set_query(None);
        url.set_fragment(None);
        let no_base = |()| Fault::new("no_base", "nothing can lie below this address");
        url.path_segments_mut().map_err(no_base)?.pop_if_empty().extend(path);
        Ok(url)
    }

    /// One GET of what lies there, judged by whoever asks. An answer of more than `limit` bytes is a fault.
    pub(super) async fn ask(
        &self,
        net: &Outbound,
        path: &[&str],
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<Answer, Fault> {
        let mut url = self.below(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = Request::new(Method::GET, url);
        *request.headers_mut() = self.headers.clone();
        net.exchange(request, limit, LONGEST_LOOK).await
    }

    /// One GET. `reference` comes out of an event, so it is refused before anything is sent if it leads elsewhere.
    pub(super) async fn look_up(&self, net: &Outbound, reference: &str) -> Result<Value, Fault> {
        let foreign = |fault: Fault| Fault::new("foreign_host", fault.to_string());
        let url = own_host_only(&self.base, reference).map_err(foreign)?;
        let reply = net.get(&url, self.headers.clone(), LONGEST_LOOK).await?;
        if !(200..300).contains(&reply.status) {
            return Err(Fault::new("status", reply.status.to_string()));
        }
        serde_json::from_slice(&reply.body)
            .map_err(|error| Fault::new("not_json", format!("the answer is no JSON: {error}")))
    }
}
