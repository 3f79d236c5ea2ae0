//! A TLS server for tests, which shows a certificate of nobody's making and gives one answer to every request.

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

/// P-256, for 127.0.0.1, signed by itself, good until 2045.
pub(crate) const PEER: &[u8] = include_bytes!("trust/peer.pem");
pub(crate) const PEER_KEY: &[u8] = include_bytes!("trust/peer.key");
pub(crate) const OTHER: &[u8] = include_bytes!("trust/other.pem");
pub(crate) const OTHER_KEY: &[u8] = include_bytes!("trust/other.key");

/// Which certificate with which key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    Peer,
    Other,
    /// The peer's certificate in the hands of somebody who has not its key.
    Thief,
}

pub(crate) struct TlsStage {
    pub(crate) url: String,
    playing: tokio::task::JoinHandle<()>,
}

impl TlsStage {
    pub(crate) async fn open(who: Who, version: &'static SupportedProtocolVersion, answer: &str) -> Self {
        Self::serving(config(who, version, None), answer).await
    }

    /// The peer, who talks to nobody that does not show a certificate of the other one's.
    pub(crate) async fn wary(version: &'static SupportedProtocolVersion, answer: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(OTHER).expect("a certificate")).expect("usable");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("a root");
        Self::serving(config(Who::Peer, version, Some(verifier)), answer).await
    }

    async fn serving(config: ServerConfig, answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("bound"));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let answer = answer.to_owned();
        #[expect(clippy::disallowed_methods, reason = "the stage owns it and ends it")]
        let playing = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(&acceptor, stream, &answer).await;
            }
        });
        Self { url, playing }
    }
}

impl Drop for TlsStage {
    fn drop(&mut self) {
        self.playing.abort();
    }
}

/// A client that does not trust us hangs up in the middle of anything; that is no failure of ours.
async fn serve(acceptor: &TlsAcceptor, stream: TcpStream, answer: &str) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        stream.shutdown().await.ok();
    }
}

fn config(
    who: Who,
    version: &'static SupportedProtocolVersion,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (certificate, key) = match who {
        Who::Peer => (PEER, PEER_KEY),
        Who::Other => (OTHER, OTHER_KEY),
        Who::Thief => (PEER, OTHER_KEY),
    };
    let certificate = CertificateDer::from_pem_slice(certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(key).expect("a key");
    let key = provider.key_provider.load_private_key(key).expect("a usable key");
    let shown = Shown(Arc::new(CertifiedKey::new(vec![certificate], key)));
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a known version")
        .with_client_cert_verifier(clients.unwrap_or_else(|| Arc::new(NoClientAuth)))
        .with_cert_resolver(Arc::new(shown))
}

/// rustls's own way would notice that the thief's key does not fit.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
