//! Secrets are removed from vCenter's texts before these are logged.

use crate::message::{Markup, Unit, cut};

/// Longer fault texts of vCenter are cut.
const MAX_CHARS: usize = 300;

/// The password, the cookie and the session's key. Has no Debug, so that it cannot be printed by accident.
#[derive(Clone, Default)]
pub(super) struct Redactor(Vec<String>);

impl Redactor {
    pub(super) fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut secrets: Vec<_> = secrets.into_iter().filter(|secret| !secret.is_empty()).map(str::to_owned).collect();
        // Longest first: replacing a secret that is part of another would leave the rest of the other.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// `text` on one line, short, and without any secret.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut text = without_session_keys(text);
        for secret in &self.0 {
            text = text.replace(secret.as_str(), "…");
        }
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        cut(&Markup::Plain.escaped(&line), MAX_CHARS, Unit::Chars)
    }
}

/// `session[52197221-…]526ea470-…` holds the key of the session that made it.
pub(super) fn without_session_keys(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("session[") {
        clean.push_str(before);
        clean.push_str("session[…");
        // Without a closing bracket, all of the rest may be the key.
        rest = after.find(']').and_then(|at| after.get(at..)).unwrap_or_default();
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_removed() {
        let redactor = Redactor::new(["s3cr3t", "s3cr3t-and-more", ""]);
        let text = "no s3cr3t-and-more,\r\n s3cr3t\u{1b}[0m session[5219-k]52b 'session[5219-k]52c' session[5219-k";
        assert_eq!(redactor.clean(text), "no …, …\u{fffd}[0m session[…]52b 'session[…]52c' session[…");
        assert_eq!(redactor.clean(&"🎉 ".repeat(500)).chars().count(), 300);
    }
}
