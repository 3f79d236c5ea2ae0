//! The path and the body limit of one endpoint at the listener: the keys `path` and `max_body`.

use std::fmt;

use crate::config_reader::{Problem, TableReader};
use crate::secret::{Origin, Secret};

/// The usual limit of a body, unless `max_body` is set.
pub const MAX_BODY: usize = 1 << 20;
/// Bodies are in memory until they are committed.
const LARGEST_MAX_BODY: u64 = 64 << 20;

#[derive(Clone)]
pub struct EndpointConfig {
    path: Path,
    max_body: usize,
    /// Nothing verifies the senders, and relays.toml does not confirm that this is intended: `check` refuses it where the
    /// listener can be reached from other machines.
    pub(super) unverified: bool,
    /// Senders of `CloudEvents` may ask with OPTIONS whether they may send.
    pub(super) preflight: bool,
}

#[derive(Clone)]
enum Path {
    /// `/hooks/NAME`
    Default,
    /// `/hooks/NAME/SECRET`
    WithSecret(Secret),
    /// `path` in relays.toml. It may be a secret.
    Configured(Secret),
}

/// `/hooks/NAME`
impl Default for EndpointConfig {
    fn default() -> Self {
        Self { path: Path::Default, max_body: MAX_BODY, unverified: false, preflight: false }
    }
}

impl EndpointConfig {
    /// Reads `path` and `max_body`. None where they are wrong, which becomes a problem of the table.
    pub fn read(table: &TableReader, default_max_body: usize) -> Option<Self> {
        let max_body = match table.size("max_body") {
            None => Some(default_max_body),
            Some(0 | LARGEST_MAX_BODY..) => {
                let span = table.item("max_body").map_or(table.span.clone(), |item| item.span.clone());
                let wrong = format!("`max_body` must be at least 1B and less than {} MiB", LARGEST_MAX_BODY >> 20);
                table.reader.problem(Problem::error(span, wrong));
                None
            }
            Some(size) => usize::try_from(size).ok(),
        };
        let path = match table.text_or_secret("path") {
            None if table.has("path") => return None,
            None => Path::Default,
            Some(path) => {
                if let Some(fault) = fault_of(path.value.expose()) {
                    let problem = Problem::error(path.span, format!("`path` {fault}"));
                    table.reader.problem(problem.hint("write it like /hooks/registry, without a host or a query"));
                    return None;
                }
                Path::Configured(path.value)
            }
        };
        Some(Self { path, max_body: max_body?, ..Self::default() })
    }

    /// Appends the secret to the default path. A configured path stays as it is.
    #[must_use]
    pub fn with_secret(self, secret: Secret) -> Self {
        let path = if self.has_configured_path() { self.path } else { Path::WithSecret(secret) };
        Self { path, ..self }
    }

    pub fn has_configured_path(&self) -> bool {
        matches!(self.path, Path::Configured(_))
    }

    pub fn is_unverified(&self) -> bool {
        self.unverified
    }

    #[must_use]
    pub fn with_preflight(self) -> Self {
        Self { preflight: true, ..self }
    }

    pub fn max_body(&self) -> usize {
        self.max_body
    }

    /// Whether two endpoints of these names would have the same path.
    pub fn same_path(&self, name: &str, other: &Self, other_name: &str) -> bool {
        self.path(name) == other.path(other_name)
    }

    /// With its secret: log [`Self::public_path`] instead.
    pub(super) fn path(&self, name: &str) -> String {
        match &self.path {
            Path::Default => format!("/hooks/{name}"),
            Path::WithSecret(secret) => format!("/hooks/{name}/{}", secret.expose()),
            Path::Configured(path) => format!("/{}", path.expose().trim_start_matches('/')),
        }
    }

    /// The path without its secret, for people.
    pub fn public_path(&self, name: &str) -> String {
        match &self.path {
            Path::Default => format!("/hooks/{name}"),
            Path::WithSecret(_) => format!("/hooks/{name}/…"),
            Path::Configured(path) if *path.origin() == Origin::Literal => "its path in relays.toml".to_owned(),
            Path::Configured(path) => format!("the path of {}", path.origin()),
        }
    }
}

impl fmt::Debug for EndpointConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EndpointConfig").field(&self.public_path("NAME")).finish()
    }
}

fn fault_of(path: &str) -> Option<&'static str> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/".contains(c);
    if path.trim_matches('/').is_empty() {
        Some("is empty")
    } else if path.contains("://") || path.contains(['?', '#', '%']) {
        Some("must be a bare path")
    } else if !path.chars().all(is_allowed) {
        Some("has a character that no path may have")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_reader::{ConfigReader, render};

    /// The endpoint of a source's table, and its problems.
    fn read(table: &str) -> (Option<EndpointConfig>, String) {
        let env = |name: &str| (name == "ENDPOINT").then(|| "web-hook-6d1f\n".to_owned());
        let reading = ConfigReader::new(table, &env);
        let tree = reading.tree();
        let table = TableReader::new(&reading, "source.webhook", &tree);
        let endpoint = EndpointConfig::read(&table, MAX_BODY);
        table.finish();
        let findings = reading.into_findings();
        (endpoint, render(&findings.problems, "relays.toml", &findings.text, false))
    }

    fn path(table: &str) -> String {
        let (endpoint, problems) = read(table);
        assert_eq!(problems, "", "{table}");
        endpoint.expect("an endpoint").path("shop")
    }

    #[test]
    fn the_path_is_made_of_the_name_or_configured_and_may_be_a_secret() {
        assert_eq!(path(""), "/hooks/shop");
        assert_eq!(path("path = \"/hooks/registry\""), "/hooks/registry");
        assert_eq!(path("path = { env = \"ENDPOINT\" }"), "/web-hook-6d1f", "the leading slash may be missing");
        let secret = EndpointConfig::default().with_secret(Secret::literal("s3cr3t"));
        assert_eq!(secret.path("shop"), "/hooks/shop/s3cr3t");
        let (configured, _) = read("path = { env = \"ENDPOINT\" }");
        let configured = configured.expect("an endpoint").with_secret(Secret::literal("s3cr3t"));
        assert_eq!(configured.path("shop"), "/web-hook-6d1f");
        assert!(configured.same_path("a", &configured, "b") && !secret.same_path("a", &secret, "b"));
        for text in [secret.public_path("shop"), configured.public_path("shop"), format!("{secret:?} {configured:?}")] {
            assert!(!text.contains("s3cr3t") && !text.contains("6d1f"), "{text}");
        }
    }

    #[test]
    fn a_wrong_path_or_size_is_reported() {
        for wrong in ["\"\"", "\"/\"", "\"https://x/y\"", "\"/a?b\"", "\"/a b\"", "\"/%41\"", "{ env = \"NOT\" }", "1"]
        {
            let (endpoint, problems) = read(&format!("path = {wrong}"));
            assert!(endpoint.is_none() && problems.contains("path"), "{wrong}: {problems}");
        }
        for wrong in ["\"0B\"", "\"64MiB\"", "\"lots\"", "5"] {
            let (_, problems) = read(&format!("max_body = {wrong}"));
            assert_ne!(problems, "", "{wrong}");
        }
        let (endpoint, problems) = read("max_body = \"2MiB\"");
        assert_eq!((endpoint.expect("an endpoint").max_body(), &*problems), (2 << 20, ""));
    }
}
