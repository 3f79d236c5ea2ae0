//! Where a WebSocket is, and what is shown there to be let in.

use std::fmt;

use reqwest::Url;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::config_reader::{ConfigReader, Problem, Spanned};
use crate::fault::Fault;

/// Holds credentials (in its query, in its headers): Debug and Display show scheme and host only.
#[derive(Clone)]
pub struct Address {
    url: Url,
    headers: HeaderMap,
}

impl Address {
    /// What is wrong with the URL becomes a problem at its place.
    pub fn read(reading: &ConfigReader, said: &Spanned<String>) -> Option<Self> {
        Self::parse(&said.value)
            .map_err(|(wrong, hint)| reading.problem(Problem::error(said.span.clone(), wrong).hint(hint)))
            .ok()
    }

    /// The error is what is wrong, and the way out.
    pub fn parse(text: &str) -> Result<Self, (String, String)> {
        const EXAMPLE: &str = "write it like wss://stream.example.com/events";
        let mut url = Url::parse(text).map_err(|error| (format!("this is no URL: {error}"), EXAMPLE.to_owned()))?;
        match url.scheme() {
            "ws" | "wss" => {}
            scheme @ ("http" | "https") => {
                let (_, rest) = text.split_once(':').unwrap_or_default();
                // A query may hold a secret.
                let rest = rest.split('?').next().unwrap_or_default();
                let hint = format!("did you mean `{}:{rest}`?", scheme.replace("http", "ws"));
                return Err((format!("a WebSocket's URL begins with ws or wss, not with {scheme}"), hint));
            }
            scheme => return Err((format!("`{scheme}` is no WebSocket's scheme"), EXAMPLE.to_owned())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            let hint = "credentials have keys of their own, which take secrets".to_owned();
            return Err(("a user or password stands in this URL".to_owned(), hint));
        }
        url.set_fragment(None);
        Ok(Self { url, headers: HeaderMap::new() })
    }

    /// Adds `name=value` to the query, whatever characters are in there.
    pub fn query(&mut self, name: &str, value: &str) {
        let pair = format!("{}={}", percent_encoded(name), percent_encoded(value));
        let query = match self.url.query() {
            Some(query) if !query.is_empty() => format!("{query}&{pair}"),
            _ => pair,
        };
        self.url.set_query(Some(&query));
    }

    pub fn header(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    /// Puts `name` in front of the last path segment that is `before`. False where there is none.
    pub fn insert_segment(&mut self, name: &str, before: &str) -> bool {
        let mut segments: Vec<_> = self.url.path().split('/').collect();
        let Some(place) = segments.iter().rposition(|segment| *segment == before) else { return false };
        segments.insert(place, name);
        let path = segments.join("/");
        self.url.set_path(&path);
        true
    }

    pub fn is_secure(&self) -> bool {
        self.url.scheme() == "wss"
    }

    /// The host as a resolver wants it (IPv6 without brackets), and the port.
    pub(super) fn host_and_port(&self) -> (&str, u16) {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or(if self.is_secure() { 443 } else { 80 });
        (host.trim_start_matches('[').trim_end_matches(']'), port)
    }

    pub(super) fn request(&self) -> Result<Request, Fault> {
        let request = self.url.as_str().into_client_request();
        // The error's own text could show the query.
        let mut request = request.map_err(|_| Fault::new("address", "the URL cannot be asked for"))?;
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

/// A space becomes `%20`, not `+`: not every server reads queries as forms.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.extend(['%', hex(byte >> 4), hex(byte & 15)]),
        }
    }
    encoded
}

fn hex(digit: u8) -> char {
    char::from_digit(u32::from(digit), 16).unwrap_or_default().to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded_so_that_nothing_in_them_is_misread() {
        let mut address = Address::parse("wss://h.example/v1/events?x=1#top").expect("right");
        address.query("auth", "ApiKey a:b+c&d=ü/%");
        let request = address.request().expect("a request");
        assert_eq!(
            request.uri().to_string(),
            "wss://h.example/v1/events?x=1&auth=ApiKey%20a%3Ab%2Bc%26d%3D%C3%BC%2F%25"
        );
        assert_eq!(format!("{address:?}"), "wss://h.example");
    }

    #[test]
    fn other_schemes_and_hidden_credentials_are_refused_with_a_way_out() {
        let hint = |text| Address::parse(text).expect_err("wrong").1;
        assert_eq!(hint("https://h.example/events"), "did you mean `wss://h.example/events`?");
        assert_eq!(hint("http://h.example"), "did you mean `ws://h.example`?");
        assert!(hint("ftp://h.example").contains("wss://"));
        assert!(hint("h.example").contains("wss://"));
        assert!(hint("wss://alice:pw@h.example").contains("credentials"));
    }

    #[test]
    fn a_namespace_stands_before_the_events() {
        let mut address = Address::parse("wss://h.example/api/audit/v1/events/").expect("right");
        assert!(address.insert_segment("acme", "events"));
        assert_eq!(address.url.path(), "/api/audit/v1/acme/events/");
        assert!(!address.insert_segment("acme", "stream"));
    }

    #[test]
    fn hosts_are_as_a_resolver_wants_them() {
        let at = |text| Address::parse(text).expect("right");
        assert_eq!(at("ws://[::1]/").host_and_port(), ("::1", 80));
        assert_eq!(at("wss://h.example").host_and_port(), ("h.example", 443));
        assert_eq!(at("ws://h.example:81").host_and_port(), ("h.example", 81));
    }
}
