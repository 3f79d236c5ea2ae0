//! How a source shows who we are: `headers`, `bearer`, `basic` and `query`, the same for every kind that has them.

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::config_reader::{Problem, Spanned, TableReader};
use crate::outbound::{basic, read_login, secret_header};
use crate::secret::Secret;

/// `headers`, and what `bearer` or `basic` make of themselves. What `is_ours` cannot be set; `whose` says why.
pub(super) fn headers(
    table: &TableReader,
    is_ours: impl Fn(&HeaderName) -> bool,
    whose: &str,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for (name, secret) in table.named_secrets("headers") {
        let wrong = |said: &str| {
            table.reading.problem(Problem::error(name.span.clone(), format!("`{}` {said}", name.value)));
        };
        match HeaderName::try_from(&name.value) {
            Err(_) => wrong("is no name of an HTTP header"),
            Ok(header) if is_ours(&header) => wrong(&format!("belongs to {whose} and cannot be set")),
            Ok(header) => {
                headers
                    .extend(secret_header(table.reading, &secret, secret.value.expose()).map(|value| (header, value)));
            }
        }
    }
    let bearer = table
        .secret("bearer")
        .and_then(|token| secret_header(table.reading, &token, &format!("Bearer {}", token.value.expose())));
    let login = read_login(table).and_then(|(user, password)| {
        secret_header(table.reading, &password, &basic(user.value.expose(), password.value.expose()))
    });
    let ways = [("bearer", table.has("bearer")), ("basic", table.has("basic"))];
    let said = ways.into_iter().filter(|(_, said)| *said).count();
    if said + headers.iter().filter(|(name, _)| name == AUTHORIZATION).count() > 1 {
        let wrong = "more than one of `bearer`, `basic` and an `authorization` header";
        table.reading.problem(Problem::error(table.span.clone(), wrong).hint("keep the one that is meant"));
    }
    headers.extend(bearer.or(login).map(|value| (AUTHORIZATION, value)));
    headers
}

/// `query = { key = { env = "…" } }`
pub(super) fn query(table: &TableReader) -> Vec<(Spanned<String>, Spanned<Secret>)> {
    table.named_secrets("query")
}
