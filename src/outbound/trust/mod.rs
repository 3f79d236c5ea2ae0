//! Whom TLS trusts where the system's roots do not fit: appliances come with certificates of their own making.
//!
//! Nothing here trusts everyone. Whoever is refused is told which certificate was seen and how to pin it.

mod fingerprint;
#[cfg(test)]
mod tests;
mod verifiers;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use crate::config_reader::{Problem, TableReader};
use crate::fault::Fault;

pub use fingerprint::Fingerprint;
pub(super) use verifiers::refusal;
use verifiers::{Pinned, Telling};

/// `ca_file = "…"`, `fingerprint = "…"`, or neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trust {
    /// Whom this machine trusts anyway.
    #[default]
    System,
    /// Whoever shows a certificate that these have signed, and nobody else.
    Roots(Arc<Roots>),
    /// Whoever holds the key of this one certificate, whatever names and dates stand in it.
    Pinned(Fingerprint),
}

/// What a PEM file held.
#[derive(Debug, PartialEq, Eq)]
pub struct Roots {
    path: PathBuf,
    certificates: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Reads `ca_file` and `fingerprint` of a table. The file is read at once, so that what is wrong with it has a place.
    pub fn read(table: &TableReader) -> Self {
        let (ca_file, fingerprint) = (table.text("ca_file"), table.text("fingerprint"));
        let wrong = |span, said: String| table.reading.problem(Problem::error(span, said));
        match (ca_file, fingerprint) {
            (None, None) => return Self::System,
            (Some(_), Some(pin)) => {
                let said = "`fingerprint` stands beside `ca_file`: one of them is not meant";
                let hint =
                    "keep `ca_file` to trust whoever it has signed, or `fingerprint` to trust one certificate only";
                table.reading.problem(Problem::error(pin.span, said).hint(hint));
            }
            (Some(file), None) => match Self::roots(Path::new(&file.value)) {
                Ok(roots) => return roots,
                Err(why) => wrong(file.span, format!("`ca_file`: {why}")),
            },
            (None, Some(pin)) => match pin.value.parse() {
                Ok(fingerprint) => return Self::Pinned(fingerprint),
                Err(why) => wrong(pin.span, format!("`fingerprint`: {why}")),
            },
        }
        Self::System
    }

    /// The certificates of a PEM file.
    pub fn roots(path: &Path) -> Result<Self, String> {
        let pem = fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("{} is no readable PEM: {error}", path.display()))?;
        let roots = Roots { path: path.to_owned(), certificates };
        roots.store().map_err(|fault| fault.to_string())?;
        Ok(Self::Roots(Arc::new(roots)))
    }

    pub(super) fn tls(&self) -> Result<ClientConfig, Fault> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = self.verifier(&provider)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Fault::new("tls", format!("TLS cannot be set up: {error}")))?
            // What rustls calls dangerous is a judge of one's own. Each of ours checks the handshake's signature.
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(config)
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Fault> {
        Ok(match self {
            Self::System => {
                let verifier = Verifier::new(Arc::clone(provider)).map_err(|error| {
                    Fault::new("tls", format!("the system's root certificates cannot be used: {error}"))
                })?;
                Arc::new(Telling(Arc::new(verifier)))
            }
            Self::Roots(roots) => {
                let store = Arc::new(roots.store()?);
                let verifier = WebPkiServerVerifier::builder_with_provider(store, Arc::clone(provider))
                    .build()
                    .map_err(|error| roots.unusable(&error.to_string()))?;
                Arc::new(Telling(verifier))
            }
            Self::Pinned(fingerprint) => Arc::new(Pinned::new(*fingerprint, provider)),
        })
    }
}

impl Roots {
    fn store(&self) -> Result<RootCertStore, Fault> {
        let mut store = RootCertStore::empty();
        for certificate in &self.certificates {
            store.add(certificate.clone()).map_err(|error| self.unusable(&error.to_string()))?;
        }
        if store.is_empty() {
            return Err(self.unusable("it holds no certificate (PEM, `-----BEGIN CERTIFICATE-----`)"));
        }
        Ok(store)
    }

    fn unusable(&self, why: &str) -> Fault {
        Fault::new("tls", format!("{} cannot be used: {why}", self.path.display()))
    }
}
