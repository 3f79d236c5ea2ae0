//! `[sink.elasticsearch.NAME]`

use reqwest::header::{AUTHORIZATION, HeaderMap};

use crate::config_reader::{Problem, Spanned, TableReader};
use crate::outbound::{SecretUrl, basic, read_login, secret_header};

#[derive(Debug)]
pub struct Elasticsearch {
    pub(super) bulk: SecretUrl,
    pub(super) index: String,
    pub(super) headers: HeaderMap,
}

impl Elasticsearch {
    pub(in crate::sinks) fn read(table: &TableReader) -> Option<Self> {
        let url = SecretUrl::read_either(table, "url");
        let index = index(table);
        let key = table.secret("api_key").map(|key| (format!("ApiKey {}", key.value.expose()), key));
        let login =
            read_login(table).map(|(user, password)| (basic(user.value.expose(), password.value.expose()), password));
        if table.has("api_key") && table.has("basic") {
            let problem = Problem::error(table.span.clone(), "both `api_key` and `basic` are given");
            table.reader.problem(problem.hint("keep the one that is meant"));
        }
        let mut headers = HeaderMap::new();
        let mut url = url?.value;
        if let Some((value, secret)) = key.or(login) {
            headers.insert(AUTHORIZATION, secret_header(table.reader, &secret, &value)?);
            url = value.split_once(' ').into_iter().fold(url, |url, (_, secret)| url.redacting(secret));
        }
        // Only what is read here: the whole reply grows with the number of documents.
        let bulk = url
            .with_segment("_bulk")
            .with_query("filter_path", "errors,items.*.status,items.*.error.type,items.*.error.reason");
        Some(Self { bulk, index: index?, headers })
    }
}

/// Elasticsearch's rules for names, so that `check` finds a wrong one.
fn index(table: &TableReader) -> Option<String> {
    let Some(Spanned { value, span }) = table.text("index") else { return Some("tidings".to_owned()) };
    let odd = |letter: char| letter.is_uppercase() || letter.is_control() || " \\/*?\"<>|,#:".contains(letter);
    if value.is_empty() || value.len() > 255 || value.starts_with(['-', '_', '+', '.']) || value.contains(odd) {
        let problem = Problem::error(span, format!("`{value}` cannot be the name of an index"));
        table.reader.problem(problem.hint("use lower-case letters, digits, `-`, `_` and `.`, and begin with a letter"));
        return None;
    }
    Some(value)
}
