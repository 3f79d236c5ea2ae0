//! Against answers captured from simulators, and against servers that misbehave.

mod captured;
mod errors;
mod events;
mod login;
mod logout;
mod pool;
mod properties;
mod xml;

use std::time::Duration;

use reqwest::Url;

use super::client::{Client, Deadlines};
use super::{Account, ApiError, Reference, Session, SessionPool};
use crate::outbound::{Outbound, Trust};
use crate::secret::Secret;
use crate::stop::Stop;
use crate::test_support::scripted_server::{ReceivedRequest, ScriptedServer, Step, reply};

const PASSWORD: &str = "p4ss<&>word";
const KEY: &str = "52e72df4-k3y";
/// As a real vCenter sets it, with quotes.
const COOKIE: &str = "vmware_soap_session=\"c00k1e0000\"";

/// Longer than any test, and no test waits for it.
const LONG: Deadlines =
    Deadlines { call: Duration::from_secs(20), history: Duration::from_secs(20), logout: Duration::from_secs(20) };

fn account(url: &str) -> Account {
    Account {
        url: Url::parse(&format!("{url}/sdk")).expect("a URL"),
        user: "ops@vsphere.local".to_owned(),
        password: Secret::literal(PASSWORD),
        trust: Trust::System,
    }
}

fn client(url: &str) -> Client {
    client_within(LONG, url)
}

fn client_within(deadlines: Deadlines, url: &str) -> Client {
    let mut client = Client::new(account(url), &Outbound::new());
    client.deadlines = deadlines;
    client
}

async fn log_in(url: &str) -> Result<Session, ApiError> {
    let session = client(url).login(&Stop::new()).await?;
    Ok(session.expect("not stopped"))
}

/// Status 200 with this in its envelope.
fn ok(body: &str) -> Step {
    reply(200, "", &envelope(body))
}

fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope \
         xmlns:soapenc=\"http://schemas.xmlsoap.org/soap/encoding/\" \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n<soapenv:Body>\n{body}\n</soapenv:Body>\n\
         </soapenv:Envelope>"
    )
}

/// A fault as vCenter sends it: status 500, its class inside `<detail>`.
fn faults(class: &str, text: &str, inside: &str) -> Step {
    reply(500, "", &envelope(&fault(class, text, inside)))
}

fn fault(class: &str, text: &str, inside: &str) -> String {
    format!(
        "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{text}</faultstring><detail>\
         <{class}Fault xmlns=\"urn:vim25\" xsi:type=\"{class}\">{inside}</{class}Fault></detail></soapenv:Fault>"
    )
}

/// The first answer of every log-in.
fn versions() -> Step {
    reply(200, "", captured::VERSIONS)
}

fn logged_in() -> Step {
    reply(200, &format!("Set-Cookie: {COOKIE}; Path=/; HttpOnly; Secure;\r\n"), &envelope(captured::LOGIN))
}

/// Answers the log-in, then plays `acts`.
async fn session_with(acts: impl IntoIterator<Item = Step>) -> (ScriptedServer, Session) {
    session_within(LONG, acts).await
}

async fn session_within(deadlines: Deadlines, acts: impl IntoIterator<Item = Step>) -> (ScriptedServer, Session) {
    let script = [versions(), ok(captured::CONTENT), logged_in(), ok(captured::TIME)];
    let server = ScriptedServer::start(script.into_iter().chain(acts).collect::<Vec<_>>()).await;
    let session =
        client_within(deadlines, &server.url).login(&Stop::new()).await.expect("logged in").expect("not stopped");
    (server, session)
}

/// The body of call number `at` after the log-in, without its envelope.
fn sent(server: &ScriptedServer, at: usize) -> String {
    body_of(&server.requests()[4 + at])
}

fn body_of(seen: &ReceivedRequest) -> String {
    let (_, rest) = seen.body.split_once("<soapenv:Body>").expect("an envelope");
    rest.strip_suffix("</soapenv:Body></soapenv:Envelope>").expect("the envelope's end").to_owned()
}

fn collector() -> Reference {
    Reference::new("EventHistoryCollector", format!("session[{KEY}]4d6fb4d0"))
}

/// Holds for every error.
fn shows_no_secret(error: &ApiError) {
    let shown = format!("{error} {error:?} {}", error.fault());
    for secret in [PASSWORD, "p4ss", KEY, "c00k1e0000"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
