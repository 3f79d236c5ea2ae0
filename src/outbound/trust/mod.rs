//! Which certificates TLS trusts. Appliances come with self-signed ones, which the system's roots do not cover.
//!
//! There is deliberately no way to trust every certificate. An error names the certificate and how to pin it.

mod fingerprint;
#[cfg(test)]
mod tests;
mod verifier;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::config_reader::{Problem, TableReader};
use crate::fault::Fault;

pub use fingerprint::Fingerprint;
pub use verifier::untrusted_certificate;
use verifier::{Rule, Verifier};

/// `ca_file = "…"`, `fingerprint = "…"`, or neither.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trust {
    /// What this machine trusts.
    #[default]
    System,
    /// Certificates that these have signed, and no others.
    Roots(Arc<Roots>),
    /// This one certificate, whatever its names and dates.
    Pinned(Fingerprint),
}

/// The certificates of a PEM file.
#[derive(Debug, PartialEq, Eq)]
pub struct Roots {
    path: PathBuf,
    certificates: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Reads the keys `ca_file` and `fingerprint`, and the file, so that a problem with it has a place in relays.toml.
    pub fn read(table: &TableReader) -> Self {
        let (ca_file, fingerprint) = (table.text("ca_file"), table.text("fingerprint"));
        let wrong = |span, why: String| table.reader.problem(Problem::error(span, why));
        match (ca_file, fingerprint) {
            (None, None) => return Self::System,
            (Some(_), Some(pin)) => {
                let why = "`ca_file` and `fingerprint` exclude each other";
                let hint = "keep `ca_file` to trust every certificate that it signed, or `fingerprint` to trust one certificate";
                table.reader.problem(Problem::error(pin.span, why).hint(hint));
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
        let roots = Roots { path: path.to_owned(), certificates: read_certificates(path)? };
        roots.store().map_err(|fault| fault.to_string())?;
        Ok(Self::Roots(Arc::new(roots)))
    }

    pub(super) fn tls(&self) -> Result<ClientConfig, Fault> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = Verifier::new(self.rule(&provider)?, &provider);
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Fault::new("tls", format!("TLS cannot be set up: {error}")))?
            // What rustls calls dangerous is a verifier of one's own. Ours checks the handshake's signature.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(config)
    }

    fn rule(&self, provider: &Arc<CryptoProvider>) -> Result<Rule, Fault> {
        Ok(match self {
            Self::System => {
                let system = rustls_platform_verifier::Verifier::new(Arc::clone(provider)).map_err(|error| {
                    Fault::new("tls", format!("the system's root certificates cannot be used: {error}"))
                })?;
                Rule::Chain(Arc::new(system))
            }
            Self::Roots(roots) => {
                let store = Arc::new(roots.store()?);
                let chain = WebPkiServerVerifier::builder_with_provider(store, Arc::clone(provider))
                    .build()
                    .map_err(|error| roots.unusable(&error.to_string()))?;
                Rule::Chain(chain)
            }
            Self::Pinned(fingerprint) => Rule::Pin(*fingerprint),
        })
    }
}

pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

pub(super) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_slice_iter(&read_file(path)?).collect::<Result<_, _>>();
    certificates.map_err(|error| format!("{} is not readable PEM: {error}", path.display()))
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
