//! Against answers as a simulator and a real vCenter gave them, and against peers that misbehave.

mod captured;
mod events;
mod login;
mod logout;
mod properties;
mod reader;
mod road;

use std::time::Duration;

use reqwest::Url;

use super::client::Deadlines;
use super::{Account, Client, Reference, Session, Trouble};
use crate::outbound::{Outbound, Trust};
use crate::secret::Secret;
use crate::test_support::scripted_server::{ReceivedRequest, ScriptedServer, Step, reply};

const PASSWORD: &str = "p4ss<&>word";
const KEY: &str = "52e72df4-k3y";
/// As a real one sets it, quotes and all.
const COOKIE: &str = "vmware_soap_session=\"c00k1e0000\"";

/// No test lasts so long, and none waits for it.
const PATIENT: Deadlines = Deadlines {
    call: Duration::from_secs(20),
    history: Duration::from_secs(20),
    slack: Duration::from_secs(20),
    goodbye: Duration::from_secs(20),
};

fn account(url: &str) -> Account {
    Account {
        url: Url::parse(&format!("{url}/sdk")).expect("a URL"),
        user: "ops@vsphere.local".to_owned(),
        password: Secret::literal(PASSWORD),
        trust: Trust::System,
    }
}

fn client(url: &str) -> Client {
    Client::with_deadlines(account(url), &Outbound::new(), PATIENT)
}

/// A 200 with this in its envelope.
fn says(body: &str) -> Step {
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

/// A fault as vCenter gives it: 500, and its class inside `<detail>`.
fn faults(class: &str, said: &str, inside: &str) -> Step {
    reply(500, "", &envelope(&fault(class, said, inside)))
}

fn fault(class: &str, said: &str, inside: &str) -> String {
    format!(
        "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>{said}</faultstring><detail>\
         <{class}Fault xmlns=\"urn:vim25\" xsi:type=\"{class}\">{inside}</{class}Fault></detail></soapenv:Fault>"
    )
}

/// What every login begins with.
fn versions() -> Step {
    reply(200, "", captured::VERSIONS)
}

fn logged_in() -> Step {
    reply(200, &format!("Set-Cookie: {COOKIE}; Path=/; HttpOnly; Secure;\r\n"), &envelope(captured::LOGIN))
}

/// The whole login, and then `acts`.
async fn entered(acts: impl IntoIterator<Item = Step>) -> (ScriptedServer, Session) {
    entered_with(PATIENT, acts).await
}

async fn entered_with(deadlines: Deadlines, acts: impl IntoIterator<Item = Step>) -> (ScriptedServer, Session) {
    let script = [versions(), says(captured::CONTENT), logged_in(), says(captured::TIME)];
    let server = ScriptedServer::start(script.into_iter().chain(acts).collect::<Vec<_>>()).await;
    let client = Client::with_deadlines(account(&server.url), &Outbound::new(), deadlines);
    let session = client.login().await.expect("let in");
    (server, session)
}

/// The body of the call that came after the login as number `at`, without its envelope.
fn said(server: &ScriptedServer, at: usize) -> String {
    body_of(&server.requests()[4 + at])
}

fn body_of(seen: &ReceivedRequest) -> String {
    let (_, rest) = seen.body.split_once("<soapenv:Body>").expect("an envelope");
    rest.strip_suffix("</soapenv:Body></soapenv:Envelope>").expect("its end").to_owned()
}

fn collector() -> Reference {
    Reference::new("EventHistoryCollector", format!("session[{KEY}]4d6fb4d0"))
}

/// What every trouble must hold to, however it came about.
fn shows_no_secret(trouble: &Trouble) {
    let shown = format!("{trouble} {trouble:?} {}", trouble.fault());
    for secret in [PASSWORD, "p4ss", KEY, "c00k1e0000"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
