//! Keeps the content of an event from choosing where our credentials go.

use reqwest::Url;

use crate::fault::Fault;

/// Far above every known reference.
const LONGEST_REFERENCE: usize = 4096;

/// Resolves `reference`, which came out of an event, against `base`, which came out of relays.toml. Refuses a
/// reference to another scheme, host or port.
pub fn own_host_only(base: &Url, reference: &str) -> Result<Url, Fault> {
    if reference.is_empty() || reference.len() > LONGEST_REFERENCE {
        return Err(refused("the reference is empty or too long"));
    }
    // URL parsers disagree about these: some drop them, some take `\` for `/`, some find a user before `@`.
    if reference.contains(|letter: char| letter.is_control() || letter.is_whitespace() || matches!(letter, '\\' | '@'))
    {
        return Err(refused("the reference holds a forbidden character"));
    }
    let mut url = base.join(reference).map_err(|_| refused("the reference is not part of a URL"))?;
    if url.origin() != base.origin() || !matches!(url.scheme(), "http" | "https") {
        return Err(refused("the reference leads to another host"));
    }
    if url.path().starts_with("//") {
        return Err(refused("the reference begins with two slashes"));
    }
    url.set_fragment(None);
    Ok(url)
}

fn refused(why: &'static str) -> Fault {
    Fault::new("refused", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("https://dashboard.tutum.example/").expect("a URL")
    }

    #[test]
    fn references_of_the_own_host_are_joined() {
        for (reference, url) in [
            ("/api/v1/stack/7a/", "https://dashboard.tutum.example/api/v1/stack/7a/"),
            ("api/v1/stack/7a/", "https://dashboard.tutum.example/api/v1/stack/7a/"),
            ("/a?b=c&d=%2F%2Fevil.example", "https://dashboard.tutum.example/a?b=c&d=%2F%2Fevil.example"),
            ("https://dashboard.tutum.example/a#b", "https://dashboard.tutum.example/a"),
            ("https://dashboard.tutum.example:443/a", "https://dashboard.tutum.example/a"),
            ("HTTPS://DASHBOARD.tutum.example/a", "https://dashboard.tutum.example/a"),
            ("/../../a", "https://dashboard.tutum.example/a"),
            // Encoded, these are plain names on our own host.
            ("/%2f%2fevil.example/", "https://dashboard.tutum.example/%2f%2fevil.example/"),
            ("%68ttp://evil.example/", "https://dashboard.tutum.example/%68ttp://evil.example/"),
            ("/%40evil.example", "https://dashboard.tutum.example/%40evil.example"),
            ("evil.example", "https://dashboard.tutum.example/evil.example"),
            // The URL standard takes these for relative.
            ("https:evil.example", "https://dashboard.tutum.example/evil.example"),
            ("https:/evil.example/", "https://dashboard.tutum.example/evil.example/"),
            ("/ünïcode", "https://dashboard.tutum.example/%C3%BCn%C3%AFcode"),
        ] {
            assert_eq!(own_host_only(&base(), reference).expect(reference).as_str(), url);
        }
    }

    #[test]
    fn references_to_other_hosts_are_refused() {
        for hostile in [
            "",
            "//evil.example/",
            "///evil.example/",
            "////evil.example/",
            "/.//evil.example/",
            "/a/..//evil.example/",
            "/%2e//evil.example/",
            "\\\\evil.example\\",
            "/\\evil.example/",
            "\\/evil.example/",
            "http://evil.example/",
            "https://evil.example/",
            "https:///evil.example/",
            "https://evil.example:443/",
            "http://dashboard.tutum.example/",
            "https://dashboard.tutum.example:444/",
            "https://dashboard.tutum.example.evil.example/",
            "https://dashboard.tutum.example./",
            "https://dashboard.tutum.example@evil.example/",
            "https://user:password@dashboard.tutum.example/",
            "https://evil.example#@dashboard.tutum.example/",
            "https://evil.example?dashboard.tutum.example",
            "https://%65vil.example/",
            "https://169.254.169.254/latest/meta-data/",
            "https://2852039166/",
            "https://[::ffff:169.254.169.254]/",
            "https://[::1",
            "//dashboard.tutum.example:8443/",
            "@evil.example/",
            "/@evil.example/",
            "ftp://dashboard.tutum.example/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "data:text/plain,x",
            "ht\ntps://evil.example/",
            "/\n/evil.example/",
            "/\t/evil.example/",
            "\u{0}//evil.example/",
            " //evil.example/",
            "/a b",
            "\u{a0}/a",
            "/a\r\nHost: evil.example",
            "\u{feff}//evil.example\\",
            "／／evil.example＠\\",
        ] {
            let url = own_host_only(&base(), hostile);
            assert!(url.is_err(), "{hostile:?} became {url:?}");
        }
        assert!(own_host_only(&base(), &"a".repeat(5000)).is_err());
    }

    #[test]
    fn every_accepted_reference_stays_on_the_host() {
        for odd in [
            "／／evil.example/",
            "/／evil.example/",
            "?//evil.example",
            "#//evil.example",
            ".",
            "..",
            ";",
            "%00",
            "/%0d%0a",
            "/%5c%5cevil.example",
        ] {
            if let Ok(url) = own_host_only(&base(), odd) {
                assert_eq!(url.origin(), base().origin(), "{odd}");
            }
        }
    }
}
