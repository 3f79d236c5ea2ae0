//! Real sockets and clocks; every wait is for something that happens.

use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};

use super::request::LONGEST_ACKNOWLEDGEMENT;
use super::{Outbound, Reply, Request, SecretUrl, Timeouts};
use crate::fault::Fault;
use crate::message::SendError;
use crate::test_support::scripted_server::{ScriptedServer, Step, reply};

/// Long enough for a reply from this machine, short enough to wait for.
const BRIEF: Timeouts = Timeouts { connect: Duration::from_millis(300), total: Duration::from_millis(300) };

fn to(server: &ScriptedServer) -> SecretUrl {
    SecretUrl::parse(&format!("{}/services/T0/B0/s3cr3t-t0ken", server.url)).expect("a URL").redacting("s3cr3t-t0ken")
}

async fn post(server: &ScriptedServer) -> Result<Reply, SendError> {
    Outbound::new().deliver(Request::post(&to(server), b"{}".to_vec())).await
}

fn later(result: Result<Reply, SendError>) -> (bool, Fault) {
    match result {
        Err(SendError::Later { wait: None, lane, cause, .. }) => {
            let shown = format!("{cause} {cause:?}");
            assert!(!shown.contains("s3cr3t") && !shown.contains("services"), "{shown}");
            (lane, cause)
        }
        other => panic!("not later: {other:?}"),
    }
}

#[tokio::test]
async fn a_post_is_plain_json_and_its_connection_is_used_again() {
    let server = ScriptedServer::start([reply(200, "", "ok"), reply(500, "", "oh\r\nno"), reply(200, "", "")]).await;
    let net = Outbound::new();
    for (status, body) in [(200, "ok"), (500, "oh\r\nno"), (200, "")] {
        let reply = net.deliver(Request::post(&to(&server), br#"{"text":"x"}"#.to_vec())).await.expect("a reply");
        assert_eq!((reply.status, reply.body.as_slice()), (status, body.as_bytes()));
    }
    assert_eq!(server.requests().iter().map(|seen| seen.connection).collect::<Vec<_>>(), [1, 1, 1]);
    let mut lines: Vec<_> =
        server.requests()[0].head.lines().filter(|line| !line.starts_with("host")).map(str::to_owned).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "POST /services/T0/B0/s3cr3t-t0ken HTTP/1.1",
            "accept: */*",
            "content-length: 12",
            "content-type: application/json; charset=utf-8",
            concat!("user-agent: tidings/", env!("CARGO_PKG_VERSION")),
        ]
    );
}

#[tokio::test]
async fn a_redirect_is_a_reply_and_is_not_followed() {
    let elsewhere = ScriptedServer::start([]).await;
    for status in [301, 302, 303, 307, 308] {
        let there = reply(status, &format!("Location: {}/\r\n", elsewhere.url), "");
        let server = ScriptedServer::start([there.clone(), there]).await;
        let verdict = post(&server).await.expect("a reply").verdict(|_| None);
        assert!(matches!(verdict, Err(SendError::NeverDestination(_))), "{status}");
        let net = Outbound::new();
        let looked_up = net.send(Request::get(to(&server).url().clone())).await;
        assert_eq!(looked_up.expect("a reply").status, status);
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn retry_after_is_read_in_seconds_and_as_a_date() {
    let date = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(600);
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT");
    let server = ScriptedServer::start([
        reply(429, "Retry-After: 7\r\n", ""),
        reply(503, &format!("Retry-After: {date}\r\n"), ""),
        reply(429, "Retry-After: \u{1}\r\n", ""),
    ])
    .await;
    assert_eq!(post(&server).await.expect("a reply").retry_after(), Some(Duration::from_secs(7)));
    let wait = post(&server).await.expect("a reply").retry_after().expect("a date");
    assert!((500..=600).contains(&wait.as_secs()), "{wait:?}");
}

#[tokio::test]
async fn an_endless_body_is_cut_and_its_connection_closed() {
    let head = "HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let server = ScriptedServer::start([Step::Endless(head, chunk), reply(200, "", "ok")]).await;
    let net = Outbound::new();
    let endless = net.deliver(Request::post(&to(&server), Vec::new())).await.expect("a reply");
    assert_eq!(endless.body.len(), LONGEST_ACKNOWLEDGEMENT);
    assert_eq!(endless.cause().to_string().chars().count(), "status 500: ".len() + 200);
    net.deliver(Request::post(&to(&server), Vec::new())).await.expect("a reply");
    assert_eq!(server.requests()[1].connection, 2);
}

#[tokio::test]
async fn endless_headers_are_no_reply() {
    for again in ["X-More: y\r\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        let server = ScriptedServer::start([Step::Endless("HTTP/1.1 200 OK\r\n".to_owned(), again.repeat(100))]).await;
        let (lane, fault) = later(post(&server).await);
        assert_eq!((lane, fault.reason()), (false, "garbled"), "{fault}");
    }
}

#[tokio::test]
async fn a_timeout_holds_the_lane() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_owned();
    for act in [Step::Stall, Step::ReplyAndStall("HTTP/1.1 200".into()), Step::ReplyAndStall(head.into())] {
        let server = ScriptedServer::start([act]).await;
        let result = Outbound::with_timeouts(BRIEF).deliver(Request::post(&to(&server), Vec::new())).await;
        let (lane, fault) = later(result);
        assert_eq!((lane, fault.reason()), (true, "timeout"), "{fault}");
    }
}

#[tokio::test]
async fn a_broken_connection_holds_its_own_message_only() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_owned();
    for act in [Step::Reset, Step::ResetBeforeRead, Step::ReplyAndClose(String::new()), Step::ReplyAndClose(half)] {
        let server = ScriptedServer::start([act.clone()]).await;
        let (lane, fault) = later(post(&server).await);
        assert_eq!((lane, fault.reason()), (false, "reset"), "{act:?}: {fault}");
    }
}

#[tokio::test]
async fn a_reply_that_is_not_http_is_garbled() {
    let server = ScriptedServer::start([Step::ReplyAndClose("220 mail.example ESMTP\r\n\r\n".to_owned())]).await;
    let (lane, fault) = later(post(&server).await);
    assert_eq!((lane, fault.reason()), (false, "garbled"), "{fault}");
}

#[tokio::test]
async fn a_refused_connection_holds_the_lane() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let closed = SecretUrl::parse(&format!("http://{address}/services/s3cr3t-t0ken")).expect("a URL");
    let (lane, fault) = later(Outbound::new().deliver(Request::post(&closed, Vec::new())).await);
    assert_eq!((lane, fault.reason()), (true, "connect"), "{fault}");
    insta::assert_snapshot!(fault, @"no connection: Connection refused (os error 111)");
}

#[tokio::test]
async fn a_server_without_tls_is_a_tls_failure() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}/s3cr3t-t0ken", listener.local_addr().expect("an address"));
    let answer = async {
        let (mut stream, _) = listener.accept().await.expect("a client");
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("written");
        stream
    };
    let net = Outbound::new();
    let secret = SecretUrl::parse(&url).expect("a URL");
    let (result, _stream) = tokio::join!(net.deliver(Request::post(&secret, Vec::new())), answer);
    let (lane, fault) = later(result);
    assert_eq!((lane, fault.reason()), (true, "tls"), "{fault}");
}

#[tokio::test]
async fn a_request_has_its_own_timeout_and_its_own_limit() {
    let json = reply(200, "", r#"{"name":"web"}"#);
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let server = ScriptedServer::start([json, reply(504, "", ""), Step::Endless(head, chunk), Step::Stall]).await;
    let net = Outbound::new();
    let url = to(&server).url().clone();
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let enough = Duration::from_secs(20);
    let get = |timeout| net.send(Request::get(url.clone()).headers(headers.clone()).timeout(timeout));
    let found = get(enough).await.expect("a reply");
    assert_eq!((found.status, found.body.as_slice()), (200, &br#"{"name":"web"}"#[..]));
    assert!(server.only_request().head.contains("accept: application/json"));
    assert_eq!(get(enough).await.expect("a reply").status, 504);
    assert_eq!(get(enough).await.expect_err("too large").reason(), "too_large");
    let late = get(Duration::from_millis(100)).await.expect_err("too late");
    assert_eq!(late.reason(), "timeout");
    assert!(!format!("{late:?}").contains("s3cr3t"));
    server.wait_for(4).await;
}

#[tokio::test]
async fn a_name_without_an_address_holds_the_lane() {
    let nowhere = SecretUrl::parse("http://nowhere.invalid./s3cr3t-t0ken").expect("a URL");
    let (lane, fault) = later(Outbound::new().deliver(Request::post(&nowhere, Vec::new())).await);
    assert!(lane, "{fault}");
}

#[test]
fn tls_is_made_once() {
    let net = Outbound::new();
    if let (Ok(one), Ok(other)) = (net.tls(), net.clone().tls()) {
        assert!(std::sync::Arc::ptr_eq(&one, &other));
        assert!(one.alpn_protocols.is_empty(), "WebSockets cannot speak HTTP/2");
    }
}
