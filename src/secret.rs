//! Secrets: references to them, and a type that does not print them.

use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

/// Where relays.toml says that a secret is stored. References are typed; no text is ever substituted.
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

/// Why a secret could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// What the reference names does not exist; accepted with `optional = true`.
    #[error("{0}")]
    Unset(String),
    /// It exists but cannot be used; always an error.
    #[error("{0}")]
    Unusable(String),
}

/// A secret and its origin. No `Display`, no `Serialize`; Debug names the origin only.
#[derive(Clone)]
pub struct Secret {
    origin: Origin,
    value: SecretString,
}

impl Secret {
    pub fn literal(value: &str) -> Self {
        Self { origin: Origin::Literal, value: value.into() }
    }

    /// Reads the secret from its origin. `env` looks up variables, so that tests need not set those of the process.
    pub fn read(origin: Origin, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, SecretError> {
        let value = match &origin {
            Origin::Env(name) => {
                env(name).ok_or_else(|| SecretError::Unset(format!("the variable {name} is not set")))?
            }
            Origin::PathEnv(name) => {
                let path = env(name).ok_or_else(|| SecretError::Unset(format!("the variable {name} is not set")))?;
                read_file(&PathBuf::from(path), &format!("the file that {name} names"))?
            }
            Origin::File(path) => read_file(path, "the file")?,
            Origin::Credential(name) => {
                let unset = || SecretError::Unset("systemd's CREDENTIALS_DIRECTORY is not set".to_owned());
                let folder = env("CREDENTIALS_DIRECTORY").ok_or_else(unset)?;
                read_file(&PathBuf::from(folder).join(name), "the credential")?
            }
            Origin::Literal => return Err(SecretError::Unusable("a literal has no origin to read from".to_owned())),
        };
        let value = cut_newline(&value);
        if value.is_empty() {
            return Err(SecretError::Unset(format!("{origin} is empty")));
        }
        Ok(Self { origin, value: value.into() })
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The value. It must not get into logs, errors and messages.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }
}

/// Removes one newline at the end, which editors and `echo` add to a file.
fn cut_newline(value: &str) -> &str {
    let value = value.strip_suffix('\n').unwrap_or(value);
    value.strip_suffix('\r').unwrap_or(value)
}

fn read_file(path: &PathBuf, what: &str) -> Result<String, SecretError> {
    std::fs::read_to_string(path).map_err(|error| {
        let message = format!("{what} {} cannot be read: {error}", path.display());
        match error.kind() {
            std::io::ErrorKind::NotFound => SecretError::Unset(message),
            _ => SecretError::Unusable(message),
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
    fn unset_differs_from_unusable() {
        let read = |origin| Secret::read(origin, &env).expect_err("missing");
        assert!(matches!(read(Origin::Env("NOPE".into())), SecretError::Unset(message) if message.contains("NOPE")));
        assert!(matches!(read(Origin::File("/nowhere/at/all".into())), SecretError::Unset(_)));
        assert!(matches!(read(Origin::File("/".into())), SecretError::Unusable(_)));
        assert!(matches!(read(Origin::Credential("x".into())), SecretError::Unset(_)));
    }
}
