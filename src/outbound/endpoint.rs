//! Addresses out of relays.toml.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use reqwest::Url;

use super::redact;
use crate::config_reader::{Problem, Spanned, TableReader};
use crate::secret::Secret;

/// A URL out of relays.toml that must never be shown: webhook URLs are credentials.
/// Debug and Display show scheme and host only.
#[derive(Clone)]
pub struct Endpoint {
    url: Url,
    secrets: Arc<[String]>,
}

impl Endpoint {
    /// Reads the secret `key` (`webhook = { env = "SLACK_URL" }`) as an http(s) URL; what is wrong becomes a problem.
    /// `please` is what is said where it is missing.
    pub fn read_secret(table: &TableReader, key: &'static str, please: &str) -> Option<Spanned<Self>> {
        let Some(said) = table.secret(key) else {
            if !table.has(key) {
                table.missing_with_hint(key, Some(please));
            }
            return None;
        };
        Self::of_secret(table, key, said)
    }

    /// As [`Endpoint::read_secret`], for an address that may as well stand in the file.
    pub fn read_either(table: &TableReader, key: &'static str) -> Option<Spanned<Self>> {
        let said = table.text_or_secret(key);
        if said.is_none() && !table.has(key) {
            table.missing(key);
        }
        Self::of_secret(table, key, said?)
    }

    fn of_secret(table: &TableReader, key: &'static str, said: Spanned<Secret>) -> Option<Spanned<Self>> {
        let endpoint = match Self::parse(said.value.expose()) {
            Ok(endpoint) => endpoint,
            Err(why) => {
                table.reading.problem(Problem::error(said.span, format!("`{key}`: {why}")));
                return None;
            }
        };
        let secrets = redact::secrets_in(&endpoint.url).into();
        Some(Spanned { value: Self { secrets, ..endpoint }, span: said.span })
    }

    /// Reads `key` (`api = "https://…"`), which is no secret, as an http(s) URL; `default` where it is not written.
    pub fn read_text(table: &TableReader, key: &'static str, default: &str) -> Option<Spanned<Self>> {
        let said = match table.text(key) {
            Some(said) => said,
            None if table.has(key) => return None,
            None => Spanned { value: default.to_owned(), span: table.span.clone() },
        };
        match Self::parse(&said.value) {
            Ok(endpoint) => Some(Spanned { value: endpoint, span: said.span }),
            Err(why) => {
                table.reading.problem(Problem::error(said.span, format!("`{key}`: {why}")));
                None
            }
        }
    }

    /// What is wrong is said without repeating any of `text`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut url = Url::parse(text).map_err(|error| format!("not a URL ({error})"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("the URL must begin with https:// or http://".to_owned());
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("the URL names no host".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the URL must hold no user and no password".to_owned());
        }
        url.set_fragment(None);
        Ok(Self { url, secrets: Arc::default() })
    }

    /// The same address with `name=value` in its query, unless `name` is asked there already. The rest of the
    /// query stays letter for letter: some tokens do not survive being encoded anew.
    #[must_use]
    pub fn asking(mut self, name: &str, value: &str) -> Self {
        if self.url.query_pairs().any(|(known, _)| known == name) {
            return self;
        }
        let query = match self.url.query() {
            Some(query) if !query.is_empty() => format!("{query}&{name}={value}"),
            _ => format!("{name}={value}"),
        };
        self.url.set_query(Some(&query));
        self
    }

    /// One address below this one: `chat.update` below `https://slack.com/api`.
    #[must_use]
    pub fn below(mut self, name: &str) -> Self {
        // Only of URLs that are no addresses of the web is there nothing below, and no endpoint is one.
        if let Ok(mut path) = self.url.path_segments_mut() {
            path.pop_if_empty().push(name);
        }
        self
    }

    /// The same address, whose replies may repeat `secret`, which must not be repeated any further.
    #[must_use]
    pub fn hiding(mut self, secret: &str) -> Self {
        if !secret.is_empty() {
            self.secrets = self.secrets.iter().cloned().chain([secret.to_owned()]).collect();
        }
        self
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What the vendor counts by: the address without its query, as a digest. Two sinks of one address share its limit.
    pub fn destination(&self) -> String {
        destination(&[self.url.scheme(), self.url.host_str().unwrap_or_default(), self.url.path()], self.url.port())
    }

    /// As [`Endpoint::destination`], where the vendor counts by a key in the body.
    pub fn destination_of(&self, key: &str) -> String {
        destination(&[&self.destination(), key], None)
    }

    pub(super) fn secrets(&self) -> &Arc<[String]> {
        &self.secrets
    }
}

/// Lives no longer than the process, so the hash need not be the same in another build.
fn destination(parts: &[&str], port: Option<u16>) -> String {
    let mut hasher = DefaultHasher::new();
    (parts, port).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Whether a URL's host is this machine itself.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.url.scheme(), self.url.host_str().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_reader::ConfigReader;

    const HOOK: &str = "https://hooks.slack.example/services/T0/B0/s3cr3t-s3cr3t";

    fn env(name: &str) -> Option<String> {
        match name {
            "HOOK" => Some(HOOK.to_owned()),
            "FTP" => Some("ftp://s3cr3t.example/s3cr3t".to_owned()),
            "USER" => Some("https://s3cr3t:s3cr3t@example.com/".to_owned()),
            "NONE" => Some("s3cr3t s3cr3t".to_owned()),
            _ => None,
        }
    }

    fn problems(
        toml: &str,
        read: impl Fn(&TableReader) -> Option<Spanned<Endpoint>>,
    ) -> (Option<Endpoint>, Vec<String>) {
        let reading = ConfigReader::new(toml, &env);
        let tree = reading.tree();
        let endpoint = read(&TableReader::new(&reading, "sink.slack", &tree)).map(|said| said.value);
        (endpoint, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
    }

    #[test]
    fn a_webhook_is_read_and_never_shown() {
        let (endpoint, problems) = problems("webhook = { env = \"HOOK\" }", |table| {
            Endpoint::read_secret(table, "webhook", "Please provide a URL")
        });
        let endpoint = endpoint.expect("a good one");
        assert!(problems.is_empty());
        assert_eq!(endpoint.url().as_str(), HOOK);
        assert_eq!(format!("{endpoint} {endpoint:?}"), "https://hooks.slack.example/… https://hooks.slack.example/…");
        assert!(!endpoint.destination().contains("s3cr3t"));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        for (name, said) in [
            ("FTP", "`webhook`: the URL must begin with https:// or http://"),
            ("USER", "`webhook`: the URL must hold no user and no password"),
            ("NONE", "`webhook`: not a URL (relative URL without a base)"),
            ("UNSET", "`webhook`: the variable UNSET is not set"),
        ] {
            let toml = format!("webhook = {{ env = \"{name}\" }}");
            let (endpoint, problems) =
                problems(&toml, |table| Endpoint::read_secret(table, "webhook", "Please provide a URL"));
            assert!(endpoint.is_none());
            assert_eq!(problems, [said]);
        }
        let (_, problems) = problems("", |table| Endpoint::read_secret(table, "webhook", "Please provide a URL"));
        assert_eq!(problems, ["`webhook` is missing here"]);
    }

    #[test]
    fn an_address_that_is_no_secret_has_a_default() {
        let read = |table: &TableReader| Endpoint::read_text(table, "api", "https://api.example/v1");
        assert_eq!(problems("", read).0.expect("the default").url().as_str(), "https://api.example/v1");
        assert_eq!(problems("api = \"http://[::1]:9/\"", read).0.expect("written").url().as_str(), "http://[::1]:9/");
        assert_eq!(problems("api = \"x\"", read).1, ["`api`: not a URL (relative URL without a base)"]);
        assert_eq!(problems("api = 1", read).1.len(), 1);
    }

    #[test]
    fn a_query_is_extended_but_not_encoded_anew() {
        let endpoint = Endpoint::parse("https://chat.example/m?key=a&token=b%3D").expect("a URL").asking("option", "X");
        assert_eq!(endpoint.url().as_str(), "https://chat.example/m?key=a&token=b%3D&option=X");
        assert_eq!(endpoint.asking("option", "Y").url().query(), Some("key=a&token=b%3D&option=X"));
    }

    #[test]
    fn what_lies_below_an_address_lies_there_whether_it_ends_in_a_slash_or_not() {
        for base in ["https://slack.example/api", "https://slack.example/api/"] {
            let below = Endpoint::parse(base).expect("a URL").below("chat.update");
            assert_eq!(below.url().as_str(), "https://slack.example/api/chat.update");
        }
        let bare = Endpoint::parse("http://127.0.0.1:9?a=b").expect("a URL").below("x/y");
        assert_eq!(bare.url().as_str(), "http://127.0.0.1:9/x%2Fy?a=b");
    }

    #[test]
    fn one_destination_is_one_address_without_its_query() {
        let of = |text| Endpoint::parse(text).expect("a URL").destination();
        assert_eq!(of("https://x.example/a?token=1"), of("https://x.example/a?token=2"));
        assert_eq!(of("https://x.example/a").len(), 16);
        for other in ["http://x.example/a", "https://x.example:1/a", "https://y.example/a", "https://x.example/b"] {
            assert_ne!(of("https://x.example/a"), of(other), "{other}");
        }
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        for (url, near) in [
            ("http://127.0.0.1:1/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("http://a.localhost/", true),
            ("http://localhost.example/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).expect("a URL")), near, "{url}");
        }
    }
}
