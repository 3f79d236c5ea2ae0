//! What relays.toml may say.

use std::path::PathBuf;

use super::read;
use crate::sources::docker::config::Address;

#[test]
fn a_socket_is_the_usual_way() {
    let (config, problems) = read("");
    let config = config.expect("right");
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(config.address, Address::Socket(PathBuf::from("/var/run/docker.sock")));
    assert_eq!(config.filters, None);
    let (config, problems) = read("url = \"http://127.0.0.1:2375\"");
    assert!(matches!(config.expect("right").address, Address::Tcp(_)) && problems.is_empty());
}

#[test]
fn what_cannot_be_meant_is_said() {
    for (text, wanted) in [
        ("url = \"unix://docker.sock\"", "a socket's path begins with a slash: there are three after `unix:`"),
        ("url = \"tcp://h.example:2376\"", "an Engine's URL begins with unix, https or http, not with tcp"),
        ("url = \"docker\"", "this is no URL: relative URL without a base"),
        ("url = \"https://u:p@h.example\"", "only a host, a port and a path belong into this URL"),
        ("url = \"unix:///x\"\nfingerprint = \"00\"", "`fingerprint` stands beside a socket, which speaks no TLS"),
        ("filters = { typo = \"x\" }", "unknown key `typo`"),
        ("cert_file = \"/x\"", "`key_file` is missing here"),
        (
            "url = \"http://h.example:2375\"",
            "whoever is on the way to this Engine can do what root can: nothing here is encrypted",
        ),
    ] {
        let problems = read(text).1;
        assert!(problems.iter().any(|said| said == wanted), "{text}: {problems:?}");
    }
}
