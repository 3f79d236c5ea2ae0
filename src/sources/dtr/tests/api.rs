//! Against a scripted registry. Sockets are real, so no clock is frozen.

use super::*;
use crate::test_support::scripted_server::{ReceivedRequest, ScriptedServer, Step, reply};
use crate::test_support::tls::{PEER_FILE, ServerCertificate, TlsServer};
use crate::websocket::peer::soon;

fn ok(body: &Value) -> Step {
    answer(200, body)
}

fn answer(status: u16, body: &Value) -> Step {
    reply(status, "Content-Type: application/json\r\n", &body.to_string())
}

fn asking(server: &ScriptedServer, rest: &str) -> Dtr {
    dtr(&format!("api = \"{}/\"\n{rest}", server.url))
}

/// The answer, and the first line of each request. A request without an answer is a panic.
async fn asked(reference: &str, answers: &[Step]) -> (Result<Value, Fault>, Vec<String>, ScriptedServer) {
    let server = ScriptedServer::start(answers.to_vec()).await;
    let found = soon(asking(&server, "").look_up(reference)).await;
    let line = |request: ReceivedRequest| {
        request.head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned()
    };
    let lines = server.requests().into_iter().map(line).collect();
    (found, lines, server)
}

#[tokio::test]
async fn repositories_and_images_come_with_a_link_to_their_page() {
    let repository = json!({"id": "1", "namespace": "foo", "name": "bar", "visibility": "private", "scanOnPush": true});
    let (found, lines, server) = asked("foo/bar", &[ok(&repository)]).await;
    let found = found.expect("found");
    assert_eq!(lines, ["GET /api/v0/repositories/foo/bar"]);
    assert_eq!(
        (&found["visibility"], &found["link"]),
        (&json!("private"), &json!(format!("{}/repositories/foo/bar", server.url)))
    );

    let tags =
        json!([{"name": "1.0", "digest": "sha256:b5bb", "vuln_summary": {"critical": 1}, "manifest": {"os": "linux"}}]);
    let (found, lines, server) = asked("foo/bar:1.0", &[ok(&tags)]).await;
    let found = found.expect("found");
    assert_eq!(lines, ["GET /api/v0/repositories/foo/bar/tags/1.0"]);
    assert_eq!((&found["digest"], &found["vuln_summary"]["critical"]), (&json!("sha256:b5bb"), &json!(1)));
    assert_eq!(found["link"], format!("{}/repositories/foo/bar/tags/1.0", server.url));

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
        let server = ScriptedServer::start([ok(&json!({}))]).await;
        let source = asking(&server, keys);
        let found = soon(source.look_up("foo/bar")).await;
        let head = server.only_request().head + "\r\n";
        assert!(found.is_ok() && head.contains(wanted) && head.contains("accept: application/json\r\n"), "{head}");
        for odd in [
            &format!("{}/api/v0/repositories/foo/bar", server.url),
            "https://evil.example/a/b:1/scan",
            "/scan",
            "",
            "foo/bar:../x/scan",
        ] {
            assert_eq!(soon(source.look_up(odd)).await.map_err(|fault| fault.reason()), Err("no_reference"), "{odd}");
        }
        assert_eq!(server.requests().len(), 1);
    }
    let fault = dtr("verify = \"none\"").look_up("foo/bar").await.expect_err("no API");
    assert_eq!(fault.to_string(), "nothing can be fetched: `api` of this source is not set");
}

#[tokio::test]
async fn the_newer_path_is_tried_first_and_the_older_one_where_that_is_unknown() {
    let newer = json!([{"scanStatus": 6, "scannedImage": {"namespace": "foo", "repository": "bar", "tag": "1.0",
        "totalVulnCount": {"critical": 1, "major": 2, "minor": 3}}}]);
    let (found, lines, server) = asked("foo/bar:1.0/scan", &[ok(&newer)]).await;
    assert_eq!(lines, ["GET /api/v0/imagescan/scansummary/repositories/foo/bar/1.0"]);
    let link = format!("{}/repositories/foo/bar/tags/1.0", server.url);
    assert_eq!(
        found,
        Ok(
            json!({"namespace": "foo", "repository": "bar", "tag": "1.0", "status": "completed", "critical": 1, "major": 2, "minor": 3,
            "total": 6, "platforms": 1, "link": link})
        )
    );

    let older = json!([{"namespace": "foo", "reponame": "bar", "tag": "1.0", "critical": 1, "major": 11, "minor": 1, "last_scan_status": 4,
        "check_completed_at": "2018-09-05T03:06:03.741Z", "should_rescan": true, "has_foreign_layers": false}]);
    let unknown = answer(404, &json!("404 page not found"));
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
        |status: u16, code: &str| answer(status, &json!({"errors": [{"code": code, "message": "no such tag <b>"}]}));
    for (answers, error) in [
        (vec![refusal(404, "NO_SUCH_TAG")], "404 NO_SUCH_TAG"),
        (vec![refusal(400, "SCANNING_NOT_ENABLED")], "400 SCANNING_NOT_ENABLED"),
        (vec![refusal(401, "no code <b>")], "401"),
        (vec![refusal(404, "X"), refusal(403, "NOT_AUTHORIZED")], "403 NOT_AUTHORIZED"),
        (vec![answer(503, &json!(7))], "503"),
        (vec![reply(302, "Location: http://127.0.0.1:1/\r\n", "")], "302"),
    ] {
        let (found, lines, _) = asked("foo/bar:1.0/scan", &answers).await;
        assert_eq!((found, lines.len()), (Err(Fault::new("status", error)), answers.len()), "{error}");
    }
    let page = reply(200, "", "<html>");
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
