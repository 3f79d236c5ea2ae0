//! The judges of certificates. Both leave the proof that the server holds the certificate's key to rustls.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};

use super::Fingerprint;
use crate::fault::Fault;
use crate::outbound::redact;

/// Judges as `V` does; its refusals say which certificate was seen.
#[derive(Debug)]
pub(super) struct Telling<V>(pub(super) Arc<V>);

/// Takes one certificate and no other. Its names, dates and issuers mean nothing: it is the one that was looked at.
#[derive(Debug)]
pub(super) struct Pinned {
    wanted: Fingerprint,
    algorithms: WebPkiSupportedAlgorithms,
}

/// A certificate that was not trusted, carried through all the layers up to whoever words the fault.
pub(in crate::outbound) struct Refused {
    why: String,
    seen: Fingerprint,
}

impl<V: ServerCertVerifier> ServerCertVerifier for Telling<V> {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.0.verify_server_cert(leaf, intermediates, name, ocsp, now).map_err(|error| Refused::because(&error, leaf))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

impl Pinned {
    pub(super) fn new(wanted: Fingerprint, provider: &CryptoProvider) -> Self {
        Self { wanted, algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // A fingerprint is public, so there is nothing to learn from how long this takes.
        let seen = Fingerprint::of(leaf);
        if seen == self.wanted {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Refused { why: "it is not the pinned one; was it renewed?".to_owned(), seen }.into())
    }

    /// Without this, anyone could show the pinned certificate, which is no secret.
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

impl Refused {
    fn because(error: &rustls::Error, leaf: &CertificateDer<'_>) -> rustls::Error {
        let why = match error {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                "nobody who is trusted has signed it".to_owned()
            }
            rustls::Error::InvalidCertificate(error) => redact::clean(&error.to_string(), &[]),
            other => redact::clean(&other.to_string(), &[]),
        };
        Self { why, seen: Fingerprint::of(leaf) }.into()
    }

    pub(in crate::outbound) fn fault(&self) -> Fault {
        let Self { why, seen } = self;
        Fault::new(
            "tls",
            format!(
                "the server's certificate is not trusted: {why} (if this is the right one, pin it: fingerprint = \"{seen}\")"
            ),
        )
    }
}

/// The pin first: whoever prints this may have to cut it.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to pin it: fingerprint = \"{}\" ({})", self.seen, self.why)
    }
}

/// rustls prints what it does not know by this.
impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Refused {}

impl From<Refused> for rustls::Error {
    fn from(refused: Refused) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refused))))
    }
}

/// The refused certificate behind a failed request, if it was one.
pub(in crate::outbound) fn refusal<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Refused> {
    std::iter::successors(Some(error), |error: &&'e (dyn Error + 'static)| (*error).source()).find_map(refused_by)
}

fn refused_by<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Refused> {
    // What is inside an io::Error is not its source but stands in its place, so it is opened.
    if let Some(inside) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return refused_by(inside);
    }
    match error.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other))) => other.downcast_ref(),
        _ => None,
    }
}
