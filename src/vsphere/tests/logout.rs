//! Going out, and what is destroyed on the way.

use super::super::EventFilter;
use super::*;

const QUICK: Deadlines = Deadlines { goodbye: Duration::from_millis(600), ..PATIENT };

fn done(call: &str) -> Step {
    says(&format!("<{call}Response xmlns=\"urn:vim25\"></{call}Response>"))
}

fn makes(call: &str, kind: &str, id: &str) -> Step {
    says(&format!("<{call}Response xmlns=\"urn:vim25\"><returnval type=\"{kind}\">{id}</returnval></{call}Response>"))
}

fn filter() -> EventFilter {
    EventFilter { begin: None, most: 1, entity: None, types: Vec::new(), users: Vec::new() }
}

fn calls(server: &ScriptedServer) -> Vec<String> {
    let bodies = server.requests().split_off(4);
    bodies.iter().map(|seen| body_of(seen).split([' ', '<']).nth(1).expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn what_a_session_made_is_destroyed_before_it_ends() {
    let (server, session) = entered([
        makes("CreateCollectorForEvents", "EventHistoryCollector", "c-1"),
        makes("CreateCollectorForEvents", "EventHistoryCollector", "c-2"),
        done("DestroyCollector"),
        makes("CreatePropertyCollector", "PropertyCollector", "pc-1"),
        makes("CreateFilter", "PropertyFilter", "f-1"),
        done("CancelWaitForUpdates"),
        faults("RuntimeFault", "whatever happens here", ""),
        faults("RuntimeFault", "nothing keeps us from going", ""),
        done("Logout"),
    ])
    .await;
    session.create_event_collector(&filter()).await.expect("made");
    let second = session.create_event_collector(&filter()).await.expect("made");
    session.destroy(&second).await.expect("destroyed");
    session.watch_page(&collector()).await.expect("watched");
    session.logout().await.expect("out");

    let mut calls = calls(&server).split_off(5);
    calls[1..3].sort();
    assert_eq!(calls, ["CancelWaitForUpdates", "DestroyCollector", "DestroyPropertyCollector", "Logout"]);
    let destroyed: Vec<_> = server.requests().iter().map(|seen| seen.body.matches(">c-2</_this>").count()).collect();
    assert_eq!(destroyed.iter().sum::<usize>(), 1, "the second one was destroyed once");
}

#[tokio::test]
async fn a_session_that_is_gone_is_as_good_as_left() {
    let (_server, session) = entered([faults("NotAuthenticated", "", "")]).await;
    session.logout().await.expect("out");
}

#[tokio::test]
async fn a_vcenter_that_hangs_does_not_keep_us() {
    let made = makes("CreateCollectorForEvents", "EventHistoryCollector", "c-1");
    let (server, session) = entered_with(QUICK, [made, Step::Stall, Step::Stall]).await;
    session.create_event_collector(&filter()).await.expect("made");
    let out = tokio::time::timeout(Duration::from_secs(15), session.logout()).await.expect("an end");
    assert_eq!(out.expect_err("too slow").fault().reason(), "timeout");
    assert_eq!(calls(&server), ["CreateCollectorForEvents", "DestroyCollector", "Logout"]);
}

#[tokio::test]
async fn a_waiting_call_does_not_hinder_the_others() {
    let (server, session) = entered([
        makes("CreatePropertyCollector", "PropertyCollector", "pc-1"),
        makes("CreateFilter", "PropertyFilter", "f-1"),
        Step::Stall,
        done("CancelWaitForUpdates"),
        done("DestroyPropertyCollector"),
        done("Logout"),
    ])
    .await;
    let mut watched = session.watch_page(&collector()).await.expect("watched");
    tokio::select! {
        answer = session.next_pages(&mut watched, Duration::from_secs(60)) => panic!("nobody answers: {answer:?}"),
        out = async {
            server.wait_for(7).await;
            session.logout().await
        } => out.expect("out"),
    }
    assert_eq!(calls(&server).last().map(String::as_str), Some("Logout"));
    assert_ne!(server.requests()[7].connection, server.requests()[6].connection);
}

#[tokio::test]
async fn only_what_a_session_made_is_destroyed() {
    let (server, session) =
        entered([faults("ManagedObjectNotFound", "", ""), faults("NotAuthenticated", "", "")]).await;
    let vm = "VirtualMachine:vm-57".parse().expect("a reference");
    assert_eq!(session.destroy(&vm).await.expect_err("a VM").fault().reason(), "refused");
    assert!(calls(&server).is_empty());
    session.destroy(&collector()).await.expect("what is gone is destroyed");
    assert_eq!(session.destroy(&collector()).await, Err(Trouble::LoggedOut));
}
