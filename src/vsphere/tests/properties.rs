//! Properties and ancestors.

use super::super::Element;
use super::*;

fn vm() -> Reference {
    Reference::new("VirtualMachine", "vm-57")
}

fn retrieved(objects: &str) -> String {
    format!(
        "<RetrievePropertiesExResponse xmlns=\"urn:vim25\"><returnval>{objects}</returnval></RetrievePropertiesExResponse>"
    )
}

fn object(kind: &str, id: &str, name: &str, parent: Option<(&str, &str)>) -> String {
    let parent = parent.map_or_else(String::new, |(kind, id)| {
        format!(
            "<propSet><name>parent</name><val xsi:type=\"ManagedObjectReference\" type=\"{kind}\">{id}</val></propSet>"
        )
    });
    format!(
        "<objects><obj type=\"{kind}\">{id}</obj><propSet><name>name</name><val xsi:type=\"xsd:string\">{name}</val>\
         </propSet>{parent}</objects>"
    )
}

fn missing(path: &str, class: &str) -> String {
    format!(
        "<missingSet><path>{path}</path><fault><fault xsi:type=\"{class}\"><privilegeId>System.Read</privilegeId></fault>\
         <localizedMessage>*types.{class}</localizedMessage></fault></missingSet>"
    )
}

#[tokio::test]
async fn properties_come_with_their_classes_and_without_escapes() {
    let (server, session) = session_with([ok(captured::VM)]).await;
    let found = session.properties(&vm(), &["name", "config.annotation"]).await.expect("found");
    let value = |wanted| found.iter().find(|(name, _)| name == wanted).map(|(_, value)| value).expect("there");
    assert_eq!(value("config.annotation").text, "owner: ops <db> & co");
    assert_eq!(value("name").class.as_deref(), Some("string"));
    let parent = value("parent");
    assert_eq!(parent.class.as_deref(), Some("ManagedObjectReference"));
    assert_eq!(parent.reference(), "Folder:folder-3".parse().ok());
    assert_eq!(value("datastore").children[0].reference(), "Datastore:datastore-52".parse().ok());
    assert_eq!(
        sent(&server, 0),
        "<RetrievePropertiesEx xmlns=\"urn:vim25\"><_this type=\"PropertyCollector\">propertyCollector</_this><specSet>\
         <propSet><type>VirtualMachine</type><pathSet>name</pathSet><pathSet>config.annotation</pathSet></propSet>\
         <objectSet><obj type=\"VirtualMachine\">vm-57</obj></objectSet></specSet><options></options>\
         </RetrievePropertiesEx>"
    );
}

#[tokio::test]
async fn a_lost_session_is_found_under_status_200() {
    let dead = retrieved(&format!(
        "<objects><obj type=\"VirtualMachine\">vm-57</obj>{}{}</objects>",
        missing("config.uuid", "NoPermission"),
        missing("name", "NotAuthenticated")
    ));
    let (_stage, session) = session_with([ok(&dead), ok(&dead)]).await;
    assert_eq!(session.properties(&vm(), &["name"]).await, Err(ApiError::SessionLost));
    assert_eq!(session.with_ancestors(&vm(), &["name"]).await, Err(ApiError::SessionLost));
}

#[tokio::test]
async fn what_may_not_be_read_is_left_out_unless_nothing_can_be_read() {
    let some = object("VirtualMachine", "vm-57", "web", None)
        .replace("</objects>", &format!("{}</objects>", missing("config.uuid", "NoPermission")));
    let all = |class| {
        retrieved(&format!("<objects><obj type=\"VirtualMachine\">vm-57</obj>{}</objects>", missing("name", class)))
    };
    let acts = [ok(&retrieved(&some)), ok(&all("NoPermission")), ok(&all("ManagedObjectNotFound"))];
    let (_stage, session) = session_with(acts).await;
    let found = session.properties(&vm(), &["name", "config.uuid"]).await.expect("found");
    assert_eq!(
        found.iter().map(|(name, value)| (name.as_str(), value.text.as_str())).collect::<Vec<_>>(),
        [("name", "web")]
    );
    let error = session.properties(&vm(), &["name"]).await.expect_err("nothing at all");
    insta::assert_snapshot!(error, @"vCenter answers RetrievePropertiesEx with NoPermission: *types.NoPermission (privilegeId System.Read)");
    assert!(matches!(session.properties(&vm(), &["name"]).await, Err(ApiError::NotFound(_))));
}

#[tokio::test]
async fn ancestors_are_read_in_one_call() {
    let objects = [
        object("Datacenter", "datacenter-2", "DC0", Some(("Folder", "group-d1"))),
        object("VirtualMachine", "vm-57", "web%2f1", Some(("Folder", "folder-3"))),
        object("Folder", "group-d1", "Datacenters", None),
        object("Folder", "folder-3", "vm", Some(("Datacenter", "datacenter-2"))),
        // As servers answer for which both specifications match the same object.
        String::new(),
    ];
    let (server, session) = session_with([ok(&retrieved(&objects.concat()))]).await;
    let found = session.with_ancestors(&vm(), &["name", "runtime.host"]).await.expect("found");
    let names: Vec<_> = found.ancestors.iter().map(|above| format!("{} {}", above.reference, above.name)).collect();
    assert_eq!(names, ["Folder:folder-3 vm", "Datacenter:datacenter-2 DC0", "Folder:group-d1 Datacenters"]);
    // `parent` was read for the ancestors only.
    assert_eq!(found.properties.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["name"]);
    assert_eq!(
        sent(&server, 0),
        "<RetrievePropertiesEx xmlns=\"urn:vim25\"><_this type=\"PropertyCollector\">propertyCollector</_this><specSet>\
         <propSet><type>VirtualMachine</type><pathSet>name</pathSet><pathSet>runtime.host</pathSet>\
         <pathSet>parent</pathSet></propSet>\
         <propSet><type>ManagedEntity</type><pathSet>name</pathSet><pathSet>parent</pathSet></propSet>\
         <objectSet><obj type=\"VirtualMachine\">vm-57</obj><skip>false</skip>\
         <selectSet xsi:type=\"TraversalSpec\"><name>p</name><type>ManagedEntity</type><path>parent</path>\
         <skip>false</skip><selectSet><name>p</name></selectSet></selectSet></objectSet></specSet><options></options>\
         </RetrievePropertiesEx>"
    );
}

#[tokio::test]
async fn a_circle_of_parents_ends() {
    let objects = object("VirtualMachine", "vm-57", "web", Some(("Folder", "a")))
        + &object("Folder", "a", "a", Some(("Folder", "b")))
        + &object("Folder", "b", "b", Some(("Folder", "a")));
    let (_stage, session) = session_with([ok(&retrieved(&objects))]).await;
    let found = session.with_ancestors(&vm(), &["name"]).await.expect("found");
    assert_eq!(found.ancestors.iter().map(|above| above.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[tokio::test]
async fn all_pages_are_read() {
    let first = retrieved(&format!("<token>1</token>{}", object("Folder", "a", "a", None)));
    let last = retrieved(&object("VirtualMachine", "vm-57", "web", None))
        .replace("RetrievePropertiesExResponse", "ContinueRetrievePropertiesExResponse");
    let (server, session) = session_with([ok(&first), ok(&last)]).await;
    let found = session.properties(&vm(), &["name"]).await.expect("found");
    assert_eq!(found.first().map(|(_, value): &(String, Element)| value.text.as_str()), Some("web"));
    assert_eq!(
        sent(&server, 1),
        "<ContinueRetrievePropertiesEx xmlns=\"urn:vim25\"><_this type=\"PropertyCollector\">propertyCollector</_this>\
         <token>1</token></ContinueRetrievePropertiesEx>"
    );
}

#[tokio::test]
async fn an_empty_answer_finds_nothing() {
    let nothing = "<RetrievePropertiesExResponse xmlns=\"urn:vim25\"></RetrievePropertiesExResponse>";
    let (_stage, session) = session_with([ok(nothing), ok(nothing), ok(nothing)]).await;
    assert_eq!(session.properties(&vm(), &["name"]).await, Ok(Vec::new()));
    assert_eq!(session.with_ancestors(&vm(), &["name"]).await, Ok(super::super::Found::default()));
    assert_eq!(session.latest_page(&collector()).await, Ok(Vec::new()));
}
