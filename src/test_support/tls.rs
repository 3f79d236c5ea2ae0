//! A TLS server with a self-signed certificate, which gives one reply to every request.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoClientAuth, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// P-256, for 127.0.0.1, self-signed, valid until 2045.
pub(crate) const PEER: &[u8] = include_bytes!("tls/peer.pem");
pub(crate) const PEER_KEY: &[u8] = include_bytes!("tls/peer.key");
pub(crate) const OTHER: &[u8] = include_bytes!("tls/other.pem");
pub(crate) const OTHER_KEY: &[u8] = include_bytes!("tls/other.key");
/// The file of [`PEER`].
pub(crate) const PEER_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/test_support/tls/peer.pem");

/// Which certificate the server presents, and with which key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ServerCertificate {
    Peer,
    Other,
    /// The peer's certificate with another key: what a server without the peer's key can present.
    PeerWithoutKey,
}

pub(crate) struct TlsServer {
    pub(crate) url: String,
    serving: tokio::task::JoinHandle<()>,
}

impl TlsServer {
    pub(crate) async fn start(
        certificate: ServerCertificate,
        version: &'static SupportedProtocolVersion,
        reply: &str,
    ) -> Self {
        Self::serving(config(certificate, version, None), reply).await
    }

    /// The peer, which requires [`OTHER`] as the client's certificate.
    pub(crate) async fn requiring_client_certificate(version: &'static SupportedProtocolVersion, reply: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(OTHER).expect("a certificate")).expect("usable");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("a root");
        Self::serving(config(ServerCertificate::Peer, version, Some(verifier)), reply).await
    }

    async fn serving(config: ServerConfig, reply: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("https://{}", listener.local_addr().expect("a bound socket"));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let reply = reply.to_owned();
        #[expect(clippy::disallowed_methods, reason = "the server owns the task and aborts it when dropped")]
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(&acceptor, stream, &reply).await;
            }
        });
        Self { url, serving }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A client that does not trust the certificate closes the connection at any point, which is no failure here.
async fn serve(acceptor: &TlsAcceptor, stream: TcpStream, reply: &str) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    if stream.write_all(reply.as_bytes()).await.is_ok() {
        stream.shutdown().await.ok();
    }
}

fn config(
    certificate: ServerCertificate,
    version: &'static SupportedProtocolVersion,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (certificate, key) = match certificate {
        ServerCertificate::Peer => (PEER, PEER_KEY),
        ServerCertificate::Other => (OTHER, OTHER_KEY),
        ServerCertificate::PeerWithoutKey => (PEER, OTHER_KEY),
    };
    let certificate = CertificateDer::from_pem_slice(certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(key).expect("a key");
    let key = provider.key_provider.load_private_key(key).expect("a usable key");
    let resolver = FixedCertificate(Arc::new(CertifiedKey::new(vec![certificate], key)));
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a known version")
        .with_client_cert_verifier(clients.unwrap_or_else(|| Arc::new(NoClientAuth)))
        .with_cert_resolver(Arc::new(resolver))
}

/// rustls's own resolver checks that the key fits the certificate.
#[derive(Debug)]
struct FixedCertificate(Arc<CertifiedKey>);

impl ResolvesServerCert for FixedCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
