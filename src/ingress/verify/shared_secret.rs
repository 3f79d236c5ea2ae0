//! A secret that every request carries: a password, a bearer token, or the whole value of a header.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::check::{VerifyError, only};
use crate::config_reader::TableReader;
use crate::outbound::read_login;

/// Keeps digests of the valid values: comparing digests does not depend on a secret's length, and none can be printed.
#[derive(Debug)]
pub struct SharedSecret {
    header: HeaderName,
    /// `basic` or `bearer`, before the value.
    scheme: Option<&'static str>,
    digests: Vec<[u8; 32]>,
}

impl SharedSecret {
    pub(super) fn new<'s>(
        header: HeaderName,
        scheme: Option<&'static str>,
        values: impl IntoIterator<Item = &'s [u8]>,
    ) -> Self {
        Self { header, scheme, digests: values.into_iter().map(digest).collect() }
    }

    /// `basic = { user, password }`, and `old`: the previous password.
    pub(super) fn read_basic(table: &TableReader) -> Option<Self> {
        let (login, old) = (read_login(table), table.secret("old"));
        if old.is_none() && table.has("old") {
            return None;
        }
        let (user, password) = login?;
        let passwords = [password].into_iter().chain(old);
        let pair = |password: &str| BASE64_STANDARD.encode(format!("{}:{password}", user.value.expose()));
        let values: Vec<_> = passwords.map(|password| pair(password.value.expose())).collect();
        Some(Self::new(AUTHORIZATION, Some("basic"), values.iter().map(String::as_bytes)))
    }

    pub(super) fn header(&self) -> &HeaderName {
        &self.header
    }

    pub(super) fn challenge(&self) -> Option<&'static str> {
        self.scheme.map(|scheme| if scheme == "basic" { "Basic realm=\"tidings\"" } else { "Bearer" })
    }

    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), VerifyError> {
        let value = only(headers, &self.header)?.as_bytes();
        let sent = match self.scheme {
            None => value,
            Some(scheme) => strip_scheme(value, scheme).ok_or_else(|| VerifyError::Malformed(self.header.clone()))?,
        };
        let sent = digest(sent);
        // All are compared, so that the time does not tell which one matched.
        let matches = self.digests.iter().fold(Choice::from(0), |matches, valid| matches | valid.ct_eq(&sent));
        if bool::from(matches) { Ok(()) } else { Err(VerifyError::Credentials) }
    }
}

/// The value behind the scheme, which is case-insensitive (RFC 9110).
fn strip_scheme<'v>(value: &'v [u8], scheme: &str) -> Option<&'v [u8]> {
    let (word, rest) = value.split_at_checked(scheme.len())?;
    let sent = rest.trim_ascii_start();
    (word.eq_ignore_ascii_case(scheme.as_bytes()) && sent.len() < rest.len()).then_some(sent)
}

fn digest(value: &[u8]) -> [u8; 32] {
    Sha256::digest(value).into()
}
