//! Tutum: its stream and its API, for one account.

use std::io;

use super::random::random_text;
use super::tutum_account::Credentials;
use super::tutum_api::Api;
use super::tutum_stream::Stream;

/// Stream and API have ports of their own.
pub struct Tutum {
    pub stream: Stream,
    pub api: Api,
    credentials: Credentials,
}

impl Tutum {
    pub fn start() -> io::Result<Self> {
        let credentials = Credentials { user: "demo".to_owned(), token: random_text(40) };
        let (stream, api) = (Stream::start(credentials.clone())?, Api::start(credentials.clone())?);
        Ok(Self { stream, api, credentials })
    }

    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The broken rules of stream and API.
    pub fn offences(&self) -> Vec<String> {
        [self.stream.offences(), self.api.offences()].concat()
    }
}
