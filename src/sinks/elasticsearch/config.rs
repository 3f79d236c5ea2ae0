//! `[sink.elasticsearch.NAME]`

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::outbound::Endpoint;
use crate::said::{Problem, Said, Table};

#[derive(Debug)]
pub struct Config {
    pub(super) url: Endpoint,
    pub(super) index: String,
    pub(super) headers: HeaderMap,
}

impl Config {
    pub(in crate::sinks) fn read(table: &Table) -> Option<Self> {
        let url = Endpoint::read_either(table, "url");
        let index = index(table);
        let key = table.secret("api_key").map(|said| said.map(|key| format!("ApiKey {}", key.expose())));
        let basic = basic(table);
        if table.has("api_key") && table.has("basic") {
            let problem = Problem::error(table.span.clone(), "both `api_key` and `basic` are given");
            table.reading.problem(problem.hint("keep the one that is meant"));
        }
        let mut headers = HeaderMap::new();
        let mut url = url?.value;
        if let Some(Said { value, span }) = key.or(basic) {
            let Ok(mut header) = HeaderValue::from_str(&value) else {
                let wrong = "this holds a character that no HTTP header can (a newline, perhaps)";
                table.reading.problem(Problem::error(span, wrong));
                return None;
            };
            header.set_sensitive(true);
            headers.insert(AUTHORIZATION, header);
            url = value.split_once(' ').into_iter().fold(url, |url, (_, secret)| url.hiding(secret));
        }
        Some(Self { url, index: index?, headers })
    }
}

/// Elasticsearch's own rules for names, so that a wrong one is found before anything is sent.
fn index(table: &Table) -> Option<String> {
    let Some(Said { value, span }) = table.text("index") else { return Some("tidings".to_owned()) };
    let odd = |letter: char| letter.is_uppercase() || letter.is_control() || " \\/*?\"<>|,#:".contains(letter);
    if value.is_empty() || value.len() > 255 || value.starts_with(['-', '_', '+', '.']) || value.contains(odd) {
        let problem = Problem::error(span, format!("`{value}` cannot be the name of an index"));
        table
            .reading
            .problem(problem.hint("use lower-case letters, digits, `-`, `_` and `.`, and begin with a letter"));
        return None;
    }
    Some(value)
}

fn basic(table: &Table) -> Option<Said<String>> {
    let inner = table.table("basic")?;
    let (user, password) = (inner.text_or_secret("user"), inner.secret("password"));
    for key in ["user", "password"] {
        if !inner.has(key) {
            inner.missing(key);
        }
    }
    inner.finish();
    let (user, password) = (user?, password?);
    let both = BASE64_STANDARD.encode(format!("{}:{}", user.value.expose(), password.value.expose()));
    Some(Said { value: format!("Basic {both}"), span: password.span })
}
