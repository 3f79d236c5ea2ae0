//! What we show of ourselves where a server wants a certificate of its clients.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::config_reader::{Problem, TableReader};

/// A certificate and its key. Debug shows neither.
#[derive(Clone)]
pub struct Identity(Arc<SingleCertAndKey>);

impl Identity {
    /// Reads `cert_file` and `key_file` of a table. Both files are read at once, so that what is wrong with them has a place.
    pub fn read(table: &TableReader) -> Option<Self> {
        let (certificate, key) = (table.text("cert_file"), table.text("key_file"));
        match (certificate, key) {
            (Some(certificate), Some(key)) => {
                let identity = Self::of_files(Path::new(&certificate.value), Path::new(&key.value));
                let wrong = |why| table.reading.problem(Problem::error(certificate.span, why));
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

    /// Of two PEM files: the certificate with those that vouch for it, and the key.
    pub fn of_files(certificate: &Path, key: &Path) -> Result<Self, String> {
        let read = |path: &Path| fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()));
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(certificate)?)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("{} is no readable PEM: {error}", certificate.display()))?;
        if chain.is_empty() {
            return Err(format!("{} holds no certificate", certificate.display()));
        }
        // The error of a key says what is wrong, and nothing of what is in it.
        let key = PrivateKeyDer::from_pem_slice(&read(key)?)
            .map_err(|error| format!("{} holds no private key: {error}", key.display()))?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let both = CertifiedKey::from_der(chain, key, &provider)
            .map_err(|error| format!("`cert_file` and `key_file` do not go together: {error}"))?;
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

    use reqwest::{Method, Request, Url};
    use rustls::version::{TLS12, TLS13};

    use super::*;
    use crate::config_reader::ConfigReader;
    use crate::outbound::tls_stage::{OTHER, OTHER_KEY, PEER, PEER_KEY, TlsStage};
    use crate::outbound::{Outbound, Trust};

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("room");
        file.write_all(bytes).expect("written");
        file
    }

    fn of(certificate: &[u8], key: &[u8]) -> Result<Identity, String> {
        let (certificate, key) = (file(certificate), file(key));
        Identity::of_files(certificate.path(), key.path())
    }

    #[test]
    fn a_certificate_goes_with_its_own_key_and_no_other() {
        assert_eq!(format!("{:?}", of(PEER, PEER_KEY)), "Ok(Identity)");
        for (certificate, key, said) in [
            (OTHER, PEER_KEY, "do not go together"),
            (PEER_KEY, PEER_KEY, "holds no certificate"),
            (PEER, PEER, "holds no private key"),
        ] {
            let why = of(certificate, key).expect_err("wrong");
            assert!(why.contains(said), "{why}");
            assert!(!why.contains("BEGIN"), "{why}");
        }
        assert!(Identity::of_files(Path::new("/nowhere"), Path::new("/nowhere")).is_err());
    }

    #[tokio::test]
    async fn whoever_asks_for_a_certificate_is_shown_it() {
        const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        for version in [&TLS12, &TLS13] {
            let stage = TlsStage::wary(version, HELLO).await;
            let ask = async |net: &Outbound| {
                let request = Request::new(Method::GET, Url::parse(&stage.url).expect("a URL"));
                net.exchange(request, 100, Duration::from_secs(20)).await
            };
            let roots = file(PEER);
            let net = Outbound::new().trusting(&Trust::roots(roots.path()).expect("a certificate"));
            let other = of(OTHER, OTHER_KEY).expect("a pair");
            assert_eq!(ask(&net.showing(&other)).await.expect("let in").status, 200);
            let stranger = of(PEER, PEER_KEY).expect("a pair");
            assert!(ask(&net).await.is_err() && ask(&net.showing(&stranger)).await.is_err());
        }
    }

    #[test]
    fn one_without_the_other_is_said() {
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
