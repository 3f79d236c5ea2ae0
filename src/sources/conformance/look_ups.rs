//! Look-ups send requests to the source's own host only, whatever an event refers to.

use super::super::Source;
use super::harness::run;
use super::rows::ROWS;
use super::stand_in::{address, constant, vendor};
use crate::test_support::scripted_server::reply;
use crate::websocket::peer::{Peer, soon};

/// References to the host and port `evil`.
fn hostile(evil: &str) -> Vec<String> {
    let (host, port) = evil.split_once(':').expect("host and port");
    let forms = [
        "http://@/",
        "HTTP://@/",
        "https://@/",
        "ws://@/",
        "ftp://@/",
        "http:@",
        "//@/",
        "///@/",
        "////@/",
        "/.//@/",
        "/a/..//@/",
        "/%2e//@/",
        "..//@/",
        "../../@",
        "/../@",
        "\\\\@\\",
        "/\\@/",
        "%2f%2f@/",
        "%68ttp://@/",
        "http%3a%2f%2f@/",
        "#@@/",
        "x@@/",
        "/@@/",
        ":@/",
        "?http://@/",
        "#http://@/",
        "\t//@/",
        "ht\ntp://@/",
        "/\r\nHost: @\r\n\r\n",
        "\u{0}//@/",
        " //@/",
        "a b",
        "",
        "file:///etc/passwd",
        "data:text/plain,@",
        "javascript:@",
        "／／@／",
        "container/http://@/",
        "container/..%2f..%2f@",
        "image/@/a",
        "image/../../@",
        "@/foo/bar:1/scan",
        "foo/@",
        "VirtualMachine:http://@/",
        "VirtualMachine:<x href=\"http://@/\"/>",
    ];
    let mut references: Vec<_> = forms.iter().map(|form| form.replacen("@@", &format!("@{evil}"), 1)).collect();
    for reference in references.iter_mut().filter(|reference| !reference.contains(evil)) {
        *reference = reference.replace('@', evil);
    }
    references.push(format!("http://{host}.:{port}/"));
    references.push(format!("http://user:password@{evil}/"));
    references.push("/".repeat(100_000));
    references.push("http://".to_owned() + &"a".repeat(100_000));
    references
}

#[tokio::test]
async fn hostile_references_lead_to_no_other_host() {
    let evil = Peer::new().await;
    let evil_url = evil.url("http", "");
    let evil_address = evil_url.strip_prefix("http://").expect("a URL");
    for row in ROWS {
        let event = row.connect().map_or("", |connect| connect.event);
        let server = vendor(row, &[event.as_bytes()], false).await;
        let source = row.open(address(&server), "1ms");
        run(row, &source, None, async |observer| {
            observer.up().await;
            for reference in hostile(evil_address) {
                // An error, or an object of the own host with an odd name.
                let _either = soon(source.look_up(&reference)).await;
                assert!(!evil.has_pending_connection(), "{}: {reference:?}", row.kind);
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_source_without_an_api_explains_it() {
    for row in ROWS.iter().filter(|row| row.look_up.is_none()) {
        let source = row.open("127.0.0.1:1", "1ms");
        assert_eq!(source.look_up("a/b").await.expect_err("no API").reason(), "no_look_up", "{}", row.kind);
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let evil = Peer::new().await;
    for status in [301, 302, 303, 307, 308] {
        let redirect = reply(status, &format!("Location: {}\r\n", evil.url("http", "/")), "");
        let server = constant(redirect).await;
        for row in ROWS {
            let source = row.open(address(&server), "1ms");
            run(row, &source, None, async |observer| {
                if row.connect().is_some() {
                    observer.down().await;
                }
                // Without a session there is none of vCenter's look-ups, which use the same client.
                if let Some(look_up) = row.look_up.as_ref().filter(|_| row.kind != "vcenter") {
                    let found = soon(source.look_up(look_up.reference)).await;
                    assert!(found.is_err(), "{}: {status} {found:?}", row.kind);
                }
            })
            .await;
            assert!(!evil.has_pending_connection(), "{}: {status}", row.kind);
        }
    }
}
