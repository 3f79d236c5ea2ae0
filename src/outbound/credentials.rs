//! What is shown to be let in elsewhere, as headers that no log repeats.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::HeaderValue;

use crate::config_reader::{ConfigReader, Problem, Spanned, TableReader};
use crate::secret::Secret;

/// A header's value that no log shows. None where the secret holds what no header can.
fn header_value(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// `text`, which has the secret in it, as a header's value; what no header can hold becomes a problem where the secret is named.
pub fn secret_header(reading: &ConfigReader, secret: &Spanned<Secret>, text: &str) -> Option<HeaderValue> {
    let value = header_value(text);
    if value.is_none() {
        let wrong = "this secret holds a character that no HTTP header can (a newline, perhaps)";
        reading.problem(Problem::error(secret.span.clone(), wrong));
    }
    value
}

/// `basic = { user = "…", password = { env = "…" } }`; what is missing there becomes a problem.
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

/// `Basic` and the two in Base64, as RFC 7617 has it.
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
        assert!(header_value("a\nb").is_none());
        assert_eq!(header_value("grün").map(|value| format!("{value:?}")).as_deref(), Some("Sensitive"));
    }
}
