//! Faults by their class, and whatever else may come instead of an answer.

use rustls::version::TLS13;

use super::*;
use crate::test_support::tls::{ServerCertificate, TlsServer};

const BRIEF: Deadlines = Deadlines { call: Duration::from_millis(300), ..PATIENT };

async fn trouble(act: Step) -> Trouble {
    let (_server, session) = entered([act]).await;
    let trouble = session.current_time().await.expect_err("no time");
    shows_no_secret(&trouble);
    trouble
}

#[tokio::test]
async fn faults_are_told_apart_by_class_and_not_by_words() {
    assert_eq!(
        trouble(faults("NotAuthenticated", "", "<privilegeId>System.View</privilegeId>")).await,
        Trouble::LoggedOut
    );
    // A proxy may make a 200 of it.
    assert_eq!(trouble(says(&fault("NotAuthenticated", "", ""))).await, Trouble::LoggedOut);

    let deleted = "The object 'vim.event.EventHistoryCollector:session[52e72df4-k3y]526ea470-c' has already been deleted \
                   or has not been completely created";
    let gone = trouble(faults(
        "ManagedObjectNotFound",
        deleted,
        "<obj type=\"EventHistoryCollector\">session[52e72df4-k3y]526ea470-c</obj>",
    ))
    .await;
    assert!(matches!(gone, Trouble::Gone(_)), "{gone:?}");
    insta::assert_snapshot!(gone, @"vCenter answers CurrentTime with ManagedObjectNotFound: The object 'vim.event.EventHistoryCollector:session[…]526ea470-c' has already been deleted or has not been completely created (obj EventHistoryCollector:session[…]526ea470-c)");

    for (act, name, reason, words) in [
        (
            faults("InvalidState", "NotAuthenticated: Too many event collectors to create", ""),
            "InvalidState",
            "invalid_state",
            "vCenter answers CurrentTime with InvalidState: NotAuthenticated: Too many event collectors to create",
        ),
        (
            faults("InvalidArgument", "", "<invalidProperty>maxCount</invalidProperty>"),
            "InvalidArgument",
            "invalid_argument",
            "vCenter answers CurrentTime with InvalidArgument (invalidProperty maxCount)",
        ),
        (
            faults(
                "NoPermission",
                "p4ss&lt;&amp;&gt;word\u{1b}[31m c00k1e0000 52e72df4-k3y",
                "<object type=\"Folder\">group-d1</object><privilegeId>System.Read</privilegeId>",
            ),
            "NoPermission",
            "no_permission",
            "vCenter answers CurrentTime with NoPermission: …\u{fffd}[31m … … (object Folder:group-d1, privilegeId System.Read)",
        ),
        (
            faults("ShinyNewFault", "", ""),
            "ShinyNewFault",
            "soap_fault",
            "vCenter answers CurrentTime with ShinyNewFault",
        ),
    ] {
        let trouble = trouble(act).await;
        assert_eq!((trouble.fault().reason(), trouble.to_string().as_str()), (reason, words));
        assert!(matches!(&trouble, Trouble::Server { name: said, .. } if said == name), "{trouble:?}");
    }
}

#[tokio::test]
async fn a_fault_without_a_class_has_the_name_of_its_element_or_its_code() {
    for (detail, name) in [
        ("<detail><InvalidRequestFault xmlns=\"urn:vim25\"/></detail>", "InvalidRequest"),
        ("<detail/>", "Client"),
        ("", "Client"),
    ] {
        let body = format!(
            "<soapenv:Fault><faultcode>soapenv:Client</faultcode><faultstring>no</faultstring>{detail}</soapenv:Fault>"
        );
        let trouble = trouble(reply(500, "", &envelope(&body))).await;
        assert!(matches!(&trouble, Trouble::Server { name: said, .. } if said == name), "{trouble:?}");
    }
}

#[tokio::test]
async fn what_is_not_vcenters_answer_is_the_roads_trouble() {
    let whole = envelope(captured::TIME);
    let half = whole.get(..whole.len() - 60).expect("text");
    let page = "<html><body>p4ss and 52e72df4-k3y<br></body></html>";
    for (act, reason, words) in [
        (reply(503, "", page), "status_503", "vCenter answers 503: it is starting or its service is down"),
        (reply(502, "", ""), "status_502", "vCenter answers 502: it is starting or its service is down"),
        (reply(500, "", page), "status_5xx", "vCenter answers 500: its service is in trouble"),
        (reply(429, "", page), "status_4xx", "vCenter answers 429: is the address right (https://…/sdk)?"),
        (reply(200, "", half), "garbled", "CurrentTime: the answer's XML is cut off"),
        (reply(200, "", page), "garbled", "CurrentTime: the answer is no XML that can be read: its tags do not match"),
        (
            reply(200, "", &envelope("<LoginResponse/>")),
            "garbled",
            "this is no answer of a vCenter: CurrentTime has another one",
        ),
        (reply(200, "", &envelope("")), "garbled", "this is no answer of a vCenter: CurrentTime has another one"),
        (
            says("<CurrentTimeResponse><returnval>soon</returnval></CurrentTimeResponse>"),
            "garbled",
            "this is no answer of a vCenter: its time is none",
        ),
    ] {
        let trouble = trouble(act).await;
        assert!(matches!(trouble, Trouble::Road(_)), "{trouble:?}");
        assert_eq!((trouble.fault().reason(), trouble.to_string().as_str()), (reason, words));
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_answer() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n";
    let trouble = trouble(Step::ReplyAndClose(format!("{head}<soapenv:Envelope>"))).await;
    assert!(matches!(trouble, Trouble::Road(_)), "{trouble:?}");
    assert_eq!(trouble.fault().reason(), "reset", "{trouble}");
}

#[tokio::test]
async fn whoever_does_not_answer_is_not_waited_for() {
    let (_server, session) = entered_with(BRIEF, [Step::Stall]).await;
    let trouble = session.current_time().await.expect_err("no time");
    assert_eq!(trouble.fault().reason(), "timeout", "{trouble}");
    let nobody = client("http://127.0.0.1:1").login().await.expect_err("nobody");
    assert_eq!(nobody.fault().reason(), "connect", "{nobody}");
}

#[tokio::test]
async fn an_unknown_certificate_is_named_with_the_way_to_pin_it() {
    let server = TlsServer::start(ServerCertificate::Peer, &TLS13, "").await;
    let trouble = client(&server.url).login().await.expect_err("unknown");
    assert!(matches!(trouble, Trouble::Road(_)), "{trouble:?}");
    assert_eq!(trouble.fault().reason(), "tls");
    assert!(trouble.to_string().contains("pin it: fingerprint = \"37:37:CD:"), "{trouble}");
}
