//! Against a scripted registry. Sockets are real, so no clock is frozen.

use tokio::join;

use super::*;
use crate::test_support::tls::{PEER_FILE, ServerCertificate, TlsServer};
use crate::websocket::peer::{Peer, soon};

fn ok(body: &Value) -> String {
    answer("200 OK", body)
}

fn answer(status: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn asking(peer: &Peer, rest: &str) -> Dtr {
    dtr(&format!("api = \"{}\"\n{rest}", peer.url("http", "/")))
}

/// The answer, and the first line of each request.
async fn asked(reference: &str, answers: &[String]) -> (Result<Value, Fault>, Vec<String>, Peer) {
    let peer = Peer::new().await;
    let source = asking(&peer, "");
    let script = async {
        let mut lines = Vec::new();
        for answer in answers {
            let head = peer.answer(answer).await;
            lines.push(head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned());
        }
        lines
    };
    let (found, lines) = join!(soon(source.look_up(reference)), script);
    assert!(!peer.has_pending_connection(), "{reference} caused more requests than were answered");
    (found, lines, peer)
}

#[tokio::test]
async fn repositories_and_images_come_with_a_link_to_their_page() {
    let repository = json!({"id": "1", "namespace": "foo", "name": "bar", "visibility": "private", "scanOnPush": true});
    let (found, lines, peer) = asked("foo/bar", &[ok(&repository)]).await;
    let found = found.expect("found");
    assert_eq!(lines, ["GET /api/v0/repositories/foo/bar"]);
    assert_eq!(
        (&found["visibility"], &found["link"]),
        (&json!("private"), &json!(peer.url("http", "/repositories/foo/bar")))
    );

    let tags =
        json!([{"name": "1.0", "digest": "sha256:b5bb", "vuln_summary": {"critical": 1}, "manifest": {"os": "linux"}}]);
    let (found, lines, peer) = asked("foo/bar:1.0", &[ok(&tags)]).await;
    let found = found.expect("found");
    assert_eq!(lines, ["GET /api/v0/repositories/foo/bar/tags/1.0"]);
    assert_eq!((&found["digest"], &found["vuln_summary"]["critical"]), (&json!("sha256:b5bb"), &json!(1)));
    assert_eq!(found["link"], peer.url("http", "/repositories/foo/bar/tags/1.0"));

    let (found, lines, _) = asked("foo/bar:1.0", &[ok(&json!([]))]).await;
    assert_eq!(found, Err(Fault::new("not_found", "the registry does not have it")));
    assert_eq!(lines.len(), 1);
}

#[tokio::test]
async fn credentials_are_sent_in_each_of_their_forms_and_only_to_the_registry() {
    for (keys, wanted) in [
        ("user = \"alice\"\ntoken = { env = \"DTR_TOKEN\" }", "authorization: Basic YWxpY2U6YTFiMmMzZDQtdG9rZW4=\r\n"),
        ("token = { env = \"DTR_TOKEN\" }", "authorization: Bearer a1b2c3d4-token\r\n"),
    ] {
        let peer = Peer::new().await;
        let source = asking(&peer, keys);
        let empty = ok(&json!({}));
        let (found, head) = join!(soon(source.look_up("foo/bar")), peer.answer(&empty));
        assert!(found.is_ok() && head.contains(wanted) && head.contains("accept: application/json\r\n"), "{head}");
        for odd in [
            &peer.url("http", "/api/v0/repositories/foo/bar"),
            "https://evil.example/a/b:1/scan",
            "/scan",
            "",
            "foo/bar:../x/scan",
        ] {
            assert_eq!(soon(source.look_up(odd)).await.map_err(|fault| fault.reason()), Err("no_reference"), "{odd}");
        }
        assert!(!peer.has_pending_connection());
    }
    let fault = dtr("verify = \"none\"").look_up("foo/bar").await.expect_err("no API");
    assert_eq!(fault.to_string(), "nothing can be fetched: `api` of this source is not set");
}

#[tokio::test]
async fn the_newer_path_is_tried_first_and_the_older_one_where_that_is_unknown() {
    let newer = json!([{"scanStatus": 6, "scannedImage": {"namespace": "foo", "repository": "bar", "tag": "1.0",
        "totalVulnCount": {"critical": 1, "major": 2, "minor": 3}}}]);
    let (found, lines, peer) = asked("foo/bar:1.0/scan", &[ok(&newer)]).await;
    assert_eq!(lines, ["GET /api/v0/imagescan/scansummary/repositories/foo/bar/1.0"]);
    let link = peer.url("http", "/repositories/foo/bar/tags/1.0");
    assert_eq!(
        found,
        Ok(
            json!({"namespace": "foo", "repository": "bar", "tag": "1.0", "status": "completed", "critical": 1, "major": 2, "minor": 3,
            "total": 6, "platforms": 1, "link": link})
        )
    );

    let older = json!([{"namespace": "foo", "reponame": "bar", "tag": "1.0", "critical": 1, "major": 11, "minor": 1, "last_scan_status": 4,
        "check_completed_at": "2018-09-05T03:06:03.741Z", "should_rescan": true, "has_foreign_layers": false}]);
    let unknown = answer("404 Not Found", &json!("404 page not found"));
    for (reference, detailed) in [("foo/bar:1.0/scan", "false"), ("foo/bar:1.0/scan/details", "true")] {
        let (found, lines, _) = asked(reference, &[unknown.clone(), ok(&older)]).await;
        let found = found.expect("found");
        assert_eq!(lines[1], format!("GET /api/v0/imagescan/repositories/foo/bar/1.0?detailed={detailed}"));
        assert_eq!(
            (&found["status"], &found["total"], &found["repository"]),
            (&json!("scanned"), &json!(13), &json!("bar"))
        );
        assert_eq!(
            (&found["should_rescan"], &found["completed_at"]),
            (&json!(true), &json!("2018-09-05T03:06:03.741Z"))
        );
    }
}

#[tokio::test]
async fn errors_have_the_status_and_the_registrys_code() {
    let refusal =
        |status: &str, code: &str| answer(status, &json!({"errors": [{"code": code, "message": "no such tag <b>"}]}));
    for (answers, error) in [
        (vec![refusal("404 Not Found", "NO_SUCH_TAG")], "404 NO_SUCH_TAG"),
        (vec![refusal("400 Bad Request", "SCANNING_NOT_ENABLED")], "400 SCANNING_NOT_ENABLED"),
        (vec![refusal("401 Unauthorized", "no code <b>")], "401"),
        (vec![refusal("404 Not Found", "X"), refusal("403 Forbidden", "NOT_AUTHORIZED")], "403 NOT_AUTHORIZED"),
        (vec![answer("503 Service Unavailable", &json!(7))], "503"),
        (vec!["HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_owned()], "302"),
    ] {
        let (found, lines, _) = asked("foo/bar:1.0/scan", &answers).await;
        assert_eq!((found, lines.len()), (Err(Fault::new("status", error)), answers.len()), "{error}");
    }
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>".to_owned();
    assert_eq!(asked("foo/bar:1.0/scan", &[page]).await.0.map_err(|fault| fault.reason()), Err("not_json"));
    for nothing in [json!([]), json!([7]), json!("scanned")] {
        assert_eq!(
            asked("foo/bar:1.0/scan", &[ok(&nothing)]).await.0.map_err(|fault| fault.reason()),
            Err("not_found")
        );
    }
}

#[tokio::test]
async fn a_registry_with_a_private_certificate_is_trusted_if_configured() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    let server = TlsServer::start(ServerCertificate::Peer, &rustls::version::TLS13, answer).await;
    let at = |rest: &str| dtr(&format!("api = \"{}\"\n{rest}", server.url));
    let fault = soon(at("").look_up("foo/bar")).await.expect_err("an unknown certificate");
    assert!(fault.reason() == "tls" && fault.to_string().contains("fingerprint = "), "{fault}");
    assert!(soon(at(&format!("ca_file = \"{PEER_FILE}\"")).look_up("foo/bar")).await.is_ok());
}
