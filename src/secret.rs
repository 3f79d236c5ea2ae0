//! Secrets: where they come from, and a type that does not print them.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

/// Where relays.toml says that a secret lies. References are typed; nothing is ever substituted into text.
#[derive(Clone, PartialEq, Eq)]
pub enum Origin {
    /// `{ env = "SLACK_URL" }`
    Env(String),
    /// `{ file = "/run/secrets/slack" }`
    File(PathBuf),
    /// `{ path_env = "GCHAT_WEBHOOK_SECRET_FILE" }`: the variable names the file.
    PathEnv(String),
    /// `{ credential = "slack" }`: a file of that name in systemd's `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A literal string in relays.toml: allowed, and `check` warns.
    Literal,
}

/// Why a secret could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// What the reference names does not exist: this is what `optional = true` forgives.
    #[error("{0}")]
    Unset(String),
    /// It exists but cannot be used; never forgiven.
    #[error("{0}")]
    Unusable(String),
}

/// A secret's value together with where it came from. No `Display`, no `Serialize`; Debug names the origin only.
#[derive(Clone)]
pub struct Secret {
    origin: Origin,
    value: SecretString,
}

impl Secret {
    pub fn literal(value: &str) -> Self {
        Self { origin: Origin::Literal, value: value.into() }
    }

    /// Reads the secret where its origin says. `env` answers for variables, so that tests need not touch the process's own.
    pub fn read(origin: Origin, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, Missing> {
        let value = match &origin {
            Origin::Env(name) => env(name).ok_or_else(|| Missing::Unset(format!("the variable {name} is not set")))?,
            Origin::PathEnv(name) => {
                let path = env(name).ok_or_else(|| Missing::Unset(format!("the variable {name} is not set")))?;
                read_file(&PathBuf::from(path), &format!("the file that {name} names"))?
            }
            Origin::File(path) => read_file(path, "the file")?,
            Origin::Credential(name) => {
                let unset = || Missing::Unset("systemd's CREDENTIALS_DIRECTORY is not set".to_owned());
                let folder = env("CREDENTIALS_DIRECTORY").ok_or_else(unset)?;
                read_file(&PathBuf::from(folder).join(name), "the credential")?
            }
            Origin::Literal => return Err(Missing::Unusable("a literal is not read from anywhere".to_owned())),
        };
        let value = cut_newline(&value);
        if value.is_empty() {
            return Err(Missing::Unset(format!("{origin} is empty")));
        }
        Ok(Self { origin, value: value.into() })
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The value itself. Whoever calls this keeps it out of logs, errors and messages.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }
}

/// Editors and `echo` end files with a newline that belongs to no secret. One is cut, not more.
fn cut_newline(value: &str) -> &str {
    let value = value.strip_suffix('\n').unwrap_or(value);
    value.strip_suffix('\r').unwrap_or(value)
}

fn read_file(path: &PathBuf, what: &str) -> Result<String, Missing> {
    std::fs::read_to_string(path).map_err(|error| {
        let said = format!("{what} {} cannot be read: {error}", path.display());
        match error.kind() {
            std::io::ErrorKind::NotFound => Missing::Unset(said),
            _ => Missing::Unusable(said),
        }
    })
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) | Self::PathEnv(name) => write!(f, "env {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Credential(name) => write!(f, "credential {name}"),
            Self::Literal => f.write_str("literal"),
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        (name == "TOKEN").then(|| "s3cr3t\n".to_owned())
    }

    #[test]
    fn one_trailing_newline_is_cut_and_nothing_is_printed() {
        let secret = Secret::read(Origin::Env("TOKEN".into()), &env).expect("set");
        assert_eq!(secret.expose(), "s3cr3t");
        assert_eq!(format!("{secret:?}"), "Secret(env TOKEN)");
        assert_eq!(cut_newline("a\n\n"), "a\n");
        assert_eq!(cut_newline("a\r\n"), "a");
    }

    #[test]
    fn what_is_unset_is_told_from_what_is_unusable() {
        let read = |origin| Secret::read(origin, &env).expect_err("missing");
        assert!(matches!(read(Origin::Env("NOPE".into())), Missing::Unset(said) if said.contains("NOPE")));
        assert!(matches!(read(Origin::File("/nowhere/at/all".into())), Missing::Unset(_)));
        assert!(matches!(read(Origin::File("/".into())), Missing::Unusable(_)));
        assert!(matches!(read(Origin::Credential("x".into())), Missing::Unset(_)));
    }
}
