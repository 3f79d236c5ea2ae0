//! The configuration keys.

use std::path::PathBuf;

use super::read;
use crate::sources::docker::config::Address;

#[test]
fn the_socket_is_the_default() {
    let (config, problems) = read("");
    let config = config.expect("a valid configuration");
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(config.address, Address::Socket(PathBuf::from("/var/run/docker.sock")));
    assert_eq!(config.filters, None);
    let (config, problems) = read("url = \"http://127.0.0.1:2375\"");
    assert!(matches!(config.expect("a valid configuration").address, Address::Tcp(_)) && problems.is_empty());
}

#[test]
fn invalid_values_are_reported() {
    for (text, wanted) in [
        ("url = \"unix://docker.sock\"", "the path of a socket begins with a slash: write three slashes after `unix:`"),
        ("url = \"tcp://h.example:2376\"", "an Engine's URL begins with unix, https or http, not with tcp"),
        ("url = \"docker\"", "this is not a URL: relative URL without a base"),
        ("url = \"https://u:p@h.example\"", "this URL may contain only a host, a port and a path"),
        ("url = \"unix:///x\"\nfingerprint = \"00\"", "`fingerprint` is for TLS, which is not used on a socket"),
        ("filters = { typo = \"x\" }", "unknown key `typo`"),
        ("cert_file = \"/x\"", "`key_file` is missing here"),
        (
            "url = \"http://h.example:2375\"",
            "this connection is not encrypted: anyone on the network path can control the Engine, and so its host",
        ),
    ] {
        let problems = read(text).1;
        assert!(problems.iter().any(|problem| problem == wanted), "{text}: {problems:?}");
    }
}
