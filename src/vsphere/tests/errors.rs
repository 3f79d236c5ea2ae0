//! SOAP faults by class, and what else may come instead of an answer.

use rustls::version::TLS13;

use super::*;
use crate::test_support::tls::{ServerCertificate, TlsServer};

const SHORT: Deadlines = Deadlines { call: Duration::from_millis(300), ..LONG };

async fn error_of(act: Step) -> ApiError {
    let (_stage, session) = session_with([act]).await;
    let error = session.current_time().await.expect_err("no time");
    shows_no_secret(&error);
    error
}

#[tokio::test]
async fn faults_are_told_apart_by_class_and_not_by_text() {
    assert_eq!(
        error_of(faults("NotAuthenticated", "", "<privilegeId>System.View</privilegeId>")).await,
        ApiError::SessionLost
    );
    // A proxy may change the status to 200.
    assert_eq!(error_of(ok(&fault("NotAuthenticated", "", ""))).await, ApiError::SessionLost);

    let deleted = "The object 'vim.event.EventHistoryCollector:session[52e72df4-k3y]526ea470-c' has already been deleted \
                   or has not been completely created";
    let gone = error_of(faults(
        "ManagedObjectNotFound",
        deleted,
        "<obj type=\"EventHistoryCollector\">session[52e72df4-k3y]526ea470-c</obj>",
    ))
    .await;
    assert!(matches!(gone, ApiError::NotFound(_)), "{gone:?}");
    insta::assert_snapshot!(gone, @"vCenter answers CurrentTime with ManagedObjectNotFound: The object 'vim.event.EventHistoryCollector:session[…]526ea470-c' has already been deleted or has not been completely created (obj EventHistoryCollector:session[…]526ea470-c)");

    for (act, name, reason, message) in [
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
        let error = error_of(act).await;
        assert_eq!((error.fault().reason(), error.to_string().as_str()), (reason, message));
        assert!(matches!(&error, ApiError::Server { name: class, .. } if class == name), "{error:?}");
    }
}

#[tokio::test]
async fn a_fault_without_a_class_is_named_by_its_element_or_its_code() {
    for (detail, name) in [
        ("<detail><InvalidRequestFault xmlns=\"urn:vim25\"/></detail>", "InvalidRequest"),
        ("<detail/>", "Client"),
        ("", "Client"),
    ] {
        let body = format!(
            "<soapenv:Fault><faultcode>soapenv:Client</faultcode><faultstring>no</faultstring>{detail}</soapenv:Fault>"
        );
        let error = error_of(reply(500, "", &envelope(&body))).await;
        assert!(matches!(&error, ApiError::Server { name: class, .. } if class == name), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_vcenters_is_a_transport_error() {
    let whole = envelope(captured::TIME);
    let half = whole.get(..whole.len() - 60).expect("text");
    let page = "<html><body>p4ss and 52e72df4-k3y<br></body></html>";
    for (act, reason, message) in [
        (reply(503, "", page), "status_503", "vCenter answers 503: it is starting or its service is down"),
        (reply(502, "", ""), "status_502", "vCenter answers 502: it is starting or its service is down"),
        (reply(500, "", page), "status_5xx", "vCenter answers 500: its service fails"),
        (reply(429, "", page), "status_4xx", "vCenter answers 429: is the address right (https://…/sdk)?"),
        (reply(200, "", half), "garbled", "CurrentTime: the answer's XML is cut off"),
        (reply(200, "", page), "garbled", "CurrentTime: the answer is not valid XML: its tags do not match"),
        (
            reply(200, "", &envelope("<LoginResponse/>")),
            "garbled",
            "not an answer of a vCenter: it does not answer CurrentTime",
        ),
        (reply(200, "", &envelope("")), "garbled", "not an answer of a vCenter: it does not answer CurrentTime"),
        (
            ok("<CurrentTimeResponse><returnval>soon</returnval></CurrentTimeResponse>"),
            "garbled",
            "not an answer of a vCenter: its time is not a time",
        ),
    ] {
        let error = error_of(act).await;
        assert!(matches!(error, ApiError::Transport(_)), "{error:?}");
        assert_eq!((error.fault().reason(), error.to_string().as_str()), (reason, message));
    }
}

#[tokio::test]
async fn a_truncated_body_is_an_error() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n";
    let error = error_of(Step::ReplyAndClose(format!("{head}<soapenv:Envelope>"))).await;
    assert!(matches!(error, ApiError::Transport(_)), "{error:?}");
    assert_eq!(error.fault().reason(), "reset", "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_runs_into_the_deadline() {
    let (_stage, session) = session_within(SHORT, [Step::Stall]).await;
    let error = session.current_time().await.expect_err("no time");
    assert_eq!(error.fault().reason(), "timeout", "{error}");
    let refused = log_in("http://127.0.0.1:1").await.expect_err("no server");
    assert_eq!(refused.fault().reason(), "connect", "{refused}");
}

#[tokio::test]
async fn an_unknown_certificate_is_reported_with_the_key_to_pin_it() {
    let server = TlsServer::start(ServerCertificate::Peer, &TLS13, "").await;
    let error = log_in(&server.url).await.expect_err("unknown");
    assert!(matches!(error, ApiError::Transport(_)), "{error:?}");
    assert_eq!(error.fault().reason(), "tls");
    assert!(error.to_string().contains("pin it: fingerprint = \"37:37:CD:"), "{error}");
}
