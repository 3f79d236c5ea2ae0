//! Going in.

use super::*;
use crate::fault::Fault;
use crate::stop::Stop;

async fn refused(acts: impl IntoIterator<Item = Step>) -> Trouble {
    let server = ScriptedServer::start(acts.into_iter().collect::<Vec<_>>()).await;
    let trouble = client(&server.url).login().await.expect_err("not let in");
    shows_no_secret(&trouble);
    trouble
}

fn road(trouble: Trouble) -> Fault {
    match trouble {
        Trouble::Road(fault) => fault,
        other => panic!("not the road: {other:?}"),
    }
}

#[tokio::test]
async fn a_login_is_four_calls_and_the_cookie_goes_back_with_its_quotes() {
    let (server, session) = entered([says(captured::TIME)]).await;
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
        assert!(head.lines().any(|line| line == format!("user-agent: {}", super::super::user_agent())), "{head}");
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
async fn a_session_knows_where_it_is_and_shows_nothing_else() {
    let (server, session) = entered([]).await;
    assert_eq!(session.about().api_type, "VirtualCenter");
    assert_eq!((session.about().version.as_str(), session.about().build.as_str()), ("6.5.0", "5973321"));
    assert_eq!(session.about().instance_uuid, "dbed6e0c-bd88-4ef6-b594-21283e1c677f");
    assert_eq!(session.root_folder().to_string(), "Folder:group-d1");
    assert_eq!(session.session_key(), KEY);
    assert_eq!(session.time_at_login().to_string(), "2026-11-20T21:49:17.77878241Z");
    assert_eq!(format!("{session:?} {:?}", client(&server.url)), "Session(127.0.0.1) Client(127.0.0.1)");
    let shown = format!("{:?}", account(&server.url));
    assert!(!shown.contains(PASSWORD), "{shown}");
}

#[tokio::test]
async fn a_cookie_without_quotes_and_among_others_is_kept_as_well() {
    let login = "Set-Cookie: other=1\r\nSet-Cookie: vmware_soap_session=e72df474-2341; HttpOnly\r\n";
    let acts =
        [versions(), says(captured::CONTENT), reply(200, login, &envelope(captured::LOGIN)), says(captured::TIME)];
    let server = ScriptedServer::start(acts).await;
    client(&server.url).login().await.expect("let in");
    let head = &server.requests()[3].head;
    assert!(head.lines().any(|line| line == "cookie: vmware_soap_session=e72df474-2341"), "{head}");
}

#[tokio::test]
async fn the_newest_version_is_asked_for_and_never_one_below_the_floor() {
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
        let server = ScriptedServer::start([answer, says(captured::CONTENT), logged_in(), says(captured::TIME)]).await;
        client(&server.url).login().await.expect("let in");
        let head = &server.requests()[1].head;
        assert!(head.lines().any(|line| line == format!("soapaction: \"{action}\"")), "{action} in {head}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_said_in_plain_words() {
    let wrong = faults("InvalidLogin", "Anmeldung fehlgeschlagen: p4ss&lt;&amp;&gt;word", "");
    let trouble = refused([versions(), says(captured::CONTENT), wrong]).await;
    assert!(matches!(trouble, Trouble::Refused(_)), "{trouble:?}");
    assert_eq!(trouble.fault().reason(), "login_refused");
    insta::assert_snapshot!(trouble, @"vCenter refuses this user name or password (user ops@vsphere.local): check both, and that the name has its domain (name@vsphere.local); a few wrong tries lock the account");
}

#[tokio::test]
async fn a_user_without_a_role_is_told_from_a_wrong_password() {
    let wrong =
        faults("NoPermission", "", "<object type=\"Folder\">group-d1</object><privilegeId>System.View</privilegeId>");
    let trouble = refused([versions(), says(captured::CONTENT), wrong]).await;
    assert!(matches!(trouble, Trouble::Refused(_)), "{trouble:?}");
    insta::assert_snapshot!(trouble, @"vCenter knows the user ops@vsphere.local but gives it no role: Read-only at the root is enough (vCenter answers Login with NoPermission (object Folder:group-d1, privilegeId System.View))");
}

#[tokio::test]
async fn a_vcenter_that_starts_is_the_roads_trouble() {
    let page = "<!DOCTYPE html><html><body>503 Service Unavailable (Failed to connect to endpoint: [N7Vmacore])</body>";
    for acts in [vec![reply(503, "", page)], vec![versions(), reply(503, "", page)]] {
        let fault = road(refused(acts).await);
        assert_eq!(fault.reason(), "status_503");
        assert_eq!(fault.to_string(), "vCenter answers 503: it is starting or its service is down");
    }
}

#[tokio::test]
async fn a_wrong_address_is_said_in_plain_words() {
    let page = |status, headers| reply(status, headers, "<html><body><p>hello</body></html>");
    for (answers, said) in [
        (vec![page(404, ""), page(404, "")], "vCenter answers 404: nothing is there; the address must end in /sdk"),
        (
            vec![page(301, "Location: https://vc/sdk\r\n")],
            "vCenter answers 301: and points elsewhere; is the address right (https://…/sdk)?",
        ),
        (
            vec![page(200, "")],
            "this is no answer of a vCenter: the answer is no XML that can be read: its tags do not match",
        ),
        (
            vec![reply(200, "", "<html/>"), reply(200, "", "<html/>")],
            "this is no answer of a vCenter: RetrieveServiceContent has another one",
        ),
    ] {
        assert_eq!(road(refused(answers).await).to_string(), said);
    }
}

#[tokio::test]
async fn a_login_without_a_cookie_or_a_service_is_no_session() {
    let trouble = refused([versions(), says(captured::CONTENT), says(captured::LOGIN)]).await;
    assert_eq!(road(trouble).to_string(), "this is no answer of a vCenter: the login gives no cookie");
    let nothing = "<RetrieveServiceContentResponse xmlns=\"urn:vim25\"><returnval/></RetrieveServiceContentResponse>";
    let trouble = refused([versions(), says(nothing)]).await;
    assert_eq!(road(trouble).to_string(), "this is no answer of a vCenter: its content has no sessionManager");
}

#[tokio::test]
async fn a_session_that_cannot_be_used_is_left_again() {
    let dead = faults("NotAuthenticated", "", "");
    let bye = says("<LogoutResponse xmlns=\"urn:vim25\"></LogoutResponse>");
    let server = ScriptedServer::start([versions(), says(captured::CONTENT), logged_in(), dead, bye]).await;
    assert_eq!(client(&server.url).login().await.expect_err("dead"), Trouble::LoggedOut);
    assert!(body_of(&server.requests()[4]).starts_with("<Logout "));
}

#[tokio::test]
async fn a_stop_in_the_middle_leaves_the_session_that_was_made() {
    let bye = || says("<LogoutResponse xmlns=\"urn:vim25\"></LogoutResponse>");
    for (stalled, acts) in [
        // The session is there, and nothing more is heard.
        (4, vec![versions(), says(captured::CONTENT), logged_in(), Step::Stall, bye()]),
        // Nobody is logged in yet: there is nothing to leave.
        (2, vec![versions(), Step::Stall]),
    ] {
        let (server, stop) = (ScriptedServer::start(acts).await, Stop::new());
        let client = client(&server.url);
        let (session, ()) = tokio::join!(client.login_unless(&stop), async {
            server.wait_for(stalled).await;
            stop.trigger();
        });
        assert!(matches!(session, Ok(None)), "{session:?}");
        let bodies: Vec<_> = server.requests().into_iter().skip(stalled).map(|seen| body_of(&seen)).collect();
        assert!(bodies.iter().all(|body| body.starts_with("<Logout ")), "{bodies:?}");
        assert_eq!(bodies.len(), usize::from(stalled == 4));
    }
}
