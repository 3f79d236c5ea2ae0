//! What the notifications of registries have in common: names of types, and how an image is called.

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::posted::{Unreadable, body};
use crate::event::Body;

/// The longest name of an event that any registry has is half of this.
const LONGEST_NAME: usize = 64;

/// A notification is a JSON object, whatever is in it.
pub(super) fn notification(headers: &HeaderMap, bytes: &[u8]) -> Result<Body, Unreadable> {
    let data = body(headers, bytes)?;
    if data.value().is_object() {
        return Ok(data);
    }
    Err(Unreadable::Malformed("a registry's notification is a JSON object".to_owned()))
}

/// The text at a pointer (`/contents/tag`), if there is any.
pub(super) fn text<'v>(value: &'v Value, at: &str) -> Option<&'v str> {
    value.pointer(at).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// `SCAN_COMPLETED` as `scan.completed`; None where it is no name.
pub(super) fn dotted(name: &str) -> Option<String> {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let fits = name.len() <= LONGEST_NAME && name.split(['_', '.']).all(is_word);
    fits.then(|| name.to_ascii_lowercase().replace('_', "."))
}

/// `repository:tag`, or `repository@digest`. Where there is no tag, some registries write the digest in its place.
pub(super) fn image(repository: &str, tag: Option<&str>, digest: Option<&str>) -> String {
    match tag.or(digest) {
        Some(digest) if digest.contains(':') => format!("{repository}@{digest}"),
        Some(tag) => format!("{repository}:{tag}"),
        None => repository.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_dotted_lower_case() {
        for (name, r#type) in [
            ("TAG_PUSH", "tag.push"),
            ("PROMOTION", "promotion"),
            ("SCANNER_UPDATE_COMPLETED", "scanner.update.completed"),
            ("artifact.signed", "artifact.signed"),
        ] {
            assert_eq!(dotted(name).as_deref(), Some(r#type));
        }
        for odd in ["", "_", "A__B", "TAG_", "<!channel>", "a b", "é", &"A".repeat(65)] {
            assert_eq!(dotted(odd), None, "{odd}");
        }
    }

    #[test]
    fn images_are_called_by_tag_or_digest() {
        assert_eq!(image("foo/bar", Some("1.0"), Some("sha256:ab")), "foo/bar:1.0");
        assert_eq!(image("foo/bar", None, Some("sha256:ab")), "foo/bar@sha256:ab");
        assert_eq!(image("foo/bar", Some("sha256:ab"), None), "foo/bar@sha256:ab");
        assert_eq!(image("foo/bar", None, None), "foo/bar");
    }
}
