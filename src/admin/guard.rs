//! Keeps web pages from driving the admin API through an operator's browser.
//!
//! A page may point a name of its own at 127.0.0.1 and then call the admin API as its "own" server; the Host header
//! tells. And what changes something must be JSON, which a page may not send elsewhere without asking first.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Uri};

use super::HttpError;

pub(super) fn check(method: &Method, uri: &Uri, headers: &HeaderMap, hosts: &[String]) -> Result<(), HttpError> {
    // No Host at all is HTTP/1.0: old probes, never a browser.
    let named = headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let foreign = named.chain(uri.authority().map(Authority::as_str)).find(|host| !is_ours(host, hosts));
    if let Some(host) = foreign {
        return Err(HttpError::forbidden(
            format!("the admin API is not called `{}`", host.escape_debug()),
            "call it by its address or as localhost",
        ));
    }
    if method == Method::POST && !is_json(headers) {
        return Err(HttpError::unsupported_media_type(
            "only JSON is taken here",
            "send the header content-type: application/json",
        ));
    }
    Ok(())
}

fn is_ours(host: &str, hosts: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if host.contains('@') {
        return false;
    }
    let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
    let v6 = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    name == "localhost"
        || name.parse::<Ipv4Addr>().is_ok()
        || v6.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        || hosts.iter().any(|host| host.eq_ignore_ascii_case(&name))
}

fn is_json(headers: &HeaderMap) -> bool {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = said.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.eq_ignore_ascii_case("application/cloudevents+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_our_own_names_are_ours() {
        let hosts = ["desk.example.com".to_owned()];
        for good in ["localhost", "LOCALHOST:8089", "127.0.0.1:1", "10.1.2.3", "[::1]:8089", "desk.example.com.:80"] {
            assert!(is_ours(good, &hosts), "{good}");
        }
        for bad in
            ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8089", "x@127.0.0.1", "::1", "é"]
        {
            assert!(!is_ours(bad, &hosts), "{bad}");
        }
    }
}
