//! URLs out of relays.toml that are never shown.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use reqwest::Url;

use super::redact;
use crate::config_reader::{Problem, Spanned, TableReader};
use crate::secret::Secret;

/// A URL out of relays.toml, which may be a credential as webhook URLs are. Debug and Display show scheme and host.
#[derive(Clone)]
pub struct SecretUrl {
    url: Url,
    /// Removed from replies before these are logged.
    secrets: Arc<[String]>,
}

impl SecretUrl {
    /// Reads the secret `key` (`webhook = { env = "SLACK_URL" }`) as an http(s) URL; anything else becomes a problem.
    /// `hint` belongs to the problem that it is missing.
    pub fn read_secret(table: &TableReader, key: &'static str, hint: &str) -> Option<Spanned<Self>> {
        let Some(secret) = table.secret(key) else {
            if !table.has(key) {
                table.missing_with_hint(key, Some(hint));
            }
            return None;
        };
        Self::from_secret(table, key, secret)
    }

    /// As [`SecretUrl::read_secret`], for a URL that may be written in the file.
    pub fn read_either(table: &TableReader, key: &'static str) -> Option<Spanned<Self>> {
        let secret = table.text_or_secret(key);
        if secret.is_none() && !table.has(key) {
            table.missing(key);
        }
        Self::from_secret(table, key, secret?)
    }

    fn from_secret(table: &TableReader, key: &'static str, secret: Spanned<Secret>) -> Option<Spanned<Self>> {
        let mut url = Self::parse_at(table, key, Spanned { value: secret.value.expose(), span: secret.span })?;
        url.value.secrets = redact::secrets_in(&url.value.url).into();
        Some(url)
    }

    /// Reads `key` (`api = "https://…"`), which is no secret, as an http(s) URL; `default` where it is unset.
    pub fn read_text(table: &TableReader, key: &'static str, default: &str) -> Option<Spanned<Self>> {
        let text = match table.text(key) {
            Some(text) => text,
            None if table.has(key) => return None,
            None => Spanned { value: default.to_owned(), span: table.span.clone() },
        };
        Self::parse_at(table, key, Spanned { value: &text.value, span: text.span })
    }

    fn parse_at(table: &TableReader, key: &'static str, text: Spanned<&str>) -> Option<Spanned<Self>> {
        match Self::parse(text.value) {
            Ok(url) => Some(Spanned { value: url, span: text.span }),
            Err(why) => {
                table.reader.problem(Problem::error(text.span, format!("`{key}`: {why}")));
                None
            }
        }
    }

    /// The error repeats nothing of `text`.
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

    /// Adds `name=value` to the query, unless `name` is there already. The rest of the query stays as it is, byte for
    /// byte: some tokens do not survive another encoding.
    #[must_use]
    pub fn with_query(mut self, name: &str, value: &str) -> Self {
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

    /// Appends a segment to the path: `chat.update` to `https://slack.com/api`.
    #[must_use]
    pub fn with_segment(mut self, name: &str) -> Self {
        // An http(s) URL always has a path.
        if let Ok(mut path) = self.url.path_segments_mut() {
            path.pop_if_empty().push(name);
        }
        self
    }

    /// Removes `secret`, too, from replies before these are logged.
    #[must_use]
    pub fn redacting(mut self, secret: &str) -> Self {
        if !secret.is_empty() {
            self.secrets = self.secrets.iter().cloned().chain([secret.to_owned()]).collect();
        }
        self
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// A digest of the URL without its query: sinks of one destination share the vendor's rate limit.
    pub fn destination(&self) -> String {
        destination(&[self.url.scheme(), self.url.host_str().unwrap_or_default(), self.url.path()], self.url.port())
    }

    /// As [`SecretUrl::destination`], where the vendor's limit is for a key in the body.
    pub fn destination_of(&self, key: &str) -> String {
        destination(&[&self.destination(), key], None)
    }

    pub(super) fn secrets(&self) -> &Arc<[String]> {
        &self.secrets
    }
}

/// Not kept beyond the process, so the hash may differ in another build.
fn destination(parts: &[&str], port: Option<u16>) -> String {
    let mut hasher = DefaultHasher::new();
    (parts, port).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Whether a URL's host is this machine.
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    match address.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SecretUrl {
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
        read: impl Fn(&TableReader) -> Option<Spanned<SecretUrl>>,
    ) -> (Option<SecretUrl>, Vec<String>) {
        let reading = ConfigReader::new(toml, &env);
        let tree = reading.tree();
        let url = read(&TableReader::new(&reading, "sink.slack", &tree)).map(|url| url.value);
        (url, reading.into_findings().problems.into_iter().map(|problem| problem.message).collect())
    }

    #[test]
    fn a_webhook_is_read_and_never_shown() {
        let (url, problems) = problems("webhook = { env = \"HOOK\" }", |table| {
            SecretUrl::read_secret(table, "webhook", "Please provide a URL")
        });
        let url = url.expect("a valid one");
        assert!(problems.is_empty());
        assert_eq!(url.url().as_str(), HOOK);
        assert_eq!(format!("{url} {url:?}"), "https://hooks.slack.example/… https://hooks.slack.example/…");
        assert!(!url.destination().contains("s3cr3t"));
    }

    #[test]
    fn a_problem_does_not_repeat_the_value() {
        for (name, message) in [
            ("FTP", "`webhook`: the URL must begin with https:// or http://"),
            ("USER", "`webhook`: the URL must hold no user and no password"),
            ("NONE", "`webhook`: not a URL (relative URL without a base)"),
            ("UNSET", "`webhook`: the variable UNSET is not set"),
        ] {
            let toml = format!("webhook = {{ env = \"{name}\" }}");
            let (url, problems) =
                problems(&toml, |table| SecretUrl::read_secret(table, "webhook", "Please provide a URL"));
            assert!(url.is_none());
            assert_eq!(problems, [message]);
        }
        let (_, problems) = problems("", |table| SecretUrl::read_secret(table, "webhook", "Please provide a URL"));
        assert_eq!(problems, ["`webhook` is missing here"]);
    }

    #[test]
    fn a_url_that_is_no_secret_has_a_default() {
        let read = |table: &TableReader| SecretUrl::read_text(table, "api", "https://api.example/v1");
        assert_eq!(problems("", read).0.expect("the default").url().as_str(), "https://api.example/v1");
        assert_eq!(problems("api = \"http://[::1]:9/\"", read).0.expect("written").url().as_str(), "http://[::1]:9/");
        assert_eq!(problems("api = \"x\"", read).1, ["`api`: not a URL (relative URL without a base)"]);
        assert_eq!(problems("api = 1", read).1.len(), 1);
    }

    #[test]
    fn a_query_is_extended_but_not_encoded_again() {
        let url = SecretUrl::parse("https://chat.example/m?key=a&token=b%3D").expect("a URL").with_query("option", "X");
        assert_eq!(url.url().as_str(), "https://chat.example/m?key=a&token=b%3D&option=X");
        assert_eq!(url.with_query("option", "Y").url().query(), Some("key=a&token=b%3D&option=X"));
    }

    #[test]
    fn a_segment_is_appended_with_or_without_a_final_slash() {
        for base in ["https://slack.example/api", "https://slack.example/api/"] {
            let longer = SecretUrl::parse(base).expect("a URL").with_segment("chat.update");
            assert_eq!(longer.url().as_str(), "https://slack.example/api/chat.update");
        }
        let bare = SecretUrl::parse("http://127.0.0.1:9?a=b").expect("a URL").with_segment("x/y");
        assert_eq!(bare.url().as_str(), "http://127.0.0.1:9/x%2Fy?a=b");
    }

    #[test]
    fn a_destination_is_a_url_without_its_query() {
        let of = |text| SecretUrl::parse(text).expect("a URL").destination();
        assert_eq!(of("https://x.example/a?token=1"), of("https://x.example/a?token=2"));
        assert_eq!(of("https://x.example/a").len(), 16);
        for other in ["http://x.example/a", "https://x.example:1/a", "https://y.example/a", "https://x.example/b"] {
            assert_ne!(of("https://x.example/a"), of(other), "{other}");
        }
    }

    #[test]
    fn loopback_hosts_are_recognized() {
        for (url, is_local) in [
            ("http://127.0.0.1:1/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("http://a.localhost/", true),
            ("http://localhost.example/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(url).expect("a URL")), is_local, "{url}");
        }
    }
}
