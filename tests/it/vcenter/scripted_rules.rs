//! The scripted vCenter keeps a vCenter's rules: what a client may rely on in the stories.

use std::time::Duration;

use tokio::time::timeout;

use super::scripted::{Canary, Deaf, PASSWORD, Scripted, Trouble, USER, What};
use crate::daemon::{LIMIT, client};

/// Says what it is told to, letter for letter.
struct Caller {
    http: reqwest::Client,
    url: String,
    cookie: Option<String>,
}

impl Caller {
    fn to(vcenter: &Scripted) -> Self {
        Self { http: client(), url: vcenter.url(), cookie: None }
    }

    async fn logged_in(vcenter: &Scripted) -> Self {
        let mut caller = Self::to(vcenter);
        let (status, said) = caller.login(PASSWORD).await;
        assert_eq!(status, 200, "{said}");
        caller
    }

    async fn login(&mut self, password: &str) -> (u16, String) {
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let (user, password) = (escape(USER), escape(password));
        self.say("Login", "SessionManager", &format!("<userName>{user}</userName><password>{password}</password>"))
            .await
    }

    async fn try_say(&mut self, name: &str, this: &str, rest: &str) -> reqwest::Result<(u16, String)> {
        let body = format!(
            "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:x=\"http://www.w3.org/2001/XMLSchema-instance\"><e:Body>\
             <{name} xmlns=\"urn:vim25\"><_this type=\"x\">{this}</_this>{rest}</{name}></e:Body></e:Envelope>"
        );
        let mut request = self.http.post(&self.url).header("content-type", "text/xml; charset=\"utf-8\"");
        request = request.header("soapaction", "\"urn:vim25/8.0.3.0\"").header("user-agent", "test");
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let reply = request.body(body).send().await?;
        if let Some(set) = reply.headers().get("set-cookie") {
            let pair = set.to_str().expect("text").split(';').next().expect("a pair");
            self.cookie = Some(pair.to_owned());
        }
        Ok((reply.status().as_u16(), reply.text().await?))
    }

    async fn say(&mut self, name: &str, this: &str, rest: &str) -> (u16, String) {
        self.try_say(name, this, rest).await.expect("an answer")
    }

    async fn collector(&mut self, most: usize) -> String {
        let filter =
            format!("<filter><disableFullMessage>false</disableFullMessage><maxCount>{most}</maxCount></filter>");
        returned(&self.say("CreateCollectorForEvents", "EventManager", &filter).await.1)
    }

    async fn read(&mut self, collector: &str, most: usize) -> Vec<String> {
        let (status, said) = self.say("ReadNextEvents", collector, &format!("<maxCount>{most}</maxCount>")).await;
        assert_eq!(status, 200, "{said}");
        inside(&said, "key")
    }

    async fn page(&mut self, collector: &str) -> Vec<String> {
        let spec = format!(
            "<specSet><propSet><type>EventHistoryCollector</type><pathSet>latestPage</pathSet></propSet>\
             <objectSet><obj type=\"EventHistoryCollector\">{collector}</obj></objectSet></specSet><options></options>"
        );
        inside(&self.say("RetrievePropertiesEx", "propertyCollector-7", &spec).await.1, "key")
    }
}

/// Every text between `<tag>` and `</tag>`.
fn inside(said: &str, tag: &str) -> Vec<String> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let parts = said.split(&open).skip(1);
    parts.filter_map(|part| part.split_once(&close)).map(|(inner, _)| inner.to_owned()).collect()
}

fn returned(said: &str) -> String {
    let (_, rest) = said.split_once("<returnval").expect("something is returned");
    let (_, rest) = rest.split_once('>').expect("a tag");
    rest.split('<').next().expect("text").to_owned()
}

#[tokio::test]
async fn who_is_not_logged_in_or_breaks_the_order_is_refused() {
    let vcenter = Scripted::start();
    let mut caller = Caller::to(&vcenter);
    assert_eq!(caller.say("RetrieveServiceContent", "ServiceInstance", "").await.0, 200);
    let (status, said) = caller.say("CurrentTime", "ServiceInstance", "").await;
    assert!(status == 500 && said.contains("xsi:type=\"NotAuthenticated\""), "{said}");
    assert!(caller.login("wrong").await.1.contains("xsi:type=\"InvalidLogin\""));
    assert_eq!(vcenter.offences(), [""; 0]);

    let mut caller = Caller::logged_in(&vcenter).await;
    assert_eq!(caller.say("CurrentTime", "ServiceInstance", "").await.0, 200);
    let wrong = "<filter><maxCount>10</maxCount><disableFullMessage>false</disableFullMessage></filter>";
    let (status, said) = caller.say("CreateCollectorForEvents", "EventManager", wrong).await;
    assert!(status == 500 && said.contains("Unexpected element tag \"disableFullMessage\""), "{said}");
    assert!(caller.login(PASSWORD).await.1.contains("InvalidLogin"), "a second login on a live session");
    assert_eq!(vcenter.offences().len(), 2, "{:?}", vcenter.offences());
    let held = vcenter.held();
    assert_eq!((held.sessions, held.logins, held.refused_logins), (1, 3, 2));
    assert_eq!(caller.say("Logout", "SessionManager", "").await.0, 200);
    assert_eq!((vcenter.held().sessions, vcenter.held().logouts), (0, 1));
}

#[tokio::test]
async fn a_session_has_thirty_two_collectors_and_what_is_destroyed_is_gone() {
    let vcenter = Scripted::start();
    let mut caller = Caller::logged_in(&vcenter).await;
    let mut last = String::new();
    for _ in 0..32 {
        last = caller.collector(100).await;
    }
    let filter = "<filter><maxCount>10</maxCount></filter>";
    assert!(caller.say("CreateCollectorForEvents", "EventManager", filter).await.1.contains("\"InvalidState\""));
    assert_eq!(caller.say("DestroyCollector", &last, "").await.0, 200);
    assert!(
        caller.say("ReadNextEvents", &last, "<maxCount>5</maxCount>").await.1.contains("\"ManagedObjectNotFound\"")
    );
    assert_eq!((vcenter.held().collectors, vcenter.held().most_collectors), (31, 32));
}

#[tokio::test]
async fn a_collector_is_read_from_the_oldest_and_shows_the_newest_whatever_their_keys() {
    let vcenter = Scripted::start();
    vcenter.next_key(i32::MAX - 1);
    vcenter.burst(0..5);
    let keys = ["2147483646", "2147483647", "-2147483648", "-2147483647", "-2147483646"];
    let mut caller = Caller::logged_in(&vcenter).await;
    let collector = caller.collector(3).await;
    assert_eq!(caller.read(&collector, 4).await, keys[..4]);
    assert_eq!(caller.page(&collector).await, [keys[4], keys[3], keys[2]]);
    assert_eq!(caller.read(&collector, 4).await, keys[4..]);
    assert_eq!(caller.read(&collector, 4).await, [""; 0]);

    vcenter.go_deaf(Deaf::Reads);
    vcenter.plain("VmRemovedEvent", "gone");
    assert_eq!(caller.read(&collector, 4).await, [""; 0], "for ever");
    assert_eq!(caller.page(&collector).await[0], "-2147483645", "though there is one");
    let anew = caller.collector(3).await;
    assert_eq!(caller.read(&anew, 100).await.len(), 6);
    vcenter.forget_all_but(2);
    assert_eq!(caller.page(&anew).await.len(), 2);
}

#[tokio::test]
async fn a_wait_ends_with_news_or_is_cancelled_and_versions_count() {
    let vcenter = Scripted::start();
    let mut caller = Caller::logged_in(&vcenter).await;
    let collector = caller.collector(10).await;
    let waiter = returned(&caller.say("CreatePropertyCollector", "propertyCollector-7", "").await.1);
    let spec = format!(
        "<spec><propSet><type>EventHistoryCollector</type><pathSet>latestPage</pathSet></propSet><objectSet>\
         <obj type=\"EventHistoryCollector\">{collector}</obj></objectSet></spec><partialUpdates>false</partialUpdates>"
    );
    caller.say("CreateFilter", &waiter, &spec).await;
    let asked = |version: &str, most: u32| {
        format!("<version>{version}</version><options><maxWaitSeconds>{most}</maxWaitSeconds></options>")
    };
    let (_, first) = caller.say("WaitForUpdatesEx", &waiter, &asked("", 60)).await;
    assert!(first.contains("<version>1</version>") && first.contains("<kind>enter</kind>"), "{first}");
    assert!(!caller.say("WaitForUpdatesEx", &waiter, &asked("1", 0)).await.1.contains("returnval"), "nothing new");
    assert!(caller.say("WaitForUpdatesEx", &waiter, &asked("7", 0)).await.1.contains("\"InvalidCollectorVersion\""));

    let mut other = Caller { cookie: caller.cookie.clone(), ..Caller::to(&vcenter) };
    let (after_one, after_two) = (asked("1", 60), asked("2", 60));
    let (told, ()) = tokio::join!(caller.say("WaitForUpdatesEx", &waiter, &after_one), async {
        vcenter.until("waited for", |vcenter| vcenter.asked("WaitForUpdatesEx") == 4, LIMIT).await;
        vcenter.plain("VmRemovedEvent", "gone");
    });
    assert!(told.1.contains("<version>2</version>") && told.1.contains("VmRemovedEvent"), "{}", told.1);
    let (told, _) = tokio::join!(caller.say("WaitForUpdatesEx", &waiter, &after_two), async {
        vcenter.until("waited for", |vcenter| vcenter.asked("WaitForUpdatesEx") == 5, LIMIT).await;
        other.say("CancelWaitForUpdates", &waiter, "").await
    });
    assert!(told.1.contains("\"RequestCanceled\""), "{}", told.1);
    assert_eq!(vcenter.offences(), [""; 0]);
}

#[tokio::test]
async fn a_virtual_machine_is_found_with_its_folders_and_a_wrong_path_spoils_all() {
    let vcenter = Scripted::start();
    let mut caller = Caller::logged_in(&vcenter).await;
    let spec = |path: &str, id: &str| {
        format!(
            "<specSet><propSet><type>ManagedEntity</type><pathSet>name</pathSet><pathSet>parent</pathSet></propSet>\
             <propSet><type>VirtualMachine</type><pathSet>{path}</pathSet></propSet>\
             <objectSet><obj type=\"VirtualMachine\">{id}</obj><skip>false</skip><selectSet x:type=\"TraversalSpec\"><name>p</name>\
             <type>ManagedEntity</type><path>parent</path><skip>false</skip><selectSet><name>p</name></selectSet></selectSet></objectSet>\
             </specSet><options></options>"
        )
    };
    let (_, said) =
        caller.say("RetrievePropertiesEx", "propertyCollector-7", &spec("config.annotation", "vm-42")).await;
    for part in ["web-01", "Web%2fShop", ">DC0<", "Datacenters", "owner: ops &lt;db&gt; &amp; co"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (_, said) = caller.say("RetrievePropertiesEx", "propertyCollector-7", &spec("no.such", "vm-42")).await;
    assert!(said.contains("\"InvalidProperty\""), "{said}");
    let (_, said) = caller.say("RetrievePropertiesEx", "propertyCollector-7", &spec("guest", "vm-43")).await;
    assert!(said.contains("\"ManagedObjectNotFound\""), "{said}");
}

#[tokio::test]
async fn troubles_come_when_their_turn_is_and_to_whom_they_are_meant() {
    let vcenter = Scripted::start();
    let mut caller = Caller::logged_in(&vcenter).await;
    let now = async |caller: &mut Caller| caller.try_say("CurrentTime", "ServiceInstance", "").await;
    vcenter.befall("CurrentTime", 1, Trouble::Html503);
    vcenter.befall("CurrentTime", 0, Trouble::CutOff);
    vcenter.befall("CurrentTime", 0, Trouble::Broken);
    vcenter.befall("CurrentTime", 0, Trouble::Bomb);
    vcenter.befall("CurrentTime", 0, Trouble::Fault("NoPermission"));
    assert_eq!(now(&mut caller).await.expect("well").0, 200);
    let html = now(&mut caller).await.expect("an answer");
    assert!(html.0 == 503 && html.1.starts_with("<html>"), "{html:?}");
    let cut = now(&mut caller).await.expect("an answer");
    assert!(cut.0 == 200 && !cut.1.contains("</soapenv:Envelope>"), "{}", cut.1);
    assert!(now(&mut caller).await.is_err(), "broken off");
    assert!(now(&mut caller).await.expect("an answer").1.contains("<!ENTITY a9"));
    assert!(now(&mut caller).await.expect("an answer").1.contains("\"NoPermission\""));
    assert_eq!(vcenter.troubles_left(), 0);

    vcenter.befall("CurrentTime", 0, Trouble::Hang);
    assert!(timeout(Duration::from_millis(200), now(&mut caller)).await.is_err(), "never");
    vcenter.befall("CurrentTime", 0, Trouble::LoggedOut);
    assert!(now(&mut caller).await.expect("an answer").1.contains("\"NotAuthenticated\""));
    assert!(now(&mut caller).await.expect("an answer").1.contains("\"NotAuthenticated\""), "and stays so");
    assert_eq!(vcenter.held().sessions, 0);
    vcenter.go_down().await;
    assert!(now(&mut caller).await.is_err());
    vcenter.come_back();
    assert_eq!(now(&mut caller).await.expect("an answer").0, 500);
}

#[tokio::test]
async fn a_logged_event_comes_back_unless_the_script_keeps_it() {
    let vcenter = Scripted::start();
    let mut caller = Caller::logged_in(&vcenter).await;
    let collector = caller.collector(10).await;
    let log = async |caller: &mut Caller| {
        caller.say("LogUserEvent", "EventManager", "<entity type=\"Folder\">group-d1</entity><msg>tweet</msg>").await.0
    };
    assert_eq!(log(&mut caller).await, 200);
    vcenter.canary(Canary::Silent);
    assert_eq!(log(&mut caller).await, 200);
    vcenter.canary(Canary::Forbidden);
    assert_eq!(log(&mut caller).await, 500);
    vcenter.happens(What::Odd { class: "VmShinyNewEvent", fields: "<new>1</new>" });
    assert_eq!(caller.read(&collector, 10).await, ["1001"], "the odd one has no key");
}
