//! `[source.websocket.NAME]`

use reqwest::header::{AUTHORIZATION, CONNECTION, HeaderName, HeaderValue, UPGRADE};

use super::labels::Labels;
use crate::said::{Problem, Table};
use crate::socket::{Address, Habits};
use crate::sources::Settings;
use crate::sources::api::{Api, basic, secret_header};

#[derive(Debug)]
pub struct Config {
    pub(super) stream: Address,
    pub(super) api: Option<Api>,
    pub(super) habits: Habits,
    pub(super) labels: Labels,
}

impl Settings for Config {}

impl Config {
    pub(in crate::sources) fn read(table: &Table) -> Option<Self> {
        let habits = Habits::read(table);
        let labels = Labels::read(table);
        let url = table.required_text("url");
        let stream = url.and_then(|url| Address::read(table.reading, &url));
        let base = table.text("api");
        let api = base.as_ref().map(|base| Api::read(table.reading, base));
        let query = table.named_secrets("query");
        let headers = headers(table);

        if table.left_out().is_some() {
            return None;
        }
        let mut stream = stream?;
        let mut api = api.map_or(Some(None), |read| read.map(Some))?;
        for (name, value) in query {
            stream.query(&name.value, value.value.expose());
        }
        for (name, value) in headers {
            if let Some(api) = api.as_mut().filter(|_| !name.as_str().starts_with("sec-websocket-")) {
                api.header(name.clone(), value.clone());
            }
            stream.header(name, value);
        }
        Some(Self { stream, api, habits, labels })
    }
}

/// `headers`, and what `bearer` or `basic` make of themselves.
fn headers(table: &Table) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for (name, secret) in table.named_secrets("headers") {
        let wrong = |said: &str| {
            table.reading.problem(Problem::error(name.span.clone(), format!("`{}` {said}", name.value)));
        };
        match HeaderName::try_from(&name.value) {
            Err(_) => wrong("is no name of an HTTP header"),
            Ok(header) if is_ours(&header) => wrong("belongs to the WebSocket's handshake and cannot be set"),
            Ok(header) => {
                headers
                    .extend(secret_header(table.reading, &secret, secret.value.expose()).map(|value| (header, value)));
            }
        }
    }
    let bearer = table
        .secret("bearer")
        .and_then(|token| secret_header(table.reading, &token, &format!("Bearer {}", token.value.expose())));
    let basic = basic_of(table);
    let ways = [("bearer", table.has("bearer")), ("basic", table.has("basic"))];
    let said = ways.into_iter().filter(|(_, said)| *said).count();
    if said + headers.iter().filter(|(name, _)| name == AUTHORIZATION).count() > 1 {
        let wrong = "more than one of `bearer`, `basic` and an `authorization` header";
        table.reading.problem(Problem::error(table.span.clone(), wrong).hint("keep the one that is meant"));
    }
    headers.extend(bearer.or(basic).map(|value| (AUTHORIZATION, value)));
    headers
}

fn is_ours(name: &HeaderName) -> bool {
    name == CONNECTION
        || name == UPGRADE
        || name.as_str().strip_prefix("sec-websocket-").is_some_and(|rest| rest != "protocol")
}

fn basic_of(table: &Table) -> Option<HeaderValue> {
    let inner = table.table("basic")?;
    let (user, password) = (inner.text_or_secret("user"), inner.secret("password"));
    for key in ["user", "password"] {
        if !inner.has(key) {
            inner.missing(key);
        }
    }
    inner.finish();
    let (user, password) = (user?, password?);
    secret_header(table.reading, &password, &basic(user.value.expose(), password.value.expose()))
}
