//! A certificate's SHA-256 fingerprint.

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

/// The length of the SHA-1 fingerprint that older tools print.
const SHA1_DIGITS: usize = 40;

impl Fingerprint {
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

/// Hexadecimal digits of either case, with colons or spaces between them or without.
impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits: Option<Vec<u8>> = text
            .chars()
            .filter(|letter| !matches!(letter, ':' | ' '))
            .map(|letter| u8::try_from(letter.to_digit(16)?).ok())
            .collect();
        let Some(digits) = digits else {
            return Err("not hexadecimal digits (AB:CD:…)".to_owned());
        };
        let bytes: Vec<u8> =
            digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        match (<[u8; 32]>::try_from(bytes), digits.len()) {
            (Ok(bytes), 64) => Ok(Self(bytes)),
            (_, SHA1_DIGITS) => Err("this is a SHA-1 fingerprint; SHA-256 is required \
                (openssl x509 -noout -fingerprint -sha256)"
                .to_owned()),
            (_, count) => Err(format!("{count} hexadecimal digits; the SHA-256 fingerprint has 64")),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            let colon = if at == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}
