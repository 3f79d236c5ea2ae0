//! Credentials for other servers, as headers that no log shows.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

use crate::config_reader::{ConfigReader, Problem, Spanned, TableReader};
use crate::secret::Secret;

/// The credentials of a request: `headers`, and `bearer` or `basic` as an `authorization` header. A header that
/// `is_reserved` cannot be set; `owner` is what the problem names as the reason.
pub fn read_headers(
    table: &TableReader,
    is_reserved: impl Fn(&HeaderName) -> bool,
    owner: &str,
) -> Vec<(HeaderName, HeaderValue)> {
    let reader = table.reader;
    let mut headers = Vec::new();
    for (name, secret) in table.named_secrets("headers") {
        let wrong = |why: &str| {
            reader.problem(Problem::error(name.span.clone(), format!("`{}` {why}", name.value)));
        };
        match HeaderName::try_from(&name.value) {
            Err(_) => wrong("is no name of an HTTP header"),
            Ok(header) if is_reserved(&header) => wrong(&format!("belongs to {owner} and cannot be set")),
            Ok(header) => {
                headers.extend(secret_header(reader, &secret, secret.value.expose()).map(|value| (header, value)));
            }
        }
    }
    let bearer = table
        .secret("bearer")
        .and_then(|token| secret_header(reader, &token, &format!("Bearer {}", token.value.expose())));
    let login = read_login(table).and_then(|(user, password)| {
        secret_header(reader, &password, &basic(user.value.expose(), password.value.expose()))
    });
    let keys = ["bearer", "basic"].into_iter().filter(|key| table.has(key)).count();
    if keys + headers.iter().filter(|(name, _)| name == AUTHORIZATION).count() > 1 {
        let wrong = "more than one of `bearer`, `basic` and an `authorization` header";
        reader.problem(Problem::error(table.span.clone(), wrong).hint("keep the one that is meant"));
    }
    headers.extend(bearer.or(login).map(|value| (AUTHORIZATION, value)));
    headers
}

/// `query = { key = { env = "…" } }`
pub fn read_query(table: &TableReader) -> Vec<(Spanned<String>, Spanned<Secret>)> {
    table.named_secrets("query")
}

/// `basic = { user = "…", password = { env = "…" } }`; a missing key becomes a problem.
pub fn read_login(table: &TableReader) -> Option<(Spanned<Secret>, Spanned<Secret>)> {
    let inner = table.table("basic")?;
    let (user, password) = (inner.text_or_secret("user"), inner.secret("password"));
    for key in ["user", "password"] {
        if !inner.has(key) {
            inner.missing(key);
        }
    }
    inner.finish();
    Some((user?, password?))
}

/// `text`, which contains `secret`, as a header value. A character that no header can hold becomes a problem at the
/// secret's place.
pub fn secret_header(reader: &ConfigReader, secret: &Spanned<Secret>, text: &str) -> Option<HeaderValue> {
    let value = sensitive(text);
    if value.is_none() {
        let wrong = "this secret holds a character that no HTTP header can (a newline, perhaps)";
        reader.problem(Problem::error(secret.span.clone(), wrong));
    }
    value
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The value of an `authorization` header, RFC 7617.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_as_the_rfc_has_them() {
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(basic("test", "123£"), "Basic dGVzdDoxMjPCow==");
        assert_eq!(basic("a", "b"), "Basic YTpi");
        assert_eq!(basic("", ""), "Basic Og==");
    }

    #[test]
    fn headers_take_what_they_can_and_print_nothing() {
        assert!(sensitive("a\nb").is_none());
        assert_eq!(sensitive("grün").map(|value| format!("{value:?}")).as_deref(), Some("Sensitive"));
    }
}
