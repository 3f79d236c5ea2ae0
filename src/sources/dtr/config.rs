//! What relays.toml says of a registry: where it posts, and where and as whom it is asked.

use reqwest::header::HeaderValue;

use crate::config_reader::{Problem, TableReader};
use crate::outbound::{Trust, basic, secret_header};
use crate::sources::api::Api;
use crate::sources::gate::Gate;

/// Some versions send what a scan found along with the notification of it, layer by layer.
const ROOM_FOR_A_SCAN: usize = 8 << 20;

/// `[source.dtr.NAME]`
#[derive(Debug)]
pub struct Config {
    pub(super) gate: Gate,
    pub(super) api: Option<Api>,
    pub(super) trust: Trust,
}

impl Config {
    pub(in crate::sources) fn read(table: &TableReader) -> Option<Self> {
        let gate = Gate::read(table).map(|gate| gate.roomy(table, ROOM_FOR_A_SCAN));
        let address = table.text("api");
        let api = address.as_ref().and_then(|said| Api::read(table.reading, said));
        let authorization = authorization(table);
        let trust = Trust::read(table);
        if table.unset_secret().is_some() {
            return None;
        }
        if let (None, Some(item)) = (&address, ["token", "user"].into_iter().find_map(|key| table.item(key))) {
            let wrong = "these credentials are for the registry's API, but `api` is not set";
            let problem = Problem::error(item.span.clone(), wrong);
            table.reading.problem(problem.hint("write api = \"https://…\", or leave them out if nothing is fetched"));
        }
        if api.is_none() && table.has("api") {
            return None;
        }
        let mut api = api;
        if let (Some(api), Some(value)) = (&mut api, authorization?) {
            api.authorization(value);
        }
        Some(Self { gate: gate?, api, trust })
    }
}

/// `user` and `token` (an access token, or the password), a bearer `token` alone, or nobody. None where it is wrong.
#[expect(clippy::option_option, reason = "what is wrong and what is not said are two things")]
fn authorization(table: &TableReader) -> Option<Option<HeaderValue>> {
    let (user, token) = (table.text_or_secret("user"), table.secret("token"));
    if !table.has("token") {
        if table.has("user") {
            let problem = Problem::error(table.span.clone(), "`user` is here, but `token` is missing");
            table
                .reading
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
    secret_header(table.reading, &token, &value).map(Some)
}
