//! The client: connections, TLS, proxies and timeouts.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Url};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::failure;
use super::identity::Identity;
use super::reply::Reply;
use super::request::Request;
use super::secret_url::is_loopback;
use super::stream::ReplyStream;
use super::trust::Trust;
use crate::fault::Fault;
use crate::message::SendError;

const USER_AGENT: &str = concat!("tidings/", env!("CARGO_PKG_VERSION"));
/// Shorter than servers commonly keep an idle connection, so that we rarely write into one that they closed.
const IDLE: Duration = Duration::from_secs(55);
/// An HTTP/2 connection is pinged while a reply is awaited.
const PING: Duration = Duration::from_secs(20);
/// As good as no timeout, and no clock overflows.
const NO_TIMEOUT: Duration = Duration::from_secs(10 * 366 * 86_400);

#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    pub connect: Duration,
    /// From the first byte out to the last byte in, connecting included.
    pub total: Duration,
}

impl Timeouts {
    pub const USUAL: Self = Self { connect: Duration::from_secs(5), total: Duration::from_secs(10) };
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbound(Arc<Clients>);

#[derive(Debug, Clone)]
struct Options {
    timeouts: Timeouts,
    /// None: [`Trust::System`], shared by everyone.
    trust: Option<Trust>,
    identity: Option<Identity>,
    /// Where every connection goes, whatever host the URL names.
    socket: Option<Arc<Path>>,
}

/// Each is made when it is first needed: most of a client's cost is reading the system's roots.
#[derive(Debug)]
struct Clients {
    options: Options,
    tls: OnceLock<Arc<ClientConfig>>,
    /// To this machine without TLS, which needs no roots.
    local: OnceLock<Client>,
    /// To this machine with TLS.
    local_tls: OnceLock<Client>,
    /// To every other machine, through `HTTPS_PROXY` and the like where they are set.
    remote: OnceLock<Client>,
}

impl Outbound {
    pub fn new() -> Self {
        Self::with_timeouts(Timeouts::USUAL)
    }

    pub fn with_timeouts(timeouts: Timeouts) -> Self {
        Self::build(Options { timeouts, trust: None, identity: None, socket: None })
    }

    /// The same for one server that has its own trust, on this machine as well. It uses HTTP/1.1 only, so that a
    /// request that waits for minutes has a connection to itself.
    #[must_use]
    pub fn trusting(&self, trust: &Trust) -> Self {
        Self::build(Options { trust: Some(trust.clone()), ..self.0.options.clone() })
    }

    /// The same with a client certificate.
    #[must_use]
    pub fn with_identity(&self, identity: &Identity) -> Self {
        Self::build(Options { identity: Some(identity.clone()), ..self.0.options.clone() })
    }

    /// The same over a Unix socket of this machine, whatever host a URL names.
    #[must_use]
    pub fn over_socket(&self, socket: &Path) -> Self {
        Self::build(Options { socket: Some(socket.into()), ..self.0.options.clone() })
    }

    fn build(options: Options) -> Self {
        let [local, local_tls, remote] = [const { OnceLock::new() }; 3];
        Self(Arc::new(Clients { options, tls: OnceLock::new(), local, local_tls, remote }))
    }

    /// Sends `request` and reads the whole reply.
    pub async fn send(&self, request: Request) -> Result<Reply, Fault> {
        let total = request.timeout.unwrap_or(self.0.options.timeouts.total);
        self.execute(request, total).await?.whole().await
    }

    /// As [`Outbound::send`], for a message: a request that fails has a verdict, too.
    pub async fn deliver(&self, request: Request) -> Result<Reply, SendError> {
        self.send(request).await.map_err(failure::verdict)
    }

    /// Sends `request` and waits for the reply's head. The body may take for ever: whether the server is still there
    /// is for the caller to find out.
    pub async fn stream(&self, request: Request) -> Result<ReplyStream, Fault> {
        let head = request.timeout.unwrap_or(self.0.options.timeouts.total);
        let late = |_| Fault::new("timeout", "no reply in time");
        timeout(head, self.execute(request, NO_TIMEOUT)).await.map_err(late)?
    }

    async fn execute(&self, request: Request, total: Duration) -> Result<ReplyStream, Fault> {
        let Request { mut http, limit, secrets, .. } = request;
        *http.timeout_mut() = Some(total);
        let response = self.client(http.url())?.execute(http).await;
        let response = response.map_err(|error| failure::fault(error, &secrets))?;
        Ok(ReplyStream::new(response, limit, secrets))
    }

    /// The TLS configuration, without application protocols. The first call reads the system's roots, which blocks
    /// for milliseconds.
    pub fn tls(&self) -> Result<Arc<ClientConfig>, Fault> {
        if let Some(made) = self.0.tls.get() {
            return Ok(Arc::clone(made));
        }
        let mut config = self.0.options.trust.as_ref().unwrap_or(&Trust::System).tls()?;
        if let Some(identity) = &self.0.options.identity {
            config.client_auth_cert_resolver = identity.resolver();
        }
        Ok(Arc::clone(self.0.tls.get_or_init(|| Arc::new(config))))
    }

    fn client(&self, url: &Url) -> Result<Client, Fault> {
        let is_local = self.0.options.socket.is_some() || is_loopback(url);
        let is_plain = url.scheme() == "http";
        let cell = match (is_local, is_plain) {
            (true, true) => &self.0.local,
            (true, false) => &self.0.local_tls,
            (false, _) => &self.0.remote,
        };
        if let Some(made) = cell.get() {
            return Ok(made.clone());
        }
        let mut tls = if is_local && is_plain { rootless()? } else { ClientConfig::clone(&*self.tls()?) };
        if self.0.options.trust.is_none() {
            tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        let builder = with_limits(self.0.options.timeouts).tls_backend_preconfigured(tls);
        // A proxy does not know this machine's own names.
        let builder = if is_local { builder.no_proxy() } else { builder };
        let builder = match &self.0.options.socket {
            Some(socket) => builder.unix_socket(socket.to_path_buf()),
            None => builder,
        };
        let client = builder.build().map_err(|error| failure::fault(error, &[]))?;
        Ok(cell.get_or_init(|| client).clone())
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self::new()
    }
}

fn with_limits(timeouts: Timeouts) -> ClientBuilder {
    Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.total)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(timeouts.connect)
        .referer(false)
}

/// reqwest wants a TLS configuration even where it uses none; this one costs nothing and trusts no certificate.
fn rootless() -> Result<ClientConfig, Fault> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::new("tls", format!("TLS cannot be set up: {error}")))?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}
