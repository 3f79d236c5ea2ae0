//! What must not be repeated, and how vCenter's words are made fit to be logged.

use crate::message::{Markup, Unit, cut};

/// How much of what vCenter says about a fault is worth repeating.
const WORTH_REPEATING: usize = 300;

/// The password, the cookie and the session's key. Has no Debug, so that nobody prints it by chance.
#[derive(Clone, Default)]
pub(super) struct Hidden(Vec<String>);

impl Hidden {
    pub(super) fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut secrets: Vec<_> = secrets.into_iter().filter(|secret| !secret.is_empty()).map(str::to_owned).collect();
        // Longest first, so that a secret within another does not leave the other's rest behind.
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
        cut(&Markup::Plain.escaped(&line), WORTH_REPEATING, Unit::Chars)
    }
}

/// `session[52197221-…]526ea470-…` holds the key of the session that made it.
pub(super) fn without_session_keys(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("session[") {
        kept.push_str(before);
        kept.push_str("session[…");
        // Where the bracket never closes, all of the rest may be the key.
        rest = after.find(']').and_then(|at| after.get(at..)).unwrap_or_default();
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_survive() {
        let hidden = Hidden::new(["s3cr3t", "s3cr3t-and-more", ""]);
        let said = "no s3cr3t-and-more,\r\n s3cr3t\u{1b}[0m session[5219-k]52b 'session[5219-k]52c' session[5219-k";
        assert_eq!(hidden.clean(said), "no …, …\u{fffd}[0m session[…]52b 'session[…]52c' session[…");
        assert_eq!(hidden.clean(&"🎉 ".repeat(500)).chars().count(), 300);
    }
}
