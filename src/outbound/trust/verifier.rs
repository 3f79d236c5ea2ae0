//! The verifier of certificates. The proof that the server holds the certificate's key is left to rustls.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};

use super::fingerprint::Fingerprint;
use crate::fault::Fault;
use crate::outbound::redact;

/// Verifies the certificate by `rule`, and the handshake's signature in any case. Its errors name the certificate.
#[derive(Debug)]
pub(super) struct Verifier {
    rule: Rule,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
pub(super) enum Rule {
    /// Certificates that this one accepts.
    Chain(Arc<dyn ServerCertVerifier>),
    /// One certificate only, whatever its names, dates and issuer: a person has looked at it.
    Pin(Fingerprint),
}

/// An untrusted certificate, as the cause within the errors of TLS and HTTP.
struct Untrusted {
    why: String,
    fingerprint: Fingerprint,
}

impl Verifier {
    pub(super) fn new(rule: Rule, provider: &CryptoProvider) -> Self {
        Self { rule, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let fingerprint = Fingerprint::of(leaf);
        let why = match &self.rule {
            // A fingerprint is public, so this comparison may take any time.
            Rule::Pin(pin) if fingerprint == *pin => return Ok(ServerCertVerified::assertion()),
            Rule::Pin(_) => "it is not the pinned one; was it renewed?".to_owned(),
            Rule::Chain(chain) => match chain.verify_server_cert(leaf, intermediates, name, ocsp, now) {
                Ok(verified) => return Ok(verified),
                Err(error) => explanation(&error),
            },
        };
        Err(Untrusted { why, fingerprint }.into())
    }

    /// Without this, every server could present a trusted certificate, which is public.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, leaf, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, leaf, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn explanation(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "no trusted authority has signed it".to_owned()
        }
        rustls::Error::InvalidCertificate(error) => redact::clean(&error.to_string(), &[]),
        other => redact::clean(&other.to_string(), &[]),
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, fingerprint } = self;
        write!(
            f,
            "the server's certificate is not trusted: {why} (if it is the right one, pin it: \
             fingerprint = \"{fingerprint}\"; where that key does not exist, add its issuer to this machine's root certificates)"
        )
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Untrusted {}

impl From<Untrusted> for rustls::Error {
    fn from(untrusted: Untrusted) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(untrusted))))
    }
}

/// The fault where `error` was caused by an untrusted certificate: which one it is, and how to trust it.
pub fn untrusted_certificate(error: &(dyn Error + 'static)) -> Option<Fault> {
    let mut causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.find_map(find_untrusted).map(|untrusted| Fault::new("tls", untrusted.to_string()))
}

fn find_untrusted<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Untrusted> {
    // The source of an io::Error is the source of what it wraps, so the wrapped error itself is looked at.
    if let Some(inside) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return find_untrusted(inside);
    }
    match error.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other))) => other.downcast_ref(),
        _ => None,
    }
}
