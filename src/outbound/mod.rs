//! The one way out to other people's HTTP servers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::HeaderMap;

use crate::fault::Fault;
use crate::message::SendError;
use crate::said::{Said, Table};

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbound {}

/// A URL out of relays.toml that must never be shown: webhook URLs are credentials.
/// Debug and Display show scheme and host only.
#[derive(Clone)]
pub struct Endpoint {
    url: Url,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.url.scheme(), self.url.host_str().unwrap_or_default())
    }
}

impl Endpoint {
    /// Reads the secret `key` (`webhook = { env = "SLACK_URL" }`) as an http(s) URL; what is wrong becomes a problem.
    pub fn read_secret(_table: &Table, _key: &'static str) -> Option<Said<Self>> {
        None
    }
    pub fn url(&self) -> &Url {
        &self.url
    }
}

/// What came back: never followed, capped, and not yet judged.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub retry_after: Option<Duration>,
    pub body: Vec<u8>,
}

impl Outbound {
    pub fn new() -> Self {
        Self {}
    }

    /// One POST to an address of relays.toml. Transport trouble comes back judged; a reply comes back as it is.
    pub async fn post(&self, _to: &Endpoint, _headers: HeaderMap, _body: Vec<u8>) -> Result<Reply, SendError> {
        Err(SendError::NeverMessage(Fault::new("stub", "not built")))
    }

    /// One GET within `budget`. The caller has made sure that credentials in `headers` belong to this URL's host.
    pub async fn get(&self, _url: &Url, _headers: HeaderMap, _budget: Duration) -> Result<Reply, Fault> {
        Err(Fault::new("stub", "not built"))
    }

    /// TLS as relays.toml wants it: the system's roots. Made at the first use, since most of its cost is reading roots.
    pub fn tls(&self) -> Result<Arc<rustls::ClientConfig>, Fault> {
        Err(Fault::new("stub", "not built"))
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self::new()
    }
}
