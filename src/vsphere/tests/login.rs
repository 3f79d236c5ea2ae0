//! Logging in.

use super::*;
use crate::fault::Fault;
use crate::stop::Stop;

async fn refused(acts: impl IntoIterator<Item = Step>) -> ApiError {
    let server = ScriptedServer::start(acts.into_iter().collect::<Vec<_>>()).await;
    let error = log_in(&server.url).await.expect_err("refused");
    shows_no_secret(&error);
    error
}

fn transport_fault(error: ApiError) -> Fault {
    match error {
        ApiError::Transport(fault) => fault,
        other => panic!("not a transport error: {other:?}"),
    }
}

#[tokio::test]
async fn a_login_is_four_calls_and_the_cookie_goes_back_with_its_quotes() {
    let (server, session) = session_with([ok(captured::TIME)]).await;
    assert_eq!(session.current_time().await.expect("the time").to_string(), "2026-11-20T21:49:17.77878241Z");

    let seen = server.requests();
    assert!(seen[0].head.starts_with("GET /sdk/vimServiceVersions.xml HTTP/1.1\r\n"), "{}", seen[0].head);
    for (at, name) in ["RetrieveServiceContent", "Login", "CurrentTime", "CurrentTime"].into_iter().enumerate() {
        let head = &seen[at + 1].head;
        assert!(body_of(&seen[at + 1]).starts_with(&format!("<{name} xmlns=\"urn:vim25\"><_this ")), "{name}");
        assert!(head.starts_with("POST /sdk HTTP/1.1\r\n"), "{head}");
        for header in ["content-type: text/xml; charset=\"utf-8\"", "soapaction: \"urn:vim25/8.0.2.0\""] {
            assert!(head.lines().any(|line| line == header), "{header} in {head}");
        }
        assert!(
            head.lines().any(|line| line == format!("user-agent: {}", super::super::client::OWN_USER_AGENT)),
            "{head}"
        );
        let cookie = head.lines().find(|line| line.starts_with("cookie"));
        assert_eq!(cookie, (at > 1).then(|| format!("cookie: {COOKIE}")).as_deref(), "{name}");
    }
    assert!(seen.iter().all(|seen| seen.connection == 1), "one connection is enough");
    assert_eq!(
        body_of(&seen[2]),
        "<Login xmlns=\"urn:vim25\"><_this type=\"SessionManager\">SessionManager</_this>\
         <userName>ops@vsphere.local</userName><password>p4ss&lt;&amp;&gt;word</password><locale>en_US</locale></Login>"
    );
    assert_eq!(
        body_of(&seen[1]),
        "<RetrieveServiceContent xmlns=\"urn:vim25\"><_this type=\"ServiceInstance\">ServiceInstance</_this>\
         </RetrieveServiceContent>"
    );
}

#[tokio::test]
async fn a_session_describes_vcenter_and_shows_no_secret() {
    let (server, session) = session_with([]).await;
    assert_eq!(session.about("apiType"), "VirtualCenter");
    assert_eq!((session.about("version"), session.about("build")), ("6.5.0", "5973321"));
    assert_eq!(session.about("instanceUuid"), "dbed6e0c-bd88-4ef6-b594-21283e1c677f");
    assert_eq!(session.service("rootFolder").expect("there").to_string(), "Folder:group-d1");
    assert_eq!(session.key, KEY);
    assert_eq!(format!("{session:?} {:?}", client(&server.url)), "Session(127.0.0.1) Client(127.0.0.1)");
    let shown = format!("{:?}", account(&server.url));
    assert!(!shown.contains(PASSWORD), "{shown}");
}

#[tokio::test]
async fn a_cookie_without_quotes_and_among_others_is_used() {
    let login = "Set-Cookie: other=1\r\nSet-Cookie: vmware_soap_session=e72df474-2341; HttpOnly\r\n";
    let acts = [versions(), ok(captured::CONTENT), reply(200, login, &envelope(captured::LOGIN)), ok(captured::TIME)];
    let server = ScriptedServer::start(acts).await;
    log_in(&server.url).await.expect("logged in");
    let head = &server.requests()[3].head;
    assert!(head.lines().any(|line| line == "cookie: vmware_soap_session=e72df474-2341"), "{head}");
}

#[tokio::test]
async fn the_newest_version_is_used_and_none_below_the_minimum() {
    for (answer, action) in [
        (reply(200, "", captured::VERSIONS), "urn:vim25/8.0.2.0"),
        (reply(200, "", &captured::VERSIONS.replace("8.0.2.0", " 9.0.0.0\n")), "urn:vim25/9.0.0.0"),
        (reply(200, "", &captured::VERSIONS.replace("8.0.2.0", "10.1")), "urn:vim25/10.1"),
        (reply(200, "", &captured::VERSIONS.replace("8.0.2.0", "6.5")), "urn:vim25/6.5"),
        (reply(200, "", &captured::VERSIONS.replace("8.0.2.0", "5.5")), "urn:vim25/6.5"),
        (reply(200, "", &captured::VERSIONS.replace("8.0.2.0", "9&#10;X: y")), "urn:vim25/6.5"),
        (reply(200, "", "<namespaces/>"), "urn:vim25/6.5"),
        (reply(404, "", "<html>no"), "urn:vim25/6.5"),
    ] {
        let server = ScriptedServer::start([answer, ok(captured::CONTENT), logged_in(), ok(captured::TIME)]).await;
        log_in(&server.url).await.expect("logged in");
        let head = &server.requests()[1].head;
        assert!(head.lines().any(|line| line == format!("soapaction: \"{action}\"")), "{action} in {head}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_explained() {
    let wrong = faults("InvalidLogin", "Anmeldung fehlgeschlagen: p4ss&lt;&amp;&gt;word", "");
    let error = refused([versions(), ok(captured::CONTENT), wrong]).await;
    assert!(matches!(error, ApiError::LoginRefused(_)), "{error:?}");
    assert_eq!(error.fault().reason(), "login_refused");
    insta::assert_snapshot!(error, @"vCenter refuses this user name or password (user ops@vsphere.local): check both, and that the name has its domain (name@vsphere.local); a few wrong tries lock the account");
}

#[tokio::test]
async fn a_user_without_a_role_is_told_apart_from_a_wrong_password() {
    let wrong =
        faults("NoPermission", "", "<object type=\"Folder\">group-d1</object><privilegeId>System.View</privilegeId>");
    let error = refused([versions(), ok(captured::CONTENT), wrong]).await;
    assert!(matches!(error, ApiError::LoginRefused(_)), "{error:?}");
    insta::assert_snapshot!(error, @"vCenter knows the user ops@vsphere.local, but the user has no role: Read-only at the root is enough (vCenter answers Login with NoPermission (object Folder:group-d1, privilegeId System.View))");
}

#[tokio::test]
async fn a_vcenter_that_is_starting_is_a_transport_error() {
    let page = "<!DOCTYPE html><html><body>503 Service Unavailable (Failed to connect to endpoint: [N7Vmacore])</body>";
    for acts in [vec![reply(503, "", page)], vec![versions(), reply(503, "", page)]] {
        let fault = transport_fault(refused(acts).await);
        assert_eq!(fault.reason(), "status_503");
        assert_eq!(fault.to_string(), "vCenter answers 503: it is starting or its service is down");
    }
}

#[tokio::test]
async fn a_wrong_address_is_explained() {
    let page = |status, headers| reply(status, headers, "<html><body><p>hello</body></html>");
    for (answers, expected) in [
        (vec![page(404, ""), page(404, "")], "vCenter answers 404: nothing is there; the address must end in /sdk"),
        (
            vec![page(301, "Location: https://vc/sdk\r\n")],
            "vCenter answers 301: it redirects elsewhere; is the address right (https://…/sdk)?",
        ),
        (vec![page(200, "")], "not an answer of a vCenter: the answer is not valid XML: its tags do not match"),
        (
            vec![reply(200, "", "<html/>"), reply(200, "", "<html/>")],
            "not an answer of a vCenter: it does not answer RetrieveServiceContent",
        ),
    ] {
        assert_eq!(transport_fault(refused(answers).await).to_string(), expected);
    }
}

#[tokio::test]
async fn a_login_without_a_cookie_or_a_service_is_no_session() {
    let error = refused([versions(), ok(captured::CONTENT), ok(captured::LOGIN)]).await;
    assert_eq!(transport_fault(error).to_string(), "not an answer of a vCenter: the log-in returns no cookie");
    let nothing = "<RetrieveServiceContentResponse xmlns=\"urn:vim25\"><returnval/></RetrieveServiceContentResponse>";
    let error = refused([versions(), ok(nothing)]).await;
    assert_eq!(
        transport_fault(error).to_string(),
        "not an answer of a vCenter: the service content has no sessionManager"
    );
}

#[tokio::test]
async fn a_session_that_does_not_work_is_logged_out() {
    let dead = faults("NotAuthenticated", "", "");
    let bye = ok("<LogoutResponse xmlns=\"urn:vim25\"></LogoutResponse>");
    let server = ScriptedServer::start([versions(), ok(captured::CONTENT), logged_in(), dead, bye]).await;
    assert_eq!(log_in(&server.url).await.expect_err("dead"), ApiError::SessionLost);
    assert!(body_of(&server.requests()[4]).starts_with("<Logout "));
}

#[tokio::test]
async fn a_stop_during_the_log_in_logs_out_the_session_that_was_made() {
    let bye = || ok("<LogoutResponse xmlns=\"urn:vim25\"></LogoutResponse>");
    for (stalled, acts) in [
        // The session exists, and the next call gets no answer.
        (4, vec![versions(), ok(captured::CONTENT), logged_in(), Step::Stall, bye()]),
        // There is no session yet.
        (2, vec![versions(), Step::Stall]),
    ] {
        let (server, stop) = (ScriptedServer::start(acts).await, Stop::new());
        let client = client(&server.url);
        let (session, ()) = tokio::join!(client.login(&stop), async {
            server.wait_for(stalled).await;
            stop.trigger();
        });
        assert!(matches!(session, Ok(None)), "{session:?}");
        let bodies: Vec<_> = server.requests().into_iter().skip(stalled).map(|seen| body_of(&seen)).collect();
        assert!(bodies.iter().all(|body| body.starts_with("<Logout ")), "{bodies:?}");
        assert_eq!(bodies.len(), usize::from(stalled == 4));
    }
}
