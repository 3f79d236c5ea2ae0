//! Collectors, their pages and waiting for changes.

use super::super::EventFilter;
use super::*;

const NO_FILTER: EventFilter = EventFilter { entity: None, types: Vec::new(), users: Vec::new() };

fn makes(call: &str, kind: &str, id: &str) -> Step {
    ok(&format!("<{call}Response xmlns=\"urn:vim25\"><returnval type=\"{kind}\">{id}</returnval></{call}Response>"))
}

fn collector_made() -> Step {
    makes("CreateCollectorForEvents", "EventHistoryCollector", &collector().id)
}

/// A watch whose first two calls are answered.
async fn watching(acts: impl IntoIterator<Item = Step>) -> (ScriptedServer, Session, super::super::PageWatch) {
    let made = [
        makes("CreatePropertyCollector", "PropertyCollector", &format!("session[{KEY}]9fded99f")),
        makes("CreateFilter", "PropertyFilter", &format!("session[{KEY}]168dbeb2")),
    ];
    let (server, session) = session_with(made.into_iter().chain(acts)).await;
    let watch = session.watch_page(&collector()).await.expect("a watch");
    (server, session, watch)
}

#[tokio::test]
async fn a_collector_is_created_with_its_filter_in_the_order_of_the_wsdl() {
    let (server, session) = session_with([collector_made(), collector_made()]).await;
    let begin = "2020-01-01T00:00:00.5+02:00".parse().expect("a time");
    let everything = EventFilter {
        entity: session.service("rootFolder").ok(),
        types: vec!["VmEvent".to_owned(), "com.vmware.vc.<HA>".to_owned()],
        users: vec!["ops & co".to_owned()],
    };
    assert_eq!(session.create_event_collector(&everything, Some(begin), 1000).await.expect("made"), collector());
    session.create_event_collector(&NO_FILTER, None, 100).await.expect("made");
    assert_eq!(
        sent(&server, 0),
        "<CreateCollectorForEvents xmlns=\"urn:vim25\"><_this type=\"EventManager\">EventManager</_this><filter>\
         <entity><entity type=\"Folder\">group-d1</entity><recursion>all</recursion></entity>\
         <time><beginTime>2019-12-31T22:00:00.5Z</beginTime></time>\
         <userName><systemUser>false</systemUser><userList>ops &amp; co</userList></userName>\
         <disableFullMessage>false</disableFullMessage>\
         <eventTypeId>VmEvent</eventTypeId><eventTypeId>com.vmware.vc.&lt;HA&gt;</eventTypeId>\
         <maxCount>1000</maxCount></filter></CreateCollectorForEvents>"
    );
    assert_eq!(
        sent(&server, 1),
        "<CreateCollectorForEvents xmlns=\"urn:vim25\"><_this type=\"EventManager\">EventManager</_this><filter>\
         <disableFullMessage>false</disableFullMessage><maxCount>100</maxCount></filter></CreateCollectorForEvents>"
    );
}

#[tokio::test]
async fn events_are_read_to_the_end_and_unknown_ones_pass() {
    let end = "<ReadNextEventsResponse xmlns=\"urn:vim25\"></ReadNextEventsResponse>";
    let (server, session) = session_with([ok(captured::NEXT), ok(end)]).await;
    let events = session.read_next_events(&collector(), 1000).await.expect("events");
    let classes: Vec<_> = events.iter().map(|event| event.class.as_deref().expect("a class")).collect();
    assert_eq!(classes, ["VmPoweredOnEvent", "VmShinyNewEvent"]);
    let vm = events[0].child("vm").expect("a VM");
    assert_eq!(vm.text_of("name"), Some("DC0_C0_RP0_VM1"));
    assert_eq!(vm.child("vm").and_then(super::super::Element::reference), "VirtualMachine:vm-66".parse().ok());
    assert_eq!(events[0].text_of("userName"), Some(""));
    assert_eq!(events[1].child("brandNewField").and_then(|field| field.text_of("deep")), Some("x"));
    assert!(session.read_next_events(&collector(), 1000).await.expect("the end").is_empty());
    assert_eq!(
        sent(&server, 0),
        format!(
            "<ReadNextEvents xmlns=\"urn:vim25\"><_this type=\"EventHistoryCollector\">session[{KEY}]4d6fb4d0</_this>\
             <maxCount>1000</maxCount></ReadNextEvents>"
        )
    );
}

#[tokio::test]
async fn the_latest_page_is_a_property() {
    let (server, session) = session_with([ok(captured::PAGE)]).await;
    let page = session.latest_page(&collector()).await.expect("a page");
    let seen: Vec<_> = page.iter().map(|event| (event.class.as_deref(), event.text_of("key"))).collect();
    assert_eq!(seen, [(Some("VmRemovedEvent"), Some("48")), (Some("VmStartingEvent"), Some("47"))]);
    assert_eq!(
        sent(&server, 0),
        format!(
            "<RetrievePropertiesEx xmlns=\"urn:vim25\"><_this type=\"PropertyCollector\">propertyCollector</_this>\
             <specSet><propSet><type>EventHistoryCollector</type><pathSet>latestPage</pathSet></propSet><objectSet>\
             <obj type=\"EventHistoryCollector\">session[{KEY}]4d6fb4d0</obj></objectSet></specSet><options></options>\
             </RetrievePropertiesEx>"
        )
    );
}

#[tokio::test]
async fn waiting_for_a_page_sends_the_last_version() {
    let acts = [ok(captured::UPDATE), ok(captured::NO_UPDATE), ok(captured::UPDATE)];
    let (server, session, mut watch) = watching(acts).await;
    let wait = Duration::from_secs(60);
    let pages = session.next_pages(&mut watch, wait).await.expect("an answer").expect("pages");
    let keys: Vec<Vec<_>> =
        pages.iter().map(|page| page.iter().filter_map(|event| event.text_of("key")).collect()).collect();
    assert_eq!(keys, [vec!["29", "28"], vec!["30"]]);
    assert_eq!(pages[1][0].class.as_deref(), Some("VmPoweredOnEvent"));
    assert_eq!(session.next_pages(&mut watch, wait).await.expect("an answer"), None);
    session.next_pages(&mut watch, Duration::from_millis(1500)).await.expect("an answer");

    let this = format!("<_this type=\"PropertyCollector\">session[{KEY}]9fded99f</_this>");
    assert_eq!(
        sent(&server, 0),
        "<CreatePropertyCollector xmlns=\"urn:vim25\"><_this type=\"PropertyCollector\">propertyCollector</_this>\
         </CreatePropertyCollector>"
    );
    assert_eq!(
        sent(&server, 1),
        format!(
            "<CreateFilter xmlns=\"urn:vim25\">{this}<spec><propSet><type>EventHistoryCollector</type>\
             <pathSet>latestPage</pathSet></propSet><objectSet>\
             <obj type=\"EventHistoryCollector\">session[{KEY}]4d6fb4d0</obj></objectSet></spec>\
             <partialUpdates>false</partialUpdates></CreateFilter>"
        )
    );
    for (at, version, seconds) in [(2, "", 60), (3, "17", 60), (4, "17", 2)] {
        assert_eq!(
            sent(&server, at),
            format!(
                "<WaitForUpdatesEx xmlns=\"urn:vim25\">{this}<version>{version}</version><options>\
                 <maxWaitSeconds>{seconds}</maxWaitSeconds><maxObjectUpdates>100</maxObjectUpdates></options>\
                 </WaitForUpdatesEx>"
            )
        );
    }
}

#[tokio::test]
async fn a_lost_version_starts_over() {
    let acts = [ok(captured::UPDATE), faults("InvalidCollectorVersion", "", ""), ok(captured::UPDATE)];
    let (server, session, mut watch) = watching(acts).await;
    for _ in 0..2 {
        session.next_pages(&mut watch, Duration::from_secs(1)).await.expect("an answer").expect("pages");
    }
    assert!(sent(&server, 3).contains("<version>17</version>"));
    assert!(sent(&server, 4).contains("<version></version>"));
}

#[tokio::test]
async fn a_watch_that_gets_no_filter_is_destroyed() {
    let acts = [
        makes("CreatePropertyCollector", "PropertyCollector", "pc-1"),
        faults("ManagedObjectNotFound", "", ""),
        ok("<DestroyPropertyCollectorResponse xmlns=\"urn:vim25\"></DestroyPropertyCollectorResponse>"),
    ];
    let (server, session) = session_with(acts).await;
    let error = session.watch_page(&collector()).await.expect_err("no such collector");
    assert!(matches!(error, ApiError::NotFound(_)), "{error:?}");
    assert!(sent(&server, 2).starts_with("<DestroyPropertyCollector "));
}

#[tokio::test]
async fn the_errors_of_a_watch_are_told_apart() {
    let missing = |class: &str| {
        captured::UPDATE.replace(
            "</objectSet>",
            &format!("</objectSet><missingSet><fault><fault xsi:type=\"{class}\"/></fault></missingSet>"),
        )
    };
    let acts = [
        ok(&missing("NotAuthenticated")),
        ok(&captured::UPDATE.replace("<kind>modify", "<kind>leave")),
        faults("RequestCanceled", "", ""),
        faults("NotAuthenticated", "", "<privilegeId>System.View</privilegeId>"),
        ok(&captured::UPDATE.replace("<name>latestPage</name>", "<name>filter</name>")),
    ];
    let (_stage, session, mut watch) = watching(acts).await;
    let wait = Duration::from_secs(1);
    assert_eq!(session.next_pages(&mut watch, wait).await, Err(ApiError::SessionLost));
    assert!(matches!(session.next_pages(&mut watch, wait).await, Err(ApiError::NotFound(_))));
    let canceled = session.next_pages(&mut watch, wait).await.expect_err("canceled");
    assert!(matches!(&canceled, ApiError::Server { name, .. } if name == "RequestCanceled"), "{canceled:?}");
    assert_eq!(session.next_pages(&mut watch, wait).await, Err(ApiError::SessionLost));
    assert_eq!(session.next_pages(&mut watch, wait).await, Ok(Some(Vec::new())));
}

#[tokio::test]
async fn a_message_is_added_to_the_history() {
    let (server, session) =
        session_with([ok("<LogUserEventResponse xmlns=\"urn:vim25\"></LogUserEventResponse>")]).await;
    let vm = "VirtualMachine:vm-57".parse().expect("a reference");
    session.log_user_event(&vm, "powered off by <ana> & co").await.expect("written");
    assert_eq!(
        sent(&server, 0),
        "<LogUserEvent xmlns=\"urn:vim25\"><_this type=\"EventManager\">EventManager</_this>\
         <entity type=\"VirtualMachine\">vm-57</entity><msg>powered off by &lt;ana&gt; &amp; co</msg></LogUserEvent>"
    );
}

#[tokio::test]
async fn an_update_that_is_too_large_is_refused_but_a_first_page_of_that_size_is_not() {
    let many = captured::UPDATE.replace("</returnval>", &format!("{}</returnval>", "<filterSet/>".repeat(400_000)));
    let (_stage, session, mut watch) = watching([ok(&many), ok(&many)]).await;
    let wait = Duration::from_secs(1);
    assert!(matches!(session.next_pages(&mut watch, wait).await, Ok(Some(_))));
    let refused = session.next_pages(&mut watch, wait).await.expect_err("too many");
    assert_eq!(refused.fault().reason(), "too_large");
}
