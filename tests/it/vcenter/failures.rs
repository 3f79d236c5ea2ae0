//! A vCenter that fails in every way. The daemon survives, logs the cause, and reads everything afterwards.

use tokio::time::{Duration, Instant};

use super::harness::{assert_stored, assert_stored_within, scripted_source, start_relaying, until_caught_up, until_up};
use super::scripted::{Failure, PASSWORD, ScriptedVcenter, Stall};
use crate::daemon::LIMIT;

/// The calls of a session, in their order.
const CALLS: [&str; 8] = [
    "vimServiceVersions.xml",
    "RetrieveServiceContent",
    "Login",
    "CurrentTime",
    "CreateCollectorForEvents",
    "CreateFilter",
    "WaitForUpdatesEx",
    "ReadNextEvents",
];

/// Lets each of these calls fail in turn; after each failure, everything that happened meanwhile is stored.
async fn every_call_fails_with(failure: Failure, calls: &[&'static str]) {
    let vcenter = ScriptedVcenter::start();
    let daemon = start_relaying(&scripted_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    let mut total = 0;
    for request in calls {
        vcenter.fail(request, 0, failure);
        vcenter.drop_sessions();
        vcenter.burst(total..total + 120);
        total += 120;
        let none_left = |vcenter: &ScriptedVcenter| vcenter.failures_left() == 0;
        vcenter.until(&format!("{failure:?} at {request}"), none_left, LIMIT).await;
        assert_stored(&daemon, 0..total).await;
        until_up(&daemon).await;
    }
    let usage = vcenter.usage();
    assert_eq!(usage.sessions, 1, "{failure:?}: {usage:?}");
    assert!(usage.most_collectors <= 3, "{failure:?}: {usage:?}");
    assert_eq!(vcenter.violations(), [""; 0], "{failure:?}");
}

#[tokio::test]
async fn an_html_page_of_a_proxy_is_survived_at_every_call() {
    every_call_fails_with(Failure::Html503, &CALLS).await;
}

#[tokio::test]
async fn truncated_xml_is_survived_at_every_call() {
    every_call_fails_with(Failure::CutOff, &CALLS).await;
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_survived_at_every_call() {
    every_call_fails_with(Failure::Broken, &CALLS).await;
}

#[tokio::test]
async fn xml_that_would_fill_the_memory_is_refused_at_every_call() {
    every_call_fails_with(Failure::EntityBomb, &CALLS[1..]).await;
    every_call_fails_with(Failure::DeepNesting, &CALLS[1..]).await;
}

#[tokio::test]
async fn an_unexpected_fault_is_survived_at_every_call() {
    every_call_fails_with(Failure::Fault("SystemError"), &CALLS[1..]).await;
}

#[tokio::test]
async fn a_session_that_is_lost_within_a_page_is_resumed_there() {
    let vcenter = ScriptedVcenter::start();
    vcenter.burst(0..5_000);
    vcenter.fail("ReadNextEvents", 2, Failure::LoggedOut);
    vcenter.fail("ReadNextEvents", 3, Failure::LoggedOut);
    let daemon = start_relaying(&format!("{}\nfrom = \"beginning\"", scripted_source(&vcenter)), PASSWORD).await;
    assert_stored(&daemon, 0..5_000).await;
    until_up(&daemon).await;
    assert_eq!(vcenter.failures_left(), 0);
    let usage = vcenter.usage();
    assert_eq!((usage.logins, usage.refused_logins, usage.sessions), (3, 0, 1), "{usage:?}");
    assert_eq!(vcenter.violations(), [""; 0]);
}

#[tokio::test]
async fn a_session_that_is_lost_without_a_fault_is_noticed() {
    let vcenter = ScriptedVcenter::start();
    let daemon = start_relaying(&scripted_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    vcenter.fail("RetrievePropertiesEx", 0, Failure::LoggedOutInMissingSet);
    // More than the page holds, so that a catch-up reads the latest page.
    vcenter.burst(0..500);
    vcenter.until("latest page read", |vcenter| vcenter.failures_left() == 0, LIMIT).await;
    vcenter.burst(500..600);
    assert_stored(&daemon, 0..600).await;
    assert_eq!(vcenter.usage().refused_logins, 0);
    assert_eq!(vcenter.violations(), [""; 0]);
}

#[tokio::test]
async fn dropped_collectors_are_replaced() {
    let vcenter = ScriptedVcenter::start();
    let daemon = start_relaying(&scripted_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    // Otherwise an existing collector might read the bursts.
    until_caught_up(&vcenter).await;
    let mut total = 0;
    for request in ["ReadNextEvents", "WaitForUpdatesEx", "RetrievePropertiesEx", "DestroyCollector"] {
        vcenter.fail(request, 0, Failure::Gone);
        vcenter.burst(total..total + 400);
        total += 400;
        vcenter.until(&format!("{request} failed"), |vcenter| vcenter.failures_left() == 0, LIMIT).await;
        assert_stored(&daemon, 0..total).await;
        until_caught_up(&vcenter).await;
    }
    vcenter.fail("CreateCollectorForEvents", 0, Failure::Fault("InvalidState"));
    vcenter.fail("WaitForUpdatesEx", 0, Failure::Fault("InvalidCollectorVersion"));
    vcenter.burst(total..total + 400);
    total += 400;
    vcenter.until("failed", |vcenter| vcenter.failures_left() == 0, LIMIT).await;
    assert_stored(&daemon, 0..total).await;
    assert!(vcenter.usage().most_collectors <= 3, "{:?}", vcenter.usage());
}

#[tokio::test]
async fn forty_sessions_leave_nothing_behind() {
    let vcenter = ScriptedVcenter::start();
    let mut daemon = start_relaying(&scripted_source(&vcenter), PASSWORD).await;
    for round in 1..=40 {
        vcenter
            .until("logged in", |vcenter| vcenter.calls("WaitForUpdatesEx") > 0 && vcenter.usage().sessions == 1, LIMIT)
            .await;
        until_up(&daemon).await;
        vcenter.burst(round - 1..round);
        vcenter.drop_sessions();
        assert_stored(&daemon, 0..round).await;
    }
    until_up(&daemon).await;
    assert!(daemon.stop().await.success());
    let usage = vcenter.usage();
    assert_eq!((usage.sessions, usage.collectors, usage.refused_logins), (0, 0, 0), "{usage:?}");
    assert!(usage.most_collectors <= 3, "{usage:?}");
}

#[tokio::test]
async fn a_collector_that_returns_nothing_from_the_start_is_replaced() {
    let vcenter = ScriptedVcenter::start();
    let daemon = start_relaying(&scripted_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    vcenter.stall(Stall::Reads);
    for round in 1..=3 {
        vcenter.burst(150 * (round - 1)..150 * round);
        assert_stored(&daemon, 0..150 * round).await;
    }
}

#[tokio::test]
async fn a_stop_during_the_log_in_leaves_no_session_behind() {
    let vcenter = ScriptedVcenter::start();
    // The session exists; its first call gets no answer.
    vcenter.fail("CurrentTime", 0, Failure::Hang);
    let mut daemon = start_relaying(&scripted_source(&vcenter), PASSWORD).await;
    vcenter.until("hanging", |vcenter| vcenter.failures_left() == 0, LIMIT).await;
    assert_eq!(vcenter.usage().sessions, 1);
    assert!(daemon.stop().await.success());
    let usage = vcenter.usage();
    assert_eq!((usage.sessions, usage.logouts), (0, 1), "{usage:?}:\n{}", daemon.log());
}

/// Only an audit finds a stalled tail, and audits are rare. The next session reads what the tail missed.
#[tokio::test]
async fn what_a_stalled_tail_missed_is_read_in_the_next_session() {
    let vcenter = ScriptedVcenter::start();
    let daemon = start_relaying(&scripted_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    vcenter.burst(0..10);
    assert_stored(&daemon, 0..10).await;
    vcenter.stall(Stall::Waits);
    vcenter.burst(10..300);
    vcenter.drop_sessions();
    assert_stored(&daemon, 0..300).await;
}

/// Takes long, since it waits for the daemon's own deadlines.
#[tokio::test]
async fn a_call_without_an_answer_is_given_up_for_a_new_connection() {
    let silent = |request: &'static str| async move {
        let vcenter = ScriptedVcenter::start();
        let daemon = start_relaying(&scripted_source(&vcenter), PASSWORD).await;
        until_up(&daemon).await;
        vcenter.fail(request, 0, Failure::Hang);
        if request != "WaitForUpdatesEx" {
            vcenter.drop_sessions();
        }
        vcenter.burst(0..150);
        vcenter.until(request, |vcenter| vcenter.failures_left() == 0, LIMIT).await;
        let began = Instant::now();
        assert_stored_within(&daemon, 0..150, Duration::from_secs(45)).await;
        println!("{request}: read again after {:?}", began.elapsed());
    };
    tokio::join!(silent("Login"), silent("CreateFilter"), silent("WaitForUpdatesEx"));
}
