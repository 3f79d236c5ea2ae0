//! The one way out to other people's HTTP servers.
//!
//! No redirects, every wait bounded, every reply capped and read to its end, so that connections are used
//! again. Knows no vendor; what a reply means is judged by [`Reply::verdict`].

mod credentials;
mod endpoint;
mod exchange;
mod flow;
mod guard;
mod identity;
mod redact;
mod reply;
#[cfg(test)]
mod tests;
mod trouble;
mod trust;

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, Entry, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Method, Request, Response, Url};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;

use crate::fault::Fault;
use crate::message::SendError;

pub use credentials::{basic, read_login, secret_header};
pub use endpoint::{Endpoint, is_loopback};
pub use exchange::Answer;
pub use flow::Flow;
pub use guard::own_host_only;
pub use identity::Identity;
pub use reply::{Class, Reply};
pub use trouble::{NOBODY, PERMISSION};
pub use trust::{Fingerprint, Trust};

const USER_AGENT: &str = concat!("tidings/", env!("CARGO_PKG_VERSION"));
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
/// Replies to posts are a word or a small object; the rest of a larger one is not waited for.
const LONGEST_ANSWER: usize = 64 << 10;
/// What is looked up becomes part of a message: nothing of this size could.
const LONGEST_LOOK_UP: usize = 1 << 20;
/// Shorter than what servers commonly keep a silent connection for, so that we rarely write into one they closed.
const IDLE: Duration = Duration::from_secs(55);
/// HTTP/2 connections are asked for a sign of life while something waits for an answer.
const PING: Duration = Duration::from_secs(20);

/// How long the other side may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub connect: Duration,
    /// From the first byte out to the last byte in, connecting included.
    pub total: Duration,
}

impl Patience {
    pub const USUAL: Self = Self { connect: Duration::from_secs(5), total: Duration::from_secs(10) };
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbound(Arc<Clients>);

/// Made when first needed: most of a client's cost is reading the system's roots.
#[derive(Debug)]
struct Clients {
    patience: Patience,
    /// Whom it was told to trust; the system's roots if nobody said.
    trust: Option<Trust>,
    /// Who we are, where a certificate says it.
    identity: Option<Identity>,
    /// Where every connection goes, whatever the host's name is.
    socket: Option<Arc<Path>>,
    tls: OnceLock<Arc<ClientConfig>>,
    /// To this machine without TLS: needs no roots.
    near: OnceLock<Client>,
    /// To this machine with TLS.
    near_tls: OnceLock<Client>,
    /// To everyone else, through `HTTPS_PROXY` and its kin where they are set.
    far: OnceLock<Client>,
}

impl Outbound {
    pub fn new() -> Self {
        Self::patient(Patience::USUAL)
    }

    pub fn patient(patience: Patience) -> Self {
        Self::made(patience, None, None, None)
    }

    /// The same patience for a server of its own: its TLS trusts as `trust` says, on this machine as well, and its
    /// refusals name the certificate that was seen. It speaks HTTP/1.1 only, so that a request that waits for
    /// minutes has its connection for itself.
    #[must_use]
    pub fn trusting(&self, trust: &Trust) -> Self {
        Self::made(self.0.patience, Some(trust.clone()), self.0.identity.clone(), self.0.socket.clone())
    }

    /// The same, showing a certificate to whoever asks for one.
    #[must_use]
    pub fn showing(&self, identity: &Identity) -> Self {
        Self::made(self.0.patience, self.0.trust.clone(), Some(identity.clone()), self.0.socket.clone())
    }

    /// The same, through a Unix socket of this machine: every URL leads there, whatever host it names.
    #[must_use]
    pub fn through(&self, socket: &Path) -> Self {
        Self::made(self.0.patience, self.0.trust.clone(), self.0.identity.clone(), Some(socket.into()))
    }

    fn made(patience: Patience, trust: Option<Trust>, identity: Option<Identity>, socket: Option<Arc<Path>>) -> Self {
        let [near, near_tls, far] = [const { OnceLock::new() }; 3];
        Self(Arc::new(Clients { patience, trust, identity, socket, tls: OnceLock::new(), near, near_tls, far }))
    }

    /// One POST of JSON (unless `headers` say otherwise) to an address of relays.toml. Transport trouble comes
    /// back judged; a reply comes back as it is.
    pub async fn post(&self, to: &Endpoint, headers: HeaderMap, body: Vec<u8>) -> Result<Reply, SendError> {
        self.send(Method::POST, to, headers, body).await
    }

    /// As [`Outbound::post`], by another method.
    pub async fn send(&self, by: Method, to: &Endpoint, headers: HeaderMap, body: Vec<u8>) -> Result<Reply, SendError> {
        let client = self.client(to.url()).map_err(trouble::judged)?;
        let mut request = Request::new(by, to.url().clone());
        *request.headers_mut() = headers;
        if let Entry::Vacant(empty) = request.headers_mut().entry(CONTENT_TYPE) {
            empty.insert(JSON);
        }
        *request.body_mut() = Some(body.into());
        let failed = |error| trouble::judged(trouble::fault(error, to.secrets()));
        let response = client.execute(request).await.map_err(failed)?;
        let (reply, _) = read(response, LONGEST_ANSWER, Arc::clone(to.secrets())).await.map_err(failed)?;
        Ok(reply)
    }

    /// One GET within `budget`. The caller has made sure that credentials in `headers` belong to this URL's host
    /// (see [`own_host_only`]), and looks at the status.
    pub async fn get(&self, url: &Url, headers: HeaderMap, budget: Duration) -> Result<Reply, Fault> {
        let mut request = Request::new(Method::GET, url.clone());
        *request.headers_mut() = headers;
        *request.timeout_mut() = Some(budget);
        let secrets: Arc<[String]> = redact::secrets_in(url).into();
        let failed = |error| trouble::fault(error, &secrets);
        let response = self.client(url)?.execute(request).await.map_err(failed)?;
        let (reply, whole) = read(response, LONGEST_LOOK_UP, Arc::clone(&secrets)).await.map_err(failed)?;
        if whole { Ok(reply) } else { Err(Fault::new("too_large", "the answer is longer than 1 MiB")) }
    }

    /// TLS as everyone here speaks it: the system's roots, aws-lc-rs. Made at the first use; blocks for the
    /// milliseconds that reading the roots takes.
    pub fn tls(&self) -> Result<Arc<ClientConfig>, Fault> {
        if let Some(made) = self.0.tls.get() {
            return Ok(Arc::clone(made));
        }
        let mut config = match &self.0.trust {
            None => usual_tls()?,
            Some(trust) => trust.tls()?,
        };
        if let Some(identity) = &self.0.identity {
            config.client_auth_cert_resolver = identity.resolver();
        }
        Ok(Arc::clone(self.0.tls.get_or_init(|| Arc::new(config))))
    }

    fn client(&self, url: &Url) -> Result<Client, Fault> {
        let is_near = self.0.socket.is_some() || is_loopback(url);
        let is_plain = url.scheme() == "http";
        let place = match (is_near, is_plain) {
            (true, true) => &self.0.near,
            (true, false) => &self.0.near_tls,
            (false, _) => &self.0.far,
        };
        if let Some(made) = place.get() {
            return Ok(made.clone());
        }
        let tls = if is_near && is_plain { rootless()? } else { ClientConfig::clone(&*self.tls()?) };
        let tls = if self.0.trust.is_none() { offering_http2(tls) } else { tls };
        let builder = with_our_limits(self.0.patience).tls_backend_preconfigured(tls);
        // A proxy cannot know what this machine calls itself.
        let builder = if is_near { builder.no_proxy() } else { builder };
        let builder = match &self.0.socket {
            Some(socket) => builder.unix_socket(socket.to_path_buf()),
            None => builder,
        };
        let client = builder.build().map_err(|error| trouble::fault(error, &[]))?;
        Ok(place.get_or_init(|| client).clone())
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self::new()
    }
}

fn with_our_limits(patience: Patience) -> ClientBuilder {
    Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(patience.connect)
        .timeout(patience.total)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(patience.connect)
        .referer(false)
}

fn usual_tls() -> Result<ClientConfig, Fault> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| Fault::new("tls", format!("the system's root certificates cannot be used: {error}")))?
        .with_no_client_auth();
    Ok(config)
}

/// A client wants TLS even where it never uses it; this one trusts nobody and costs nothing.
fn rootless() -> Result<ClientConfig, Fault> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::new("tls", format!("TLS cannot be set up: {error}")))?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// `WebSocket`s share the configuration but must not be offered HTTP/2, so this is said on a copy.
fn offering_http2(mut tls: ClientConfig) -> ClientConfig {
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tls
}

/// Reads a reply to its end, or to `limit` (then it says false, and the connection is given up).
async fn read(mut response: Response, limit: usize, secrets: Arc<[String]>) -> reqwest::Result<(Reply, bool)> {
    let status = response.status().as_u16();
    let wish = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = wish.and_then(|value| reply::retry_after(value, Timestamp::now()));
    let (body, whole) = whole_body(&mut response, limit).await?;
    Ok((Reply::new(status, retry_after, body, secrets), whole))
}

/// A body to its end, or its first `limit` bytes and false.
async fn whole_body(response: &mut Response, limit: usize) -> reqwest::Result<(Vec<u8>, bool)> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = limit - body.len();
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if chunk.len() > room {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}
