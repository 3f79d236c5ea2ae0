//! Where a vCenter is: a URL, or `user:password@host:443` as the first such bridges took it. No error repeats any
//! of it, for it may hold a password.

use reqwest::Url;

/// The path of the API where only the host was said.
const ENDPOINT: &str = "/sdk";

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The whole endpoint, without credentials.
    pub(super) url: Url,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

impl Address {
    /// The error is what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return Err("a vCenter's address begins with https".to_owned());
        }
        // The last one parts them: users have domains, and passwords what they like.
        let (credentials, place) = match rest.rsplit_once('@') {
            Some((credentials, place)) => (Some(credentials), place),
            None => (None, rest),
        };
        let mut url =
            Url::parse(&format!("{scheme}://{place}")).map_err(|error| format!("this is no address: {error}"))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err("a vCenter's address has no query".to_owned());
        }
        if url.path() == "/" {
            url.set_path(ENDPOINT);
        }
        let (user, password) = match credentials.map(|both| both.split_once(':').unwrap_or((both, ""))) {
            Some((user, password)) => (Some(decoded(user)), Some(decoded(password))),
            None => (None, None),
        };
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Self { url, user: filled(user), password: filled(password) })
    }
}

/// `%40` is `@`. What is no such escape stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.split_at_checked(2).filter(|_| *first == b'%');
        let value = digits.and_then(|(two, _)| {
            let digit = |at: usize| two.get(at).and_then(|digit| char::from(*digit).to_digit(16));
            u8::try_from(digit(0)? * 16 + digit(1)?).ok()
        });
        bytes.push(value.unwrap_or(*first));
        rest = digits.filter(|_| value.is_some()).map_or(behind, |(_, behind)| behind);
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, Option<String>, Option<String>) {
        let Address { url, user, password } = Address::parse(text).expect("right");
        (url.to_string(), user, password)
    }

    #[test]
    fn urls_and_the_form_of_old_are_read() {
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
    fn what_is_no_address_is_refused_without_being_repeated() {
        for wrong in
            ["", "ldap://vc", "u:s3cret@", "https://u:s3cret@vc:port", "https://u:s3cret@vc?x=1", "https://vc#x"]
        {
            let said = Address::parse(wrong).err().expect("wrong");
            assert!(!said.contains("s3cret"), "{said}");
        }
    }
}
