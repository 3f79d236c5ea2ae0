//! The account that the stand-in of Tutum knows.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub token: String,
}

impl Credentials {
    /// `ApiKey user:token`, as `TUTUM_AUTH` has it.
    pub fn api_key(&self) -> String {
        format!("ApiKey {}:{}", self.user, self.token)
    }

    /// `Basic …`, as the later clients send it.
    pub fn basic(&self) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{}", self.user, self.token)))
    }

    pub(super) fn accepts(&self, authorization: &str) -> bool {
        [self.api_key(), self.basic()].iter().any(|good| good == authorization)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_it_should() {
        for (user, token, encoded) in
            [("", "", "Og=="), ("f", "o", "Zjpv"), ("fo", "o", "Zm86bw=="), ("\u{ff}", "", "w786")]
        {
            let credentials = Credentials { user: user.to_owned(), token: token.to_owned() };
            assert_eq!(credentials.basic(), format!("Basic {encoded}"));
        }
    }
}
