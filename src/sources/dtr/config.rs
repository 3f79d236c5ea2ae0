//! `[source.dtr.NAME]`: the endpoint, and the address and credentials of the API.

use reqwest::header::HeaderValue;

use super::notification::Posts;
use crate::config_reader::{Problem, TableReader};
use crate::outbound::{Api, Trust, basic, secret_header};

#[derive(Debug)]
pub struct Config {
    pub(super) posted: Posts,
    pub(super) api: Option<Api>,
    pub(super) trust: Trust,
}

impl Config {
    pub(in crate::sources) fn read(table: &TableReader) -> Option<Self> {
        let posted = Posts::read(table);
        let address = table.text("api");
        let api = address.as_ref().and_then(|address| Api::read(table.reader, address));
        let authorization = authorization(table);
        let trust = Trust::read(table);
        if table.unset_secret().is_some() {
            return None;
        }
        if let (None, Some(item)) = (&address, ["token", "user"].into_iter().find_map(|key| table.item(key))) {
            let wrong = "these credentials are for the registry's API, but `api` is not set";
            let problem = Problem::error(item.span.clone(), wrong);
            table.reader.problem(problem.hint("write api = \"https://…\", or leave them out if nothing is fetched"));
        }
        if api.is_none() && table.has("api") {
            return None;
        }
        let mut api = api;
        if let (Some(api), Some(value)) = (&mut api, authorization?) {
            api.authorization(value);
        }
        Some(Self { posted: posted?, api, trust })
    }
}

/// `user` and `token` (an access token, or the password), a bearer `token` alone, or neither. None where it is wrong.
#[expect(clippy::option_option, reason = "wrong and unset are two things")]
fn authorization(table: &TableReader) -> Option<Option<HeaderValue>> {
    let (user, token) = (table.text_or_secret("user"), table.secret("token"));
    if !table.has("token") {
        if table.has("user") {
            let problem = Problem::error(table.span.clone(), "`user` is here, but `token` is missing");
            table
                .reader
                .problem(problem.hint("token = { env = \"…\" }: an access token of that user, or the password"));
            return None;
        }
        return Some(None);
    }
    if user.is_none() && table.has("user") {
        return None;
    }
    let token = token?;
    let value = match user {
        Some(user) => basic(user.value.expose(), token.value.expose()),
        None => format!("Bearer {}", token.value.expose()),
    };
    secret_header(table.reader, &token, &value).map(Some)
}
