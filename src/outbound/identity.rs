//! The client certificate.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::trust;
use crate::config_reader::{Problem, TableReader};

/// A certificate and its key. Debug shows neither.
#[derive(Clone)]
pub struct Identity(Arc<SingleCertAndKey>);

impl Identity {
    /// Reads the keys `cert_file` and `key_file`, and both files, so that a problem with them has a place in relays.toml.
    pub fn read(table: &TableReader) -> Option<Self> {
        let (certificate, key) = (table.text("cert_file"), table.text("key_file"));
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                let identity = Self::from_files(Path::new(&certificate.value), Path::new(&key.value));
                let wrong = |why| table.reader.problem(Problem::error(certificate.span, why));
                identity.map_err(wrong).ok()
            }
            (Some(_), None) if !table.has("key_file") => {
                table.missing("key_file");
                None
            }
            (None, Some(_)) if !table.has("cert_file") => {
                table.missing("cert_file");
                None
            }
            _ => None,
        }
    }

    /// Reads two PEM files: the certificate with its chain, and the key.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, String> {
        let chain = trust::read_certificates(certificate)?;
        if chain.is_empty() {
            return Err(format!("{} holds no certificate", certificate.display()));
        }
        // The error repeats nothing of the key.
        let key = PrivateKeyDer::from_pem_slice(&trust::read_file(key)?)
            .map_err(|error| format!("{} holds no private key: {error}", key.display()))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let both = CertifiedKey::from_der(chain, key, &provider)
            .map_err(|error| format!("`cert_file` and `key_file` do not match: {error}"))?;
        Ok(Self(Arc::new(SingleCertAndKey::from(both))))
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::clone(&self.0) as Arc<dyn ResolvesClientCert>
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use reqwest::Url;
    use rustls::version::{TLS12, TLS13};

    use super::*;
    use crate::config_reader::ConfigReader;
    use crate::outbound::{Outbound, Request, Trust};
    use crate::test_support::tls::{OTHER, OTHER_KEY, PEER, PEER_KEY, TlsServer};

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("written");
        file
    }

    fn identity(certificate: &[u8], key: &[u8]) -> Result<Identity, String> {
        let (certificate, key) = (file(certificate), file(key));
        Identity::from_files(certificate.path(), key.path())
    }

    #[test]
    fn a_certificate_is_accepted_with_its_own_key_only() {
        assert_eq!(format!("{:?}", identity(PEER, PEER_KEY)), "Ok(Identity)");
        for (certificate, key, message) in [
            (OTHER, PEER_KEY, "do not match"),
            (PEER_KEY, PEER_KEY, "holds no certificate"),
            (PEER, PEER, "holds no private key"),
        ] {
            let why = identity(certificate, key).expect_err("wrong");
            assert!(why.contains(message), "{why}");
            assert!(!why.contains("BEGIN"), "{why}");
        }
        assert!(Identity::from_files(Path::new("/nowhere"), Path::new("/nowhere")).is_err());
    }

    #[tokio::test]
    async fn a_server_that_requires_a_certificate_gets_it() {
        const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        for version in [&TLS12, &TLS13] {
            let server = TlsServer::requiring_client_certificate(version, HELLO).await;
            let send = async |net: &Outbound| {
                let url = Url::parse(&server.url).expect("a URL");
                net.send(Request::get(url).timeout(Duration::from_secs(20))).await
            };
            let roots = file(PEER);
            let net = Outbound::new().trusting(&Trust::roots(roots.path()).expect("a certificate"));
            let other = identity(OTHER, OTHER_KEY).expect("a pair");
            assert_eq!(send(&net.with_identity(&other)).await.expect("accepted").status, 200);
            let unknown = identity(PEER, PEER_KEY).expect("a pair");
            assert!(send(&net).await.is_err() && send(&net.with_identity(&unknown)).await.is_err());
        }
    }

    #[test]
    fn one_key_without_the_other_is_a_problem() {
        for (text, wanted) in [
            ("", vec![]),
            ("cert_file = \"x\"", vec!["`key_file` is missing here".to_owned()]),
            ("key_file = \"x\"", vec!["`cert_file` is missing here".to_owned()]),
        ] {
            let reading = ConfigReader::new(text, &|_| None);
            let tree = reading.tree();
            assert!(Identity::read(&TableReader::new(&reading, "source.docker", &tree)).is_none());
            let problems = reading.into_findings().problems;
            assert_eq!(problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>(), wanted);
        }
    }
}
