//! A vCenter at its worst. Whatever it answers, the daemon lives, says why, and hears everything once it is over.

use tokio::time::{Duration, Instant};

use super::house::{caught_up, holds_exactly, holds_exactly_within, keeping, to_scripted, up};
use super::scripted::{Deaf, PASSWORD, Scripted, Trouble};
use crate::daemon::LIMIT;

/// What a session consists of, in the order in which it is asked for.
const ROAD: [&str; 8] = [
    "vimServiceVersions.xml",
    "RetrieveServiceContent",
    "Login",
    "CurrentTime",
    "CreateCollectorForEvents",
    "CreateFilter",
    "WaitForUpdatesEx",
    "ReadNextEvents",
];

/// Makes the trouble befall each request of the road in turn; after each, what happened meanwhile arrives.
async fn befalls_every_request(trouble: Trouble, road: &[&'static str]) {
    let vcenter = Scripted::start();
    let daemon = keeping(&to_scripted(&vcenter), PASSWORD).await;
    up(&daemon).await;
    let mut said = 0;
    for request in road {
        vcenter.befall(request, 0, trouble);
        vcenter.drop_sessions();
        vcenter.burst(said..said + 120);
        said += 120;
        let none_left = |vcenter: &Scripted| vcenter.troubles_left() == 0;
        vcenter.until(&format!("{trouble:?} at {request}"), none_left, LIMIT).await;
        holds_exactly(&daemon, 0..said).await;
        up(&daemon).await;
    }
    let held = vcenter.held();
    assert_eq!(held.sessions, 1, "{trouble:?}: {held:?}");
    assert!(held.most_collectors <= 3, "{trouble:?}: {held:?}");
    assert_eq!(vcenter.offences(), [""; 0], "{trouble:?}");
}

#[tokio::test]
async fn an_html_page_of_a_proxy_is_no_answer_anywhere() {
    befalls_every_request(Trouble::Html503, &ROAD).await;
}

#[tokio::test]
async fn an_answer_that_ends_in_mid_element_is_no_answer_anywhere() {
    befalls_every_request(Trouble::CutOff, &ROAD).await;
}

#[tokio::test]
async fn a_connection_that_ends_in_mid_answer_is_no_end_anywhere() {
    befalls_every_request(Trouble::Broken, &ROAD).await;
}

#[tokio::test]
async fn xml_that_would_fill_the_memory_is_refused_everywhere() {
    befalls_every_request(Trouble::Bomb, &ROAD[1..]).await;
    befalls_every_request(Trouble::Abyss, &ROAD[1..]).await;
}

#[tokio::test]
async fn a_fault_that_nobody_expects_is_survived_everywhere() {
    befalls_every_request(Trouble::Fault("SystemError"), &ROAD[1..]).await;
}

#[tokio::test]
async fn a_session_that_is_lost_in_mid_page_is_followed_by_another_that_goes_on_there() {
    let vcenter = Scripted::start();
    vcenter.burst(0..5_000);
    vcenter.befall("ReadNextEvents", 2, Trouble::LoggedOut);
    vcenter.befall("ReadNextEvents", 3, Trouble::LoggedOut);
    let daemon = keeping(&format!("{}\nfrom = \"beginning\"", to_scripted(&vcenter)), PASSWORD).await;
    holds_exactly(&daemon, 0..5_000).await;
    up(&daemon).await;
    assert_eq!(vcenter.troubles_left(), 0);
    let held = vcenter.held();
    assert_eq!((held.logins, held.refused_logins, held.sessions), (3, 0, 1), "{held:?}");
    assert_eq!(vcenter.offences(), [""; 0]);
}

#[tokio::test]
async fn a_session_that_dies_without_a_fault_is_noticed() {
    let vcenter = Scripted::start();
    let daemon = keeping(&to_scripted(&vcenter), PASSWORD).await;
    up(&daemon).await;
    vcenter.befall("RetrievePropertiesEx", 0, Trouble::LoggedOutQuietly);
    // More than the page holds, so that it is caught up with, and the latest page is looked at.
    vcenter.burst(0..500);
    vcenter.until("looked at", |vcenter| vcenter.troubles_left() == 0, LIMIT).await;
    vcenter.burst(500..600);
    holds_exactly(&daemon, 0..600).await;
    assert_eq!(vcenter.held().refused_logins, 0);
    assert_eq!(vcenter.offences(), [""; 0]);
}

#[tokio::test]
async fn collectors_that_are_taken_away_are_made_again() {
    let vcenter = Scripted::start();
    let daemon = keeping(&to_scripted(&vcenter), PASSWORD).await;
    up(&daemon).await;
    // Else it might read the first burst, and then each of the others, with a collector that it has already.
    caught_up(&vcenter).await;
    let mut said = 0;
    for request in ["ReadNextEvents", "WaitForUpdatesEx", "RetrievePropertiesEx", "DestroyCollector"] {
        vcenter.befall(request, 0, Trouble::Gone);
        vcenter.burst(said..said + 400);
        said += 400;
        vcenter.until(&format!("{request} befallen"), |vcenter| vcenter.troubles_left() == 0, LIMIT).await;
        holds_exactly(&daemon, 0..said).await;
        caught_up(&vcenter).await;
    }
    vcenter.befall("CreateCollectorForEvents", 0, Trouble::Fault("InvalidState"));
    vcenter.befall("WaitForUpdatesEx", 0, Trouble::Fault("InvalidCollectorVersion"));
    vcenter.burst(said..said + 400);
    said += 400;
    vcenter.until("befallen", |vcenter| vcenter.troubles_left() == 0, LIMIT).await;
    holds_exactly(&daemon, 0..said).await;
    assert!(vcenter.held().most_collectors <= 3, "{:?}", vcenter.held());
}

#[tokio::test]
async fn forty_sessions_one_after_the_other_leave_nothing_behind() {
    let vcenter = Scripted::start();
    let mut daemon = keeping(&to_scripted(&vcenter), PASSWORD).await;
    for round in 1..=40 {
        vcenter
            .until("logged in", |vcenter| vcenter.asked("WaitForUpdatesEx") > 0 && vcenter.held().sessions == 1, LIMIT)
            .await;
        up(&daemon).await;
        vcenter.burst(round - 1..round);
        vcenter.drop_sessions();
        holds_exactly(&daemon, 0..round).await;
    }
    up(&daemon).await;
    assert!(daemon.stop().await.success());
    let held = vcenter.held();
    assert_eq!((held.sessions, held.collectors, held.refused_logins), (0, 0, 0), "{held:?}");
    assert!(held.most_collectors <= 3, "{held:?}");
}

#[tokio::test]
async fn a_reading_that_is_deaf_from_the_start_is_not_believed() {
    let vcenter = Scripted::start();
    let daemon = keeping(&to_scripted(&vcenter), PASSWORD).await;
    up(&daemon).await;
    vcenter.go_deaf(Deaf::Reads);
    for round in 1..=3 {
        vcenter.burst(150 * (round - 1)..150 * round);
        holds_exactly(&daemon, 0..150 * round).await;
    }
}

#[tokio::test]
async fn a_stop_in_the_middle_of_logging_in_leaves_no_session_behind() {
    let vcenter = Scripted::start();
    // The session is there; what is asked in it first gets no answer.
    vcenter.befall("CurrentTime", 0, Trouble::Hang);
    let mut daemon = keeping(&to_scripted(&vcenter), PASSWORD).await;
    vcenter.until("hanging", |vcenter| vcenter.troubles_left() == 0, LIMIT).await;
    assert_eq!(vcenter.held().sessions, 1);
    assert!(daemon.stop().await.success());
    let held = vcenter.held();
    assert_eq!((held.sessions, held.logouts), (0, 1), "{held:?}:\n{}", daemon.log());
}

/// Nobody but an audit finds a deaf tail, and those are far apart; but no event is lost by it.
#[tokio::test]
async fn what_a_deaf_tail_did_not_say_is_read_in_the_next_session() {
    let vcenter = Scripted::start();
    let daemon = keeping(&to_scripted(&vcenter), PASSWORD).await;
    up(&daemon).await;
    vcenter.burst(0..10);
    holds_exactly(&daemon, 0..10).await;
    vcenter.go_deaf(Deaf::Waits);
    vcenter.burst(10..300);
    vcenter.drop_sessions();
    holds_exactly(&daemon, 0..300).await;
}

/// The deadlines are the daemon's own, so this one takes its time; it only waits.
#[tokio::test]
async fn a_vcenter_that_falls_silent_is_left_for_a_new_connection() {
    let silent = |request: &'static str| async move {
        let vcenter = Scripted::start();
        let daemon = keeping(&to_scripted(&vcenter), PASSWORD).await;
        up(&daemon).await;
        vcenter.befall(request, 0, Trouble::Hang);
        if request != "WaitForUpdatesEx" {
            vcenter.drop_sessions();
        }
        vcenter.burst(0..150);
        vcenter.until(request, |vcenter| vcenter.troubles_left() == 0, LIMIT).await;
        let began = Instant::now();
        holds_exactly_within(&daemon, 0..150, Duration::from_secs(45)).await;
        println!("{request}: heard again after {:?}", began.elapsed());
    };
    tokio::join!(silent("Login"), silent("CreateFilter"), silent("WaitForUpdatesEx"));
}
