//! What a relay may fetch from a registry: the value of its `fetch`.

use crate::fault::Fault;

/// | reference | names |
/// |---|---|
/// | `namespace/repository` | the repository |
/// | `namespace/repository:tag`, `…@sha256:…` | the image |
/// | `namespace/repository:tag/scan` | a summary of its scan |
/// | `namespace/repository:tag/scan/details` | its scan with the findings |
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference<'r> {
    pub(super) namespace: &'r str,
    pub(super) repository: &'r str,
    /// A tag or a digest.
    pub(super) tag: Option<&'r str>,
    pub(super) scan: Option<Scan>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    Short,
    Detailed,
}

impl<'r> Reference<'r> {
    /// The text comes out of an event, so only valid names are used: none of them can change the path of a request.
    pub(super) fn parse(text: &'r str) -> Result<Self, Fault> {
        Self::parts(text).ok_or_else(|| {
            let wanted = "namespace/repository, …:tag, …:tag/scan or …:tag/scan/details";
            Fault::new("no_reference", format!("this is no reference to a registry; it must be {wanted}"))
        })
    }

    fn parts(text: &'r str) -> Option<Self> {
        let (image, scan) = match (text.strip_suffix("/scan"), text.strip_suffix("/scan/details")) {
            // A repository may be named `scan`, but only tags are scanned.
            (Some(image), _) if image.contains([':', '@']) => (image, Some(Scan::Short)),
            (_, Some(image)) => (image, Some(Scan::Detailed)),
            _ => (text, None),
        };
        let (namespace, rest) = image.split_once('/')?;
        let (repository, tag) = match rest.split_once('@').or_else(|| rest.split_once(':')) {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        let is_digest = tag.is_some() && rest.contains('@');
        let fits = is_name(namespace)
            && is_name(repository)
            && tag.is_none_or(|tag| if is_digest { digits_of(tag).is_some() } else { is_name(tag) })
            && (scan.is_none() || tag.is_some());
        fits.then_some(Self { namespace, repository, tag, scan })
    }

    /// The path of the registry's own page about the repository or the image.
    pub(super) fn page(&self) -> Vec<&'r str> {
        let mut page = vec!["repositories", self.namespace, self.repository];
        page.extend(self.tag.filter(|tag| !tag.contains(':')).into_iter().flat_map(|tag| ["tags", tag]));
        page
    }
}

/// The registry's rule for names and tags. None of these characters is special in a path.
fn is_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && name.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
}

/// `ab12…` of `sha256:ab12…`.
fn digits_of(digest: &str) -> Option<&str> {
    let (_, digits) = digest.split_once(':').filter(|(how, _)| is_name(how))?;
    ((32..=128).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str) -> Option<(&str, &str, Option<&str>, Option<Scan>)> {
        Reference::parts(text).map(|read| (read.namespace, read.repository, read.tag, read.scan))
    }

    #[test]
    fn repositories_images_and_scans_are_distinguished() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for (text, wanted) in [
            ("foo/bar", ("foo", "bar", None, None)),
            ("foo/scan", ("foo", "scan", None, None)),
            ("foo/bar:1.0-rc.1", ("foo", "bar", Some("1.0-rc.1"), None)),
            ("foo/bar:1.0/scan", ("foo", "bar", Some("1.0"), Some(Scan::Short))),
            ("foo/bar:1.0/scan/details", ("foo", "bar", Some("1.0"), Some(Scan::Detailed))),
            (&format!("foo/bar@{digest}"), ("foo", "bar", Some(digest.as_str()), None)),
            (&format!("foo/bar@{digest}/scan"), ("foo", "bar", Some(digest.as_str()), Some(Scan::Short))),
        ] {
            assert_eq!(parts(text), Some(wanted), "{text}");
        }
        for odd in [
            "",
            "/",
            "foo",
            "/scan",
            "foo/",
            "/bar",
            "foo/bar/scan",
            "foo/bar/scan/details",
            "foo/bar:",
            "foo/bar:/scan",
            "foo/bar@sha256:xyz",
            "foo/bar@1.0",
            "../bar",
            "foo/..",
            "foo/..:x",
            "foo/bar:../../x",
            "foo/bar:a?b",
            "foo/bar:a#b",
            "https://evil.example/x",
            "//evil.example/x",
            "foo/bar:a%2fb",
            "foo/bär",
            "foo/bar:1.0/other",
            "host/foo/bar:1.0",
            "foo/bar:a b",
        ] {
            assert_eq!(parts(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn every_valid_reference_has_only_names(text in "[a-z./:@?#%\\\\ -]{0,30}(/scan|/scan/details|)") {
            if let Some((namespace, repository, tag, _)) = parts(&text) {
                for part in [Some(namespace), Some(repository), tag].into_iter().flatten() {
                    prop_assert!(!part.contains(['/', '?', '#', '%', '\\', ' ']) && !part.starts_with('.'), "{}", part);
                }
            }
        }
    }
}
