//! Tutum: its stream and its API, which know the same account.

use std::fmt;
use std::io;

use super::tutum_api::Api;
use super::tutum_stream::Stream;
use super::unguessable;

/// Both halves on ports of their own.
#[derive(Debug)]
pub struct Tutum {
    pub stream: Stream,
    pub api: Api,
    credentials: Credentials,
}

/// An account that both halves accept, in each form that Tutum's clients have used.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub token: String,
}

impl Tutum {
    pub async fn start() -> io::Result<Self> {
        let credentials = Credentials { user: "demo".to_owned(), token: unguessable(40) };
        let (stream, api) = (Stream::start(0, credentials.clone()).await?, Api::start(0, credentials.clone()).await?);
        Ok(Self { stream, api, credentials })
    }

    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The broken rules of both halves.
    pub fn offences(&self) -> Vec<String> {
        [self.stream.offences(), self.api.offences()].concat()
    }
}

impl Credentials {
    /// `ApiKey user:token`, as `TUTUM_AUTH` has it.
    pub fn api_key(&self) -> String {
        format!("ApiKey {}:{}", self.user, self.token)
    }

    /// `Basic …`, as the later clients send it.
    pub fn basic(&self) -> String {
        format!("Basic {}", base64(format!("{}:{}", self.user, self.token).as_bytes()))
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

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = bits >> (18 - 6 * place) & 63;
            let spare = place > chunk.len();
            text.push(if spare { '=' } else { char::from(DIGITS[digit as usize]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_as_it_should() {
        let pairs =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy"), ("\u{ff}", "w78=")];
        for (plain, coded) in pairs {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
