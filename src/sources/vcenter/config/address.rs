//! The address of a vCenter: a URL, or `user:password@host:443` as earlier tools accept it. Errors do not quote it, since
//! it may contain a password.

use percent_encoding::percent_decode_str;
use reqwest::Url;

/// The path of the API where only a host is given.
const ENDPOINT: &str = "/sdk";

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The whole endpoint, without credentials.
    pub(super) url: Url,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return Err("a vCenter's address begins with https".to_owned());
        }
        // The last @ separates them: user names have domains, and passwords may contain anything.
        let (credentials, host) = rest.rsplit_once('@').unwrap_or(("", rest));
        let mut url = Url::parse(&format!("{scheme}://{host}")).map_err(|error| format!("not an address: {error}"))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("a vCenter's address has no query".to_owned());
        }
        if url.path() == "/" {
            url.set_path(ENDPOINT);
        }
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let filled = |text: &str| (!text.is_empty()).then(|| decoded(text));
        Ok(Self { url, user: filled(user), password: filled(password) })
    }
}

/// `%40` is `@`. Anything that is not such an escape stays as it is.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, Option<String>, Option<String>) {
        let Address { url, user, password } = Address::parse(text).expect("an address");
        (url.to_string(), user, password)
    }

    #[test]
    fn urls_and_the_short_form_are_read() {
        let named =
            |url: &str, user: &str, password: &str| (url.to_owned(), Some(user.to_owned()), Some(password.to_owned()));
        for (text, expected) in [
            ("root:s3cret@10.0.0.5:443", named("https://10.0.0.5/sdk", "root", "s3cret")),
            (
                "administrator@vsphere.local:p@ss:w/rd@vc.example.com:8443",
                named("https://vc.example.com:8443/sdk", "administrator@vsphere.local", "p@ss:w/rd"),
            ),
            ("https://a%40b:1%2502%zz%c3%a9@[::1]/sdk", named("https://[::1]/sdk", "a@b", "1%02%zzé")),
            ("HTTP://u:p@localhost:8989/", named("http://localhost:8989/sdk", "u", "p")),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
        assert_eq!(parsed(" https://vc.example.com "), ("https://vc.example.com/sdk".to_owned(), None, None));
        assert_eq!(parsed("https://proxy.example.com/vc/sdk").0, "https://proxy.example.com/vc/sdk");
        assert_eq!(parsed("alice@vc").1.as_deref(), Some("alice"));
        assert_eq!(parsed("alice@vc").2, None);
    }

    #[test]
    fn a_wrong_address_is_refused_without_being_quoted() {
        for wrong in
            ["", "ldap://vc", "u:s3cret@", "https://u:s3cret@vc:port", "https://u:s3cret@vc?x=1", "https://vc#x"]
        {
            let error = Address::parse(wrong).err().expect("an error");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
