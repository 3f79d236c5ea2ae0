//! Tutum: its stream and its API, for one account.

use std::io;

use super::random::random_text;
use super::tutum_account::Credentials;
use super::tutum_api::Api;
use super::tutum_stream::Stream;

/// Stream and API have ports of their own.
#[derive(Debug)]
pub struct Tutum {
    pub stream: Stream,
    pub api: Api,
    credentials: Credentials,
}

impl Tutum {
    pub async fn start() -> io::Result<Self> {
        let credentials = Credentials { user: "demo".to_owned(), token: random_text(40) };
        let (stream, api) = (Stream::start(0, credentials.clone()).await?, Api::start(0, credentials.clone()).await?);
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
