//! Makes text of other servers fit to be logged: no secrets, no control characters, short.

use reqwest::Url;

use crate::message::{Markup, Unit, cut};

/// For a log line.
const LOG_LIMIT: usize = 200;
/// For a dead letter.
const KEPT_LIMIT: usize = 2000;
/// Shorter pieces of a URL are words like `v1`, and no secrets.
const SHORTEST_SECRET: usize = 6;

/// The pieces of a URL that may be the credential of a webhook.
pub(super) fn secrets_in(url: &Url) -> Vec<String> {
    let mut pieces: Vec<String> = url.query_pairs().map(|(_, value)| value.into_owned()).collect();
    pieces.extend(url.query().into_iter().flat_map(|query| query.split(['&', '='])).map(str::to_owned));
    let segments: Vec<&str> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
    let last = segments.len().saturating_sub(1);
    for (at, segment) in segments.into_iter().enumerate() {
        let is_word = segment.chars().all(|letter| letter.is_ascii_lowercase());
        // Without a query, the end of the path is the credential, whatever it looks like.
        if !is_word || (at == last && url.query().is_none()) {
            pieces.push(segment.to_owned());
        }
    }
    pieces.retain(|piece| piece.chars().count() >= SHORTEST_SECRET);
    // Longest first: a piece within another must not leave the rest of the other behind.
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
    pieces.dedup();
    pieces
}

/// `text` on one line, without any of `secrets`, and with URLs cut after their host.
pub(super) fn clean(text: &str, secrets: &[String]) -> String {
    within(text, secrets, LOG_LIMIT)
}

/// A reply's body for the dead letters.
pub(super) fn kept(body: &[u8], secrets: &[String]) -> String {
    within(&String::from_utf8_lossy(body), secrets, KEPT_LIMIT)
}

fn within(text: &str, secrets: &[String], limit: usize) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), "…");
        }
    }
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        without_path(word, &mut line);
    }
    cut(&Markup::Plain.escaped(&line), limit, Unit::Chars)
}

/// Appends `word`, with every URL in it reduced to `scheme://host/…`.
fn without_path(word: &str, out: &mut String) {
    let mut rest = word;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let authority = after.find(['/', '?', '#', '"', '\'', '<', '>', ')']).unwrap_or(after.len());
        let (authority, tail) = after.split_at_checked(authority).unwrap_or((after, ""));
        // Before an `@` there is a user and a password.
        out.push_str(authority.rsplit('@').next().unwrap_or_default());
        let end = tail.find(['"', '\'', '<', '>', ')']).unwrap_or(tail.len());
        let (path, left) = tail.split_at_checked(end).unwrap_or((tail, ""));
        if !path.is_empty() {
            out.push_str("/…");
        }
        rest = left;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_url_paths_and_control_characters_are_removed() {
        let url = Url::parse("https://chat.example/v1/spaces/AAAAbbbb/messages?key=AIzaSy123&token=s3cr3t-t%3D")
            .expect("a URL");
        let secrets = secrets_in(&url);
        let text = "no token s3cr3t-t= or s3cr3t-t%3D\r\nwith AIzaSy123\u{1b}[0m for messages";
        assert_eq!(clean(text, &secrets), "no token … or … with …\u{fffd}[0m for messages");
        assert_eq!(
            clean(r#"{"see":"https://u:p@x.example/a/b?c","and":"http://y"}"#, &[]),
            r#"{"see":"https://x.example/…","and":"http://y"}"#
        );
    }

    #[test]
    fn the_end_of_a_webhooks_path_is_removed_whatever_it_looks_like() {
        let url = Url::parse("https://hooks.example/services/T0/B0/abcdefgh").expect("a URL");
        assert_eq!(clean("no such hook: T0/B0/abcdefgh", &secrets_in(&url)), "no such hook: T0/B0/…");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(clean(&"🎉 ".repeat(5000), &[]).chars().count(), 200);
    }
}
