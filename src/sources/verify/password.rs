//! A secret that is sent along: a password, a bearer token, or a header that is nothing else.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{Denied, only};
use crate::config_reader::TableReader;
use crate::outbound::read_login;

/// Digests of what lets in. Comparing digests tells nothing of a secret's length either, and none can be printed.
#[derive(Debug)]
pub(in crate::sources) struct Password {
    header: HeaderName,
    /// The word in front, in lower case: `basic`, `bearer`.
    scheme: Option<&'static str>,
    digests: Vec<[u8; 32]>,
}

impl Password {
    pub(super) fn new<'s>(
        header: HeaderName,
        scheme: Option<&'static str>,
        values: impl IntoIterator<Item = &'s [u8]>,
    ) -> Self {
        Self { header, scheme, digests: values.into_iter().map(digest).collect() }
    }

    /// `basic = { user, password }`, and `old`: the password before it.
    pub(super) fn read_basic(table: &TableReader) -> Option<Self> {
        let (login, old) = (read_login(table), table.secret("old"));
        if old.is_none() && table.has("old") {
            return None;
        }
        let (user, password) = login?;
        let passwords: Vec<_> = [password].into_iter().chain(old).collect();
        let pair = |password: &str| BASE64_STANDARD.encode(format!("{}:{password}", user.value.expose()));
        let values: Vec<_> = passwords.iter().map(|password| pair(password.value.expose())).collect();
        Some(Self::new(AUTHORIZATION, Some("basic"), values.iter().map(String::as_bytes)))
    }

    pub(super) fn header(&self) -> &HeaderName {
        &self.header
    }

    pub(super) fn challenge(&self) -> Option<&'static str> {
        self.scheme.map(|scheme| if scheme == "basic" { "Basic realm=\"tidings\"" } else { "Bearer" })
    }

    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let value = only(headers, &self.header)?.as_bytes();
        let shown = match self.scheme {
            None => value,
            Some(scheme) => behind(value, scheme).ok_or_else(|| Denied::Malformed(self.header.clone()))?,
        };
        let shown = digest(shown);
        // Every one of them is compared, so that the time tells nothing.
        let fits = self.digests.iter().fold(Choice::from(0), |fits, known| fits | known.ct_eq(&shown));
        if bool::from(fits) { Ok(()) } else { Err(Denied::Credentials) }
    }
}

/// What stands behind the scheme, whose case does not count (RFC 9110).
fn behind<'v>(value: &'v [u8], scheme: &str) -> Option<&'v [u8]> {
    let (word, rest) = value.split_at_checked(scheme.len())?;
    let shown = rest.trim_ascii_start();
    (word.eq_ignore_ascii_case(scheme.as_bytes()) && shown.len() < rest.len()).then_some(shown)
}

fn digest(value: &[u8]) -> [u8; 32] {
    Sha256::digest(value).into()
}
