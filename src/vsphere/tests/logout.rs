//! Logging out, and what is destroyed before.

use super::super::EventFilter;
use super::*;

const QUICK: Deadlines = Deadlines { logout: Duration::from_millis(600), ..LONG };

fn done(call: &str) -> Step {
    ok(&format!("<{call}Response xmlns=\"urn:vim25\"></{call}Response>"))
}

fn makes(call: &str, kind: &str, id: &str) -> Step {
    ok(&format!("<{call}Response xmlns=\"urn:vim25\"><returnval type=\"{kind}\">{id}</returnval></{call}Response>"))
}

fn calls(server: &ScriptedServer) -> Vec<String> {
    let bodies = server.requests().split_off(4);
    bodies.iter().map(|seen| body_of(seen).split([' ', '<']).nth(1).expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn what_a_session_made_is_destroyed_before_it_ends() {
    let (server, session) = session_with([
        makes("CreateCollectorForEvents", "EventHistoryCollector", "c-1"),
        makes("CreateCollectorForEvents", "EventHistoryCollector", "c-2"),
        done("DestroyCollector"),
        makes("CreatePropertyCollector", "PropertyCollector", "pc-1"),
        makes("CreateFilter", "PropertyFilter", "f-1"),
        done("CancelWaitForUpdates"),
        faults("RuntimeFault", "whatever happens here", ""),
        faults("RuntimeFault", "this does not prevent the log-out", ""),
        done("Logout"),
    ])
    .await;
    session.create_event_collector(&EventFilter::default(), None, 1).await.expect("made");
    let second = session.create_event_collector(&EventFilter::default(), None, 1).await.expect("made");
    session.destroy(&second).await.expect("destroyed");
    session.watch_page(&collector()).await.expect("a watch");
    session.logout().await.expect("out");

    let mut calls = calls(&server).split_off(5);
    calls[1..3].sort();
    assert_eq!(calls, ["CancelWaitForUpdates", "DestroyCollector", "DestroyPropertyCollector", "Logout"]);
    let destroyed: Vec<_> = server.requests().iter().map(|seen| seen.body.matches(">c-2</_this>").count()).collect();
    assert_eq!(destroyed.iter().sum::<usize>(), 1, "the second one was destroyed once");
}

#[tokio::test]
async fn logging_out_of_a_lost_session_succeeds() {
    let (_stage, session) = session_with([faults("NotAuthenticated", "", "")]).await;
    session.logout().await.expect("out");
}

#[tokio::test]
async fn a_vcenter_that_hangs_does_not_delay_the_log_out() {
    let made = makes("CreateCollectorForEvents", "EventHistoryCollector", "c-1");
    let (server, session) = session_within(QUICK, [made, Step::Stall, Step::Stall]).await;
    session.create_event_collector(&EventFilter::default(), None, 1).await.expect("made");
    let out = tokio::time::timeout(Duration::from_secs(15), session.logout()).await.expect("an end");
    assert_eq!(out.expect_err("too slow").fault().reason(), "timeout");
    assert_eq!(calls(&server), ["CreateCollectorForEvents", "DestroyCollector", "Logout"]);
}

#[tokio::test]
async fn a_waiting_call_does_not_block_the_others() {
    let (server, session) = session_with([
        makes("CreatePropertyCollector", "PropertyCollector", "pc-1"),
        makes("CreateFilter", "PropertyFilter", "f-1"),
        Step::Stall,
        done("CancelWaitForUpdates"),
        done("DestroyPropertyCollector"),
        done("Logout"),
    ])
    .await;
    let mut watched = session.watch_page(&collector()).await.expect("a watch");
    tokio::select! {
        answer = session.next_pages(&mut watched, Duration::from_secs(60)) => panic!("an answer: {answer:?}"),
        out = async {
            server.wait_for(7).await;
            session.logout().await
        } => out.expect("out"),
    }
    assert_eq!(calls(&server).last().map(String::as_str), Some("Logout"));
    assert_ne!(server.requests()[7].connection, server.requests()[6].connection);
}

#[tokio::test]
async fn only_objects_of_the_session_are_destroyed() {
    let (server, session) =
        session_with([faults("ManagedObjectNotFound", "", ""), faults("NotAuthenticated", "", "")]).await;
    let vm = "VirtualMachine:vm-57".parse().expect("a reference");
    assert_eq!(session.destroy(&vm).await.expect_err("a VM").fault().reason(), "refused");
    assert!(calls(&server).is_empty());
    session.destroy(&collector()).await.expect("an object that no longer exists counts as destroyed");
    assert_eq!(session.destroy(&collector()).await, Err(ApiError::SessionLost));
}
