//! The scripted vCenter enforces the rules of a real one, and fails as scripted.

use std::time::Duration;

use tokio::time::timeout;

use super::scripted::{Failure, LogEvents, NewEvent, PASSWORD, ScriptedVcenter, Stall, USER};
use crate::daemon::{LIMIT, client};

/// Sends calls exactly as given.
struct RawClient {
    http: reqwest::Client,
    url: String,
    cookie: Option<String>,
}

impl RawClient {
    fn to(vcenter: &ScriptedVcenter) -> Self {
        Self { http: client(), url: vcenter.url(), cookie: None }
    }

    async fn logged_in(vcenter: &ScriptedVcenter) -> Self {
        let mut client = Self::to(vcenter);
        let (status, answer) = client.login(PASSWORD).await;
        assert_eq!(status, 200, "{answer}");
        client
    }

    async fn login(&mut self, password: &str) -> (u16, String) {
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let (user, password) = (escape(USER), escape(password));
        self.call("Login", "SessionManager", &format!("<userName>{user}</userName><password>{password}</password>"))
            .await
    }

    async fn try_call(&mut self, name: &str, this: &str, rest: &str) -> reqwest::Result<(u16, String)> {
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

    async fn call(&mut self, name: &str, this: &str, rest: &str) -> (u16, String) {
        self.try_call(name, this, rest).await.expect("an answer")
    }

    async fn collector(&mut self, most: usize) -> String {
        let filter =
            format!("<filter><disableFullMessage>false</disableFullMessage><maxCount>{most}</maxCount></filter>");
        returned(&self.call("CreateCollectorForEvents", "EventManager", &filter).await.1)
    }

    async fn read(&mut self, collector: &str, most: usize) -> Vec<String> {
        let (status, answer) = self.call("ReadNextEvents", collector, &format!("<maxCount>{most}</maxCount>")).await;
        assert_eq!(status, 200, "{answer}");
        inside(&answer, "key")
    }

    async fn page(&mut self, collector: &str) -> Vec<String> {
        let spec = format!(
            "<specSet><propSet><type>EventHistoryCollector</type><pathSet>latestPage</pathSet></propSet>\
             <objectSet><obj type=\"EventHistoryCollector\">{collector}</obj></objectSet></specSet><options></options>"
        );
        inside(&self.call("RetrievePropertiesEx", "propertyCollector-7", &spec).await.1, "key")
    }
}

/// Every text between `<tag>` and `</tag>`.
fn inside(answer: &str, tag: &str) -> Vec<String> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let parts = answer.split(&open).skip(1);
    parts.filter_map(|part| part.split_once(&close)).map(|(inner, _)| inner.to_owned()).collect()
}

fn returned(answer: &str) -> String {
    let (_, rest) = answer.split_once("<returnval").expect("a returned value");
    let (_, rest) = rest.split_once('>').expect("a tag");
    rest.split('<').next().expect("text").to_owned()
}

#[tokio::test]
async fn calls_without_a_log_in_or_in_the_wrong_order_are_refused() {
    let vcenter = ScriptedVcenter::start();
    let mut client = RawClient::to(&vcenter);
    assert_eq!(client.call("RetrieveServiceContent", "ServiceInstance", "").await.0, 200);
    let (status, answer) = client.call("CurrentTime", "ServiceInstance", "").await;
    assert!(status == 500 && answer.contains("xsi:type=\"NotAuthenticated\""), "{answer}");
    assert!(client.login("wrong").await.1.contains("xsi:type=\"InvalidLogin\""));
    assert_eq!(vcenter.violations(), [""; 0]);

    let mut client = RawClient::logged_in(&vcenter).await;
    assert_eq!(client.call("CurrentTime", "ServiceInstance", "").await.0, 200);
    let wrong = "<filter><maxCount>10</maxCount><disableFullMessage>false</disableFullMessage></filter>";
    let (status, answer) = client.call("CreateCollectorForEvents", "EventManager", wrong).await;
    assert!(status == 500 && answer.contains("Unexpected element tag \"disableFullMessage\""), "{answer}");
    assert!(client.login(PASSWORD).await.1.contains("InvalidLogin"), "a second login on a live session");
    assert_eq!(vcenter.violations().len(), 2, "{:?}", vcenter.violations());
    let usage = vcenter.usage();
    assert_eq!((usage.sessions, usage.logins, usage.refused_logins), (1, 3, 2));
    assert_eq!(client.call("Logout", "SessionManager", "").await.0, 200);
    assert_eq!((vcenter.usage().sessions, vcenter.usage().logouts), (0, 1));
}

#[tokio::test]
async fn a_session_has_at_most_thirty_two_collectors() {
    let vcenter = ScriptedVcenter::start();
    let mut client = RawClient::logged_in(&vcenter).await;
    let mut last = String::new();
    for _ in 0..32 {
        last = client.collector(100).await;
    }
    let filter = "<filter><maxCount>10</maxCount></filter>";
    assert!(client.call("CreateCollectorForEvents", "EventManager", filter).await.1.contains("\"InvalidState\""));
    assert_eq!(client.call("DestroyCollector", &last, "").await.0, 200);
    assert!(
        client.call("ReadNextEvents", &last, "<maxCount>5</maxCount>").await.1.contains("\"ManagedObjectNotFound\"")
    );
    assert_eq!((vcenter.usage().collectors, vcenter.usage().most_collectors), (31, 32));
}

#[tokio::test]
async fn a_collector_is_read_from_the_oldest_and_shows_the_newest_whatever_their_keys() {
    let vcenter = ScriptedVcenter::start();
    vcenter.next_key(i32::MAX - 1);
    vcenter.burst(0..5);
    let keys = ["2147483646", "2147483647", "-2147483648", "-2147483647", "-2147483646"];
    let mut client = RawClient::logged_in(&vcenter).await;
    let collector = client.collector(3).await;
    assert_eq!(client.read(&collector, 4).await, keys[..4]);
    assert_eq!(client.page(&collector).await, [keys[4], keys[3], keys[2]]);
    assert_eq!(client.read(&collector, 4).await, keys[4..]);
    assert_eq!(client.read(&collector, 4).await, [""; 0]);

    vcenter.stall(Stall::Reads);
    vcenter.add_plain("VmRemovedEvent", "gone");
    assert_eq!(client.read(&collector, 4).await, [""; 0], "for ever");
    assert_eq!(client.page(&collector).await[0], "-2147483645", "although there is one");
    let second = client.collector(3).await;
    assert_eq!(client.read(&second, 100).await.len(), 6);
    vcenter.purge_all_but(2);
    assert_eq!(client.page(&second).await.len(), 2);
}

#[tokio::test]
async fn a_wait_ends_with_a_change_or_a_cancellation() {
    let vcenter = ScriptedVcenter::start();
    let mut client = RawClient::logged_in(&vcenter).await;
    let collector = client.collector(10).await;
    let property_collector = returned(&client.call("CreatePropertyCollector", "propertyCollector-7", "").await.1);
    let spec = format!(
        "<spec><propSet><type>EventHistoryCollector</type><pathSet>latestPage</pathSet></propSet><objectSet>\
         <obj type=\"EventHistoryCollector\">{collector}</obj></objectSet></spec><partialUpdates>false</partialUpdates>"
    );
    client.call("CreateFilter", &property_collector, &spec).await;
    let calls = |version: &str, most: u32| {
        format!("<version>{version}</version><options><maxWaitSeconds>{most}</maxWaitSeconds></options>")
    };
    let (_, first) = client.call("WaitForUpdatesEx", &property_collector, &calls("", 60)).await;
    assert!(first.contains("<version>1</version>") && first.contains("<kind>enter</kind>"), "{first}");
    assert!(
        !client.call("WaitForUpdatesEx", &property_collector, &calls("1", 0)).await.1.contains("returnval"),
        "nothing new"
    );
    assert!(
        client
            .call("WaitForUpdatesEx", &property_collector, &calls("7", 0))
            .await
            .1
            .contains("\"InvalidCollectorVersion\"")
    );

    let mut other = RawClient { cookie: client.cookie.clone(), ..RawClient::to(&vcenter) };
    let (after_one, after_two) = (calls("1", 60), calls("2", 60));
    let (announced, ()) = tokio::join!(client.call("WaitForUpdatesEx", &property_collector, &after_one), async {
        vcenter.until("waiting", |vcenter| vcenter.calls("WaitForUpdatesEx") == 4, LIMIT).await;
        vcenter.add_plain("VmRemovedEvent", "gone");
    });
    assert!(announced.1.contains("<version>2</version>") && announced.1.contains("VmRemovedEvent"), "{}", announced.1);
    let (announced, _) = tokio::join!(client.call("WaitForUpdatesEx", &property_collector, &after_two), async {
        vcenter.until("waiting", |vcenter| vcenter.calls("WaitForUpdatesEx") == 5, LIMIT).await;
        other.call("CancelWaitForUpdates", &property_collector, "").await
    });
    assert!(announced.1.contains("\"RequestCanceled\""), "{}", announced.1);
    assert_eq!(vcenter.violations(), [""; 0]);
}

#[tokio::test]
async fn a_virtual_machine_is_read_with_its_folders_and_a_wrong_path_fails_the_call() {
    let vcenter = ScriptedVcenter::start();
    let mut client = RawClient::logged_in(&vcenter).await;
    let spec = |path: &str, id: &str| {
        format!(
            "<specSet><propSet><type>ManagedEntity</type><pathSet>name</pathSet><pathSet>parent</pathSet></propSet>\
             <propSet><type>VirtualMachine</type><pathSet>{path}</pathSet></propSet>\
             <objectSet><obj type=\"VirtualMachine\">{id}</obj><skip>false</skip><selectSet x:type=\"TraversalSpec\"><name>p</name>\
             <type>ManagedEntity</type><path>parent</path><skip>false</skip><selectSet><name>p</name></selectSet></selectSet></objectSet>\
             </specSet><options></options>"
        )
    };
    let (_, answer) =
        client.call("RetrievePropertiesEx", "propertyCollector-7", &spec("config.annotation", "vm-42")).await;
    for part in ["web-01", "Web%2fShop", ">DC0<", "Datacenters", "owner: ops &lt;db&gt; &amp; co"] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    let (_, answer) = client.call("RetrievePropertiesEx", "propertyCollector-7", &spec("no.such", "vm-42")).await;
    assert!(answer.contains("\"InvalidProperty\""), "{answer}");
    let (_, answer) = client.call("RetrievePropertiesEx", "propertyCollector-7", &spec("guest", "vm-43")).await;
    assert!(answer.contains("\"ManagedObjectNotFound\""), "{answer}");
}

#[tokio::test]
async fn failures_come_in_the_scripted_order() {
    let vcenter = ScriptedVcenter::start();
    let mut client = RawClient::logged_in(&vcenter).await;
    let now = async |client: &mut RawClient| client.try_call("CurrentTime", "ServiceInstance", "").await;
    vcenter.fail("CurrentTime", 1, Failure::Html503);
    vcenter.fail("CurrentTime", 0, Failure::CutOff);
    vcenter.fail("CurrentTime", 0, Failure::Broken);
    vcenter.fail("CurrentTime", 0, Failure::EntityBomb);
    vcenter.fail("CurrentTime", 0, Failure::Fault("NoPermission"));
    assert_eq!(now(&mut client).await.expect("an answer").0, 200);
    let html = now(&mut client).await.expect("an answer");
    assert!(html.0 == 503 && html.1.starts_with("<html>"), "{html:?}");
    let cut = now(&mut client).await.expect("an answer");
    assert!(cut.0 == 200 && !cut.1.contains("</soapenv:Envelope>"), "{}", cut.1);
    assert!(now(&mut client).await.is_err(), "broken off");
    assert!(now(&mut client).await.expect("an answer").1.contains("<!ENTITY a9"));
    assert!(now(&mut client).await.expect("an answer").1.contains("\"NoPermission\""));
    assert_eq!(vcenter.failures_left(), 0);

    vcenter.fail("CurrentTime", 0, Failure::Hang);
    assert!(timeout(Duration::from_millis(200), now(&mut client)).await.is_err(), "never");
    vcenter.fail("CurrentTime", 0, Failure::LoggedOut);
    assert!(now(&mut client).await.expect("an answer").1.contains("\"NotAuthenticated\""));
    assert!(now(&mut client).await.expect("an answer").1.contains("\"NotAuthenticated\""), "and stays so");
    assert_eq!(vcenter.usage().sessions, 0);
    vcenter.go_down().await;
    assert!(now(&mut client).await.is_err());
    vcenter.come_back();
    assert_eq!(now(&mut client).await.expect("an answer").0, 500);
}

#[tokio::test]
async fn a_logged_event_is_recorded_unless_the_script_says_otherwise() {
    let vcenter = ScriptedVcenter::start();
    let mut client = RawClient::logged_in(&vcenter).await;
    let collector = client.collector(10).await;
    let log = async |client: &mut RawClient| {
        client.call("LogUserEvent", "EventManager", "<entity type=\"Folder\">group-d1</entity><msg>tweet</msg>").await.0
    };
    assert_eq!(log(&mut client).await, 200);
    vcenter.log_events(LogEvents::Dropped);
    assert_eq!(log(&mut client).await, 200);
    vcenter.log_events(LogEvents::Forbidden);
    assert_eq!(log(&mut client).await, 500);
    vcenter.add(NewEvent::Malformed { class: "VmShinyNewEvent", fields: "<new>1</new>" });
    assert_eq!(client.read(&collector, 10).await, ["1001"], "the malformed event has no key");
}
