//! Answers HTTP requests: checks them, applies the script, and passes calls to the session.

use std::sync::Mutex;

use tokio::sync::watch;

use super::failure::failing_answer;
use super::http::{Answer, Request, whole};
use super::soap::{self, Node, fault, response};
use super::state::{SoapFault, State, fail};
use super::{Failure, PASSWORD, USER, http};

const COOKIE: &str = "vmware_soap_session";
const VERSIONS: [&str; 4] = ["8.0.3.0", "8.0.2.0", "7.0.3.0", "6.5"];

pub(super) struct Server {
    state: Mutex<State>,
    /// Changes whenever the state may have changed.
    changes: watch::Sender<u64>,
}

impl Server {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State::new()), changes: watch::Sender::new(0) }
    }

    pub(super) fn look<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.lock().expect("unpoisoned"))
    }

    /// Changes the state and wakes the waiting calls.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = self.hold(change);
        self.changes.send_modify(|count| *count += 1);
        changed
    }

    /// The same without waking them.
    pub(super) fn hold<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().expect("unpoisoned"))
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) async fn answer(&self, request: Request) -> Answer {
        if (request.method.as_str(), request.path.as_str()) == ("GET", "/sdk/vimServiceVersions.xml") {
            self.change(|state| *state.calls.entry("vimServiceVersions.xml".to_owned()).or_default() += 1);
            let failure = self.hold(|state| state.next_failure("vimServiceVersions.xml"));
            return failure.map_or_else(|| whole(200, versions()), |failure| failing_answer(failure, "", versions()));
        }
        match Self::call_in(&request) {
            Ok(call) => self.answer_call(&request, &call).await,
            Err(violation) => {
                self.change(|state| state.violations.push(violation.clone()));
                whole(500, fault("InvalidRequest", &violation, ""))
            }
        }
    }

    /// The call of a request that keeps all rules.
    fn call_in(request: &Request) -> Result<Node, String> {
        if (request.method.as_str(), request.path.as_str()) != ("POST", "/sdk") {
            return Err(format!("{} {}", request.method, request.path));
        }
        let header = |name| request.header(name).unwrap_or_default();
        if !header("content-type").starts_with("text/xml") {
            return Err(format!("Content-Type: {}", header("content-type")));
        }
        let action = header("soapaction").trim_matches('"');
        if !action.strip_prefix("urn:vim25/").is_some_and(|version| VERSIONS.contains(&version)) {
            return Err(format!("SOAPAction: {action}"));
        }
        if header("user-agent").is_empty() {
            return Err("no User-Agent, which is what an administrator sees in the list of sessions".to_owned());
        }
        soap::request(&request.body)
    }

    async fn answer_call(&self, request: &Request, call: &Node) -> Answer {
        let name = call.name.as_str();
        let session = request.cookie(COOKIE).map(|cookie| cookie.trim_matches('"').to_owned());
        let session = session.filter(|key| self.look(|state| state.sessions.contains_key(key)));
        let failure = self.change(|state| {
            *state.calls.entry(name.to_owned()).or_default() += 1;
            let failure = state.next_failure(name);
            if let Some(Failure::Burst(from, to)) = failure {
                state.history.push_burst(from..to);
                return None;
            }
            failure
        });
        if matches!(failure, Some(Failure::LoggedOut | Failure::LoggedOutInMissingSet)) {
            self.change(|state| state.sessions.remove(session.as_deref().unwrap_or_default()));
            if failure == Some(Failure::LoggedOutInMissingSet) && name == "RetrievePropertiesEx" {
                return whole(200, response(name, &format!("<returnval>{}</returnval>", missing(call))));
            }
            return whole(500, fault("NotAuthenticated", "", "<privilegeId>System.View</privilegeId>"));
        }
        if failure == Some(Failure::Gone) {
            let this = call.child("_this").cloned().unwrap_or_default();
            self.change(|state| {
                for objects in state.sessions.values_mut() {
                    objects.collectors.remove(&this.text);
                    objects.property_collectors.remove(&this.text);
                }
            });
        }
        let answer = match (name, &session) {
            // A failing log-in makes no session: the client could not end a session that it does not know.
            ("Login", _) if failure.is_some() => Ok(response(name, "<returnval><key>52</key></returnval>")),
            ("Login", _) => return self.log_in(call, session.is_some()),
            ("RetrieveServiceContent", _) => Ok(response(name, SERVICE_CONTENT)),
            (_, None) => fail("NotAuthenticated", "Die Sitzung ist nicht authentifiziert."),
            ("WaitForUpdatesEx", Some(session)) => self.wait_for_updates(session, call).await,
            (_, Some(session)) => self.change(|state| state.answer(session, call)),
        };
        match (answer, failure) {
            (Ok(answer), Some(failure)) if failure != Failure::Gone => failing_answer(failure, name, answer),
            (Ok(answer), _) => whole(200, answer),
            (Err(SoapFault(name, text, detail)), _) => whole(500, fault(name, &text, &detail)),
        }
    }

    fn log_in(&self, call: &Node, again: bool) -> Answer {
        let text = |name| call.text_at(&[name]);
        let valid = text("userName") == USER && text("password") == PASSWORD;
        match self.change(|state| state.log_in(valid, again)) {
            Err(SoapFault(name, text, detail)) => whole(500, fault(name, &text, &detail)),
            Ok(key) => {
                let returned = format!(
                    "<returnval><key>{key}</key><userName>{}</userName><fullName>t</fullName><loginTime>{now}</loginTime>\
                     <lastActiveTime>{now}</lastActiveTime><locale>en</locale><messageLocale>en</messageLocale></returnval>",
                    soap::escaped(USER),
                    now = self.look(|state| state.history.now()),
                );
                // With quotes, which have to be sent back.
                let cookie = format!("{COOKIE}=\"{key}\"; Path=/; HttpOnly; Secure; ");
                Answer::Whole { status: 200, kind: http::XML, cookie: Some(cookie), body: response("Login", &returned) }
            }
        }
    }
}

/// The answer to a call for properties when the session is lost, under status 200.
fn missing(call: &Node) -> String {
    let obj = call.child("specSet").and_then(|spec| spec.child("objectSet")).and_then(|set| set.child("obj"));
    let obj = obj.cloned().unwrap_or_default();
    let path = call.text_at(&["specSet", "propSet", "pathSet"]);
    format!(
        "<objects><obj type=\"{}\">{}</obj><missingSet><path>{path}</path><fault><fault xsi:type=\"NotAuthenticated\">\
         <privilegeId>System.Read</privilegeId></fault><localizedMessage></localizedMessage></fault></missingSet></objects>",
        obj.kind, obj.text
    )
}

fn versions() -> String {
    let [newest, priors @ ..] = VERSIONS;
    let priors = format!("<version>{}</version>", priors.join("</version><version>"));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<namespaces version=\"1.0\">\
         <namespace><name>urn:other</name><version>1.0</version></namespace>\
         <namespace><name>urn:vim25</name><version>{newest}</version><priorVersions>{priors}</priorVersions></namespace></namespaces>"
    )
}

const SERVICE_CONTENT: &str = "<returnval><rootFolder type=\"Folder\">group-d1</rootFolder>\
<propertyCollector type=\"PropertyCollector\">propertyCollector-7</propertyCollector><viewManager type=\"ViewManager\">ViewManager</viewManager>\
<about><name>VMware vCenter Server</name><fullName>VMware vCenter Server 8.0.3 build-24022515</fullName><vendor>VMware, Inc.</vendor>\
<version>8.0.3</version><build>24022515</build><osType>linux-x64</osType><productLineId>vpx</productLineId><apiType>VirtualCenter</apiType>\
<apiVersion>8.0.3.0</apiVersion><instanceUuid>0b7d4a2e-6b8f-4a53-9c55-2f1f6d3e8a10</instanceUuid></about>\
<sessionManager type=\"SessionManager\">SessionManager</sessionManager><eventManager type=\"EventManager\">EventManager</eventManager>\
<searchIndex type=\"SearchIndex\">SearchIndex</searchIndex></returnval>";
