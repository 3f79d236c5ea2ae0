//! Prevents web pages from using the admin API through an operator's browser.
//!
//! A page may resolve a host name of its own to 127.0.0.1 and then call the admin API as its own server; the Host header
//! reveals that. And POST bodies must be JSON, which browsers do not send to other origins without a preflight request.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, Uri};

use crate::http_server::HttpError;

pub(super) fn check(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), HttpError> {
    // Requests without Host are HTTP/1.0: from old probes, never from a browser.
    let named = headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let foreign = named.chain(uri.authority().map(Authority::as_str)).find(|host| !is_own_host(host));
    if let Some(host) = foreign {
        let error = format!("`{}` is not a host name of the admin API", host.escape_debug());
        return Err(HttpError::new(StatusCode::FORBIDDEN, error, "use its address or localhost"));
    }
    if method == Method::POST && !is_json(headers) {
        return Err(HttpError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "only JSON is accepted",
            "send the header content-type: application/json",
        ));
    }
    Ok(())
}

/// Only `localhost` and literal addresses.
fn is_own_host(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if host.contains('@') {
        return false;
    }
    let name = authority.host().trim_end_matches('.').to_ascii_lowercase();
    let v6 = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    name == "localhost"
        || name.parse::<Ipv4Addr>().is_ok()
        || v6.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.eq_ignore_ascii_case("application/cloudevents+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_localhost_and_addresses_are_accepted() {
        for good in ["localhost", "LOCALHOST:8089", "localhost.:80", "127.0.0.1:1", "10.1.2.3", "[::1]:8089"] {
            assert!(is_own_host(good), "{good}");
        }
        for bad in
            ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8089", "x@127.0.0.1", "::1", "é"]
        {
            assert!(!is_own_host(bad), "{bad}");
        }
    }
}
