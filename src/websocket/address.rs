//! A WebSocket's URL with the credentials for its handshake.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::config_reader::{ConfigReader, Problem, Spanned};
use crate::fault::Fault;

/// A space becomes `%20`, not `+`: not every server decodes queries as forms.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Contains credentials (in query and headers): Debug and Display show only scheme, host and port.
#[derive(Clone)]
pub struct Address {
    url: Url,
    headers: HeaderMap,
}

impl Address {
    /// Reports an invalid URL as a problem of the configuration.
    pub fn read(reader: &ConfigReader, url: &Spanned<String>) -> Option<Self> {
        Self::parse(&url.value)
            .map_err(|(wrong, hint)| reader.problem(Problem::error(url.span.clone(), wrong).hint(hint)))
            .ok()
    }

    /// The error is what is wrong, and a hint how to fix it.
    pub fn parse(text: &str) -> Result<Self, (String, String)> {
        const EXAMPLE: &str = "write it like wss://stream.example.com/events";
        let mut url = Url::parse(text).map_err(|error| (format!("this is not a URL: {error}"), EXAMPLE.to_owned()))?;
        match url.scheme() {
            "ws" | "wss" => {}
            scheme @ ("http" | "https") => {
                let (_, rest) = text.split_once(':').unwrap_or_default();
                // A query may hold a secret.
                let rest = rest.split('?').next().unwrap_or_default();
                let hint = format!("did you mean `{}:{rest}`?", scheme.replace("http", "ws"));
                return Err((format!("a WebSocket URL begins with ws or wss, not with {scheme}"), hint));
            }
            scheme => return Err((format!("`{scheme}` is not a scheme of WebSockets"), EXAMPLE.to_owned())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            let hint = "use the keys for credentials, which accept secrets".to_owned();
            return Err(("this URL contains a user or password".to_owned(), hint));
        }
        url.set_fragment(None);
        Ok(Self { url, headers: HeaderMap::new() })
    }

    /// Appends `name=value` to the query, percent-encoded.
    pub fn query(&mut self, name: &str, value: &str) {
        let encoded = |text| utf8_percent_encode(text, RESERVED);
        let pair = format!("{}={}", encoded(name), encoded(value));
        let query = match self.url.query() {
            Some(query) if !query.is_empty() => format!("{query}&{pair}"),
            _ => pair,
        };
        self.url.set_query(Some(&query));
    }

    pub fn header(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    /// Inserts `name` before the last path segment that is `before`. False where there is none.
    pub fn insert_segment(&mut self, name: &str, before: &str) -> bool {
        let mut segments: Vec<_> = self.url.path().split('/').collect();
        let Some(index) = segments.iter().rposition(|segment| *segment == before) else { return false };
        segments.insert(index, name);
        let path = segments.join("/");
        self.url.set_path(&path);
        true
    }

    pub fn is_secure(&self) -> bool {
        self.url.scheme() == "wss"
    }

    /// The host as a resolver expects it (IPv6 without brackets), and the port.
    pub(super) fn host_and_port(&self) -> (&str, u16) {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or(if self.is_secure() { 443 } else { 80 });
        (host.trim_start_matches('[').trim_end_matches(']'), port)
    }

    pub(super) fn request(&self) -> Result<Request, Fault> {
        let request = self.url.as_str().into_client_request();
        // The error's own text could show the query.
        let mut request = request.map_err(|_| Fault::new("address", "the URL cannot be requested"))?;
        request.headers_mut().extend(self.headers.clone());
        Ok(request)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.url.host_str().unwrap_or_default())?;
        self.url.port().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_percent_encoded() {
        let mut address = Address::parse("wss://h.example/v1/events?x=1#top").expect("a valid URL");
        address.query("auth", "ApiKey a:b+c&d=ü/%");
        let request = address.request().expect("a request");
        assert_eq!(
            request.uri().to_string(),
            "wss://h.example/v1/events?x=1&auth=ApiKey%20a%3Ab%2Bc%26d%3D%C3%BC%2F%25"
        );
        assert_eq!(format!("{address:?}"), "wss://h.example");
    }

    #[test]
    fn other_schemes_and_credentials_in_the_url_are_refused_with_a_hint() {
        let hint = |text| Address::parse(text).expect_err("an invalid URL").1;
        assert_eq!(hint("https://h.example/events"), "did you mean `wss://h.example/events`?");
        assert_eq!(hint("http://h.example"), "did you mean `ws://h.example`?");
        assert!(hint("ftp://h.example").contains("wss://"));
        assert!(hint("h.example").contains("wss://"));
        assert!(hint("wss://alice:pw@h.example").contains("credentials"));
    }

    #[test]
    fn a_namespace_is_inserted_before_the_events() {
        let mut address = Address::parse("wss://h.example/api/audit/v1/events/").expect("a valid URL");
        assert!(address.insert_segment("acme", "events"));
        assert_eq!(address.url.path(), "/api/audit/v1/acme/events/");
        assert!(!address.insert_segment("acme", "stream"));
    }

    #[test]
    fn hosts_are_as_a_resolver_expects_them() {
        let at = |text| Address::parse(text).expect("a valid URL");
        assert_eq!(at("ws://[::1]/").host_and_port(), ("::1", 80));
        assert_eq!(at("wss://h.example").host_and_port(), ("h.example", 443));
        assert_eq!(at("ws://h.example:81").host_and_port(), ("h.example", 81));
    }
}
