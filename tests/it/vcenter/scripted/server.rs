//! From a request over HTTP to its answer.

use std::sync::Mutex;

use jiff::Timestamp;
use tokio::sync::watch;

use super::history::{Filter, What};
use super::inventory::{self, Found};
use super::soap::{self, Node, fault, response};
use super::state::{Refusal, State, Waiter, not_there, refusal};
use super::trouble::befallen;
use super::wire::{Answer, Request, whole};
use super::{Canary, PASSWORD, Trouble, USER, wire};

const COOKIE: &str = "vmware_soap_session";
const VERSIONS: [&str; 4] = ["8.0.3.0", "8.0.2.0", "7.0.3.0", "6.5"];

pub(super) struct Shared {
    state: Mutex<State>,
    /// Moves whenever the state may have.
    changes: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(State::new()), changes: watch::Sender::new(0) }
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().expect("nobody panicked"))
    }

    /// Changes it, and tells those who wait.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = self.hold(change);
        self.changes.send_modify(|count| *count += 1);
        changed
    }

    /// Changes what nobody waits for.
    pub(super) fn hold<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().expect("nobody panicked"))
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) async fn answer(&self, request: Request) -> Answer {
        if (request.method.as_str(), request.path.as_str()) == ("GET", "/sdk/vimServiceVersions.xml") {
            self.change(|state| *state.asked.entry("vimServiceVersions.xml".to_owned()).or_default() += 1);
            let trouble = self.hold(|state| state.draw("vimServiceVersions.xml"));
            return trouble.map_or_else(|| whole(200, versions()), |trouble| befallen(trouble, "", versions()));
        }
        match Self::understood(&request) {
            Ok(asked) => self.answer_asked(&request, &asked).await,
            Err(offence) => {
                self.change(|state| state.offences.push(offence.clone()));
                whole(500, fault("InvalidRequest", &offence, ""))
            }
        }
    }

    /// The request, where everything about it is as vCenter wants it.
    fn understood(request: &Request) -> Result<Node, String> {
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

    async fn answer_asked(&self, request: &Request, asked: &Node) -> Answer {
        let name = asked.name.as_str();
        let session = request.cookie(COOKIE).map(|cookie| cookie.trim_matches('"').to_owned());
        let session = session.filter(|key| self.look(|state| state.sessions.contains_key(key)));
        let trouble = self.change(|state| {
            *state.asked.entry(name.to_owned()).or_default() += 1;
            let trouble = state.draw(name);
            if let Some(Trouble::Storm(from, to)) = trouble {
                state.history.push_burst(from..to);
                return None;
            }
            trouble
        });
        if matches!(trouble, Some(Trouble::LoggedOut | Trouble::LoggedOutQuietly)) {
            self.change(|state| state.sessions.remove(session.as_deref().unwrap_or_default()));
            if trouble == Some(Trouble::LoggedOutQuietly) && name == "RetrievePropertiesEx" {
                return whole(200, response(name, &format!("<returnval>{}</returnval>", missing(asked))));
            }
            return whole(500, fault("NotAuthenticated", "", "<privilegeId>System.View</privilegeId>"));
        }
        if trouble == Some(Trouble::Gone) {
            let this = asked.child("_this").cloned().unwrap_or_default();
            self.change(|state| {
                for held in state.sessions.values_mut() {
                    held.collectors.remove(&this.text);
                    held.waiters.remove(&this.text);
                }
            });
        }
        let answer = match (name, &session) {
            // What befalls a login befalls it before it is one: whoever hears nothing of a session cannot end it.
            ("Login", _) if trouble.is_some() => Ok(response(name, "<returnval><key>52</key></returnval>")),
            ("Login", _) => return self.log_in(asked, session.is_some()),
            ("RetrieveServiceContent", _) => Ok(response(name, SERVICE_CONTENT)),
            (_, None) => refusal("NotAuthenticated", "Die Sitzung ist nicht authentifiziert."),
            ("WaitForUpdatesEx", Some(session)) => self.wait_for_updates(session, asked).await,
            (_, Some(session)) => self.change(|state| state.answer(session, asked)),
        };
        match (answer, trouble) {
            (Ok(answer), Some(trouble)) if trouble != Trouble::Gone => befallen(trouble, name, answer),
            (Ok(answer), _) => whole(200, answer),
            (Err(Refusal(name, words, detail)), _) => whole(500, fault(name, &words, &detail)),
        }
    }

    fn log_in(&self, asked: &Node, again: bool) -> Answer {
        let said = |name| asked.text_at(&[name]);
        let outcome = self.change(|state| {
            let good = said("userName") == USER && said("password") == PASSWORD;
            state.log_in(good, again)
        });
        match outcome {
            Err(Refusal(name, words, detail)) => whole(500, fault(name, &words, &detail)),
            Ok(key) => {
                let returned = format!(
                    "<returnval><key>{key}</key><userName>{}</userName><fullName>t</fullName><loginTime>{now}</loginTime>\
                     <lastActiveTime>{now}</lastActiveTime><locale>en</locale><messageLocale>en</messageLocale></returnval>",
                    soap::escaped(USER),
                    now = self.look(|state| state.history.now()),
                );
                // Quotes and all: this is how it has to come back.
                let cookie = format!("{COOKIE}=\"{key}\"; Path=/; HttpOnly; Secure; ");
                Answer::Whole { status: 200, kind: wire::XML, cookie: Some(cookie), body: response("Login", &returned) }
            }
        }
    }
}

impl State {
    fn answer(&mut self, session: &str, asked: &Node) -> Result<String, Refusal> {
        let name = asked.name.as_str();
        let this = asked.child("_this").cloned().unwrap_or_default();
        let returned = match name {
            "CurrentTime" => format!("<returnval>{:.6}</returnval>", self.history.now()),
            "Logout" => {
                self.log_out(session);
                String::new()
            }
            "CreateCollectorForEvents" => {
                let (filter, most) = filter_of(asked)?;
                let id = self.make_collector(session, filter, most)?;
                format!("<returnval type=\"EventHistoryCollector\">{id}</returnval>")
            }
            "ReadNextEvents" => {
                let most: usize = asked.text_at(&["maxCount"]).parse().unwrap_or(0);
                if !(1..=1000).contains(&most) {
                    return refusal("InvalidArgument", "maxCount");
                }
                let mut page = String::new();
                for entry in self.read_next(session, &this, most)? {
                    entry.write("returnval", &mut page);
                }
                page
            }
            "RetrievePropertiesEx" => format!("<returnval>{}</returnval>", self.retrieve(session, asked)?),
            "CreatePropertyCollector" => {
                let id = self.fresh_id(session);
                let waiters = self.sessions.get_mut(session).map(|held| &mut held.waiters);
                waiters.map(|waiters| waiters.insert(id.clone(), Waiter::default()));
                format!("<returnval type=\"PropertyCollector\">{id}</returnval>")
            }
            "CreateFilter" => {
                let id = self.fresh_id(session);
                let set = asked.child("spec").and_then(|spec| spec.child("objectSet"));
                let page = set.and_then(|set| set.child("obj")).cloned().unwrap_or_default();
                let Some(held) = self.sessions.get_mut(session) else { return refusal("NotAuthenticated", "") };
                if !held.collectors.contains_key(&page.text) {
                    return not_there(&page);
                }
                let Some(waiter) = held.waiters.get_mut(&this.text) else { return not_there(&this) };
                waiter.watched = Some((id.clone(), page.text));
                format!("<returnval type=\"PropertyFilter\">{id}</returnval>")
            }
            "CancelWaitForUpdates" => {
                let held = self.sessions.get_mut(session);
                let Some(waiter) = held.and_then(|held| held.waiters.get_mut(&this.text)) else {
                    return not_there(&this);
                };
                waiter.cancelled = true;
                String::new()
            }
            "DestroyCollector" | "DestroyPropertyCollector" => {
                let Some(held) = self.sessions.get_mut(session) else { return refusal("NotAuthenticated", "") };
                let was_there =
                    held.collectors.remove(&this.text).is_some() | held.waiters.remove(&this.text).is_some();
                if !was_there {
                    return not_there(&this);
                }
                String::new()
            }
            "DestroyPropertyFilter" => String::new(),
            "LogUserEvent" => self.log_user_event(asked)?,
            other => {
                self.offences.push(format!("{other} is not played here"));
                return refusal("MethodNotFound", other);
            }
        };
        Ok(response(name, &returned))
    }

    fn retrieve(&self, session: &str, asked: &Node) -> Result<String, Refusal> {
        let Some(spec) = asked.child("specSet") else { return refusal("InvalidArgument", "specSet") };
        let obj = spec.child("objectSet").and_then(|set| set.child("obj")).cloned().unwrap_or_default();
        if obj.kind != "EventHistoryCollector" {
            return match inventory::retrieve(spec) {
                Found::Objects(objects) => Ok(objects),
                Found::Gone { kind, id } => not_there(&Node { kind, text: id, ..Node::default() }),
                Found::WrongPath(path) => Err(Refusal("InvalidProperty", path.clone(), format!("<name>{path}</name>"))),
            };
        }
        let mut page = String::new();
        for entry in self.latest_page(session, &obj)? {
            entry.write("Event", &mut page);
        }
        Ok(format!(
            "<objects><obj type=\"EventHistoryCollector\">{}</obj><propSet><name>latestPage</name>\
             <val xsi:type=\"ArrayOfEvent\">{page}</val></propSet></objects>",
            obj.text
        ))
    }

    fn log_user_event(&mut self, asked: &Node) -> Result<String, Refusal> {
        let message = asked.text_at(&["msg"]).to_owned();
        match self.canary {
            Canary::Forbidden => return refusal("NoPermission", "Keine Berechtigung."),
            Canary::Silent => {}
            Canary::Sings => {
                let rest = format!("<message>{}</message>", soap::escaped(&message));
                let message = format!("User logged event: {message}");
                self.history.push(USER, What::Other { class: "GeneralUserEvent", message, rest });
            }
        }
        Ok(String::new())
    }
}

fn filter_of(asked: &Node) -> Result<(Filter, usize), Refusal> {
    let Some(said) = asked.child("filter") else { return refusal("InvalidArgument", "filter") };
    let begin = match said.text_at(&["time", "beginTime"]) {
        "" => None,
        time => match time.parse::<Timestamp>() {
            Ok(time) => Some(time),
            Err(_) => return refusal("InvalidArgument", "filter.time.beginTime"),
        },
    };
    let texts = |node: &Node, name: &str| node.all(name).map(|one| one.text.clone()).collect::<Vec<_>>();
    let users = said.child("userName").map(|users| texts(users, "userList")).unwrap_or_default();
    let entity = said.child("entity").and_then(|entity| entity.child("entity"));
    let elsewhere = entity.is_some_and(|entity| !["group-d1", "datacenter-2", "vm-42"].contains(&entity.text.as_str()));
    let most: usize = said.text_at(&["maxCount"]).parse().unwrap_or(10);
    if !(1..=1000).contains(&most) {
        return refusal("InvalidArgument", "filter.maxCount");
    }
    Ok((Filter { begin, types: texts(said, "eventTypeId"), users, elsewhere }, most))
}

/// What a request about properties is answered when the session is gone and nobody says so.
fn missing(asked: &Node) -> String {
    let obj = asked.child("specSet").and_then(|spec| spec.child("objectSet")).and_then(|set| set.child("obj"));
    let obj = obj.cloned().unwrap_or_default();
    let path = asked.text_at(&["specSet", "propSet", "pathSet"]);
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
