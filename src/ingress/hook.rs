//! Where a source waits at the listener.

use std::fmt;

use crate::config_reader::{Problem, TableReader};
use crate::secret::{Origin, Secret};

/// Larger bodies are refused, unless `max_body` says otherwise.
const MAX_BODY: usize = 1 << 20;
/// Bodies stand in memory until they are committed.
const MOST_BODY: u64 = 64 << 20;

/// `/hooks/NAME`, `/hooks/NAME/SECRET`, or a path that is a secret as a whole.
#[derive(Clone)]
pub struct Hook {
    path: Path,
    max_body: usize,
    open: bool,
    asked_first: bool,
}

#[derive(Clone)]
enum Path {
    Named,
    WithSecret(Secret),
    Whole(Secret),
}

impl Hook {
    /// Reads `path` and `max_body`. None where they are wrong, which the table's reading then knows.
    pub fn read(table: &TableReader) -> Option<Self> {
        let max_body = table.size("max_body");
        let max_body = match max_body {
            None => Some(MAX_BODY),
            Some(0 | MOST_BODY..) => {
                let place = table.item("max_body").map_or(table.span.clone(), |item| item.span.clone());
                let said = format!("`max_body` must be at least 1B and less than {} MiB", MOST_BODY >> 20);
                table.reading.problem(Problem::error(place, said));
                None
            }
            Some(size) => usize::try_from(size).ok(),
        };
        let path = match table.text_or_secret("path") {
            None if table.has("path") => return None,
            None => Path::Named,
            Some(said) => {
                let fault = fault_of(said.value.expose());
                if let Some(fault) = fault {
                    let problem = Problem::error(said.span, format!("`path` {fault}"));
                    table.reading.problem(problem.hint("write it like /hooks/registry, without a host or a query"));
                    return None;
                }
                Path::Whole(said.value)
            }
        };
        Some(Self { path, max_body: max_body?, open: false, asked_first: false })
    }

    /// `/hooks/NAME`
    pub fn named() -> Self {
        Self { path: Path::Named, max_body: MAX_BODY, open: false, asked_first: false }
    }

    /// `/hooks/NAME/SECRET` instead of `/hooks/NAME`. A path that was set whole stays as it is.
    #[must_use]
    pub fn with_secret(self, secret: Secret) -> Self {
        let path = if self.is_whole() { self.path } else { Path::WithSecret(secret) };
        Self { path, ..self }
    }

    /// Takes bodies of this size, for senders who need it.
    #[must_use]
    pub fn taking(self, max_body: usize) -> Self {
        Self { max_body, ..self }
    }

    /// Whether relays.toml sets the whole path.
    pub fn is_whole(&self) -> bool {
        matches!(self.path, Path::Whole(_))
    }

    /// Nothing verifies who knocks here, and relays.toml does not say that this is meant: `check` refuses it where the
    /// door listens to more than this machine.
    #[must_use]
    pub fn open(self) -> Self {
        Self { open: true, ..self }
    }

    /// Senders of `CloudEvents` may ask (OPTIONS) whether they are welcome before they send.
    #[must_use]
    pub fn asked_first(self) -> Self {
        Self { asked_first: true, ..self }
    }

    pub fn is_open(&self) -> bool {
        self.open
    }

    pub fn is_asked_first(&self) -> bool {
        self.asked_first
    }

    pub fn max_body(&self) -> usize {
        self.max_body
    }

    /// Whether two sources of these names would wait at the same place.
    pub fn is_same_as(&self, name: &str, other: &Self, other_name: &str) -> bool {
        self.path(name) == other.path(other_name)
    }

    /// Never to be logged: [`Hook`]'s own Debug and [`Hook::shown`] leave the secret out.
    pub(super) fn path(&self, name: &str) -> String {
        match &self.path {
            Path::Named => format!("/hooks/{name}"),
            Path::WithSecret(secret) => format!("/hooks/{name}/{}", secret.expose()),
            Path::Whole(secret) => format!("/{}", secret.expose().trim_start_matches('/')),
        }
    }

    /// The path as people may see it.
    pub fn shown(&self, name: &str) -> String {
        match &self.path {
            Path::Named => format!("/hooks/{name}"),
            Path::WithSecret(_) => format!("/hooks/{name}/…"),
            Path::Whole(secret) if *secret.origin() == Origin::Literal => "its path in relays.toml".to_owned(),
            Path::Whole(secret) => format!("the path of {}", secret.origin()),
        }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hook").field(&self.shown("NAME")).finish()
    }
}

/// What keeps `path` from being one.
fn fault_of(path: &str) -> Option<&'static str> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/".contains(c);
    if path.trim_matches('/').is_empty() {
        Some("is empty")
    } else if path.contains("://") || path.contains(['?', '#', '%']) {
        Some("must be a bare path")
    } else if !path.chars().all(harmless) {
        Some("holds what no path may hold")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_reader::{ConfigReader, render};

    /// The hook of a source's table, and what is wrong with it.
    fn read(table: &str) -> (Option<Hook>, String) {
        let env = |name: &str| (name == "ENDPOINT").then(|| "web-hook-6d1f\n".to_owned());
        let reading = ConfigReader::new(table, &env);
        let tree = reading.tree();
        let table = TableReader::new(&reading, "source.webhook", &tree);
        let hook = Hook::read(&table);
        table.finish();
        let findings = reading.into_findings();
        (hook, render(&findings.problems, "relays.toml", &findings.text, false))
    }

    fn path(table: &str) -> String {
        let (hook, problems) = read(table);
        assert_eq!(problems, "", "{table}");
        hook.expect("a hook").path("shop")
    }

    #[test]
    fn a_path_is_made_of_the_name_or_set_whole_and_may_be_a_secret() {
        assert_eq!(path(""), "/hooks/shop");
        assert_eq!(path("path = \"/hooks/registry\""), "/hooks/registry");
        assert_eq!(path("path = { env = \"ENDPOINT\" }"), "/web-hook-6d1f", "as its users write it, without the slash");
        let secret = Hook::named().with_secret(Secret::literal("s3cr3t"));
        assert_eq!(secret.path("shop"), "/hooks/shop/s3cr3t");
        let (whole, _) = read("path = { env = \"ENDPOINT\" }");
        let whole = whole.expect("a hook").with_secret(Secret::literal("s3cr3t"));
        assert_eq!(whole.path("shop"), "/web-hook-6d1f");
        assert!(whole.is_same_as("a", &whole, "b") && !secret.is_same_as("a", &secret, "b"));
        for said in [secret.shown("shop"), whole.shown("shop"), format!("{secret:?} {whole:?}")] {
            assert!(!said.contains("s3cr3t") && !said.contains("6d1f"), "{said}");
        }
    }

    #[test]
    fn what_is_no_path_and_no_size_is_told() {
        for wrong in ["\"\"", "\"/\"", "\"https://x/y\"", "\"/a?b\"", "\"/a b\"", "\"/%41\"", "{ env = \"NOT\" }", "1"]
        {
            let (hook, problems) = read(&format!("path = {wrong}"));
            assert!(hook.is_none() && problems.contains("path"), "{wrong}: {problems}");
        }
        for wrong in ["\"0B\"", "\"64MiB\"", "\"lots\"", "5"] {
            let (_, problems) = read(&format!("max_body = {wrong}"));
            assert_ne!(problems, "", "{wrong}");
        }
        let (hook, problems) = read("max_body = \"2MiB\"");
        assert_eq!((hook.expect("a hook").max_body(), &*problems), (2 << 20, ""));
    }
}
