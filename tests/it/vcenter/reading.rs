//! No event is lost or repeated, whatever happens to keys, clocks, processes and the history itself.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tidings::demo::standins::PagerDuty;

use super::harness::{
    self, OPS_SINK, RELAY_ALL, assert_stored, assert_stored_within, column, config_for, scripted_source,
    start_relaying, stored, until_caught_up, until_logged, until_stored, until_up,
};
use super::scripted::{Failure, LogEvents, PASSWORD, ScriptedVcenter};
use crate::daemon::{Daemon, LIMIT, sqlite};
use crate::pagerduty;
use crate::slack;

#[tokio::test]
async fn a_daemon_killed_in_a_burst_of_five_thousand_has_every_event_once() {
    let vcenter = ScriptedVcenter::start();
    let mut daemon = start_relaying(&scripted_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    vcenter.burst(0..5_000);
    for enough in [1, 1_500, 3_000] {
        until_stored(&daemon, enough, LIMIT).await;
        daemon.kill().await;
        daemon.start_again().await;
    }
    assert_stored(&daemon, 0..5_000).await;
    assert_eq!(vcenter.violations(), [""; 0]);
}

#[tokio::test]
async fn a_burst_of_a_hundred_thousand_is_stored_whole_and_in_order_in_little_memory() {
    const EVENTS: usize = 100_000;
    let vcenter = ScriptedVcenter::start();
    let daemon = start_relaying(&scripted_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    vcenter.burst(0..EVENTS);
    assert_stored_within(&daemon, 0..EVENTS, 8 * LIMIT).await;
    assert!(stored(&daemon).is_sorted());
    let peak = daemon.peak_memory_kib();
    println!("peak memory {peak} KiB");
    assert!(peak < 150 << 10, "{peak} KiB: more than a few pages were in memory");
    assert_eq!(vcenter.violations(), [""; 0]);
}

#[tokio::test]
async fn keys_may_overflow_and_restart_and_nothing_is_lost_or_repeated() {
    let vcenter = ScriptedVcenter::start();
    vcenter.next_key(i32::MAX - 60);
    let mut daemon = start_relaying(&scripted_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    vcenter.burst(0..50);
    assert_stored(&daemon, 0..50).await;
    vcenter.burst(50..250);
    assert_stored(&daemon, 0..250).await;
    assert_eq!(column(&daemon, "count(*)", "json_extract(body, '$.key') < 0"), ["189"]);
    daemon.kill().await;
    vcenter.burst(250..400);
    daemon.start_again().await;
    assert_stored(&daemon, 0..400).await;
    // A restored database: the same keys again.
    vcenter.next_key(i32::MAX - 60);
    vcenter.burst(400..600);
    assert_stored(&daemon, 0..600).await;
}

#[tokio::test]
async fn the_first_start_begins_where_from_says_by_the_servers_clock() {
    let vcenter = ScriptedVcenter::start();
    vcenter.set_clock_ahead(SignedDuration::from_hours(-3));
    vcenter.burst(0..10);
    vcenter.set_clock_ahead(SignedDuration::from_mins(-90));
    vcenter.burst(10..20);
    vcenter.set_clock_ahead(SignedDuration::from_hours(-1));
    let source = |from: &str| format!("{}\nfrom = \"{from}\"", scripted_source(&vcenter));
    // The default is now.
    let now = start_relaying(&scripted_source(&vcenter), PASSWORD).await;
    let an_hour = start_relaying(&source("1h"), PASSWORD).await;
    let beginning = start_relaying(&source("beginning"), PASSWORD).await;
    for daemon in [&now, &an_hour, &beginning] {
        until_up(daemon).await;
    }
    vcenter.burst(20..25);
    assert_stored(&now, 20..25).await;
    assert_stored(&an_hour, 10..25).await;
    assert_stored(&beginning, 0..25).await;
}

#[tokio::test]
async fn what_happens_while_the_daemon_is_down_is_read_at_the_next_start() {
    let vcenter = ScriptedVcenter::start();
    let mut daemon = start_relaying(&scripted_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    // No event came before the stop.
    assert!(daemon.stop().await.success());
    let usage = vcenter.usage();
    assert_eq!((usage.sessions, usage.collectors, usage.logouts), (0, 0, 1), "a planned stop leaves nothing behind");
    vcenter.burst(0..1_500);
    daemon.start_again().await;
    assert_stored(&daemon, 0..1_500).await;
    assert!(daemon.stop().await.success());
    vcenter.burst(1_500..1_501);
    daemon.start_again().await;
    assert_stored(&daemon, 0..1_501).await;
    assert!(daemon.stop().await.success());
    assert_eq!(vcenter.usage().sessions, 0);
    assert_eq!(vcenter.violations(), [""; 0]);
}

#[tokio::test]
async fn purged_events_are_reported_as_a_gap() {
    let vcenter = ScriptedVcenter::start();
    let slack = slack::start();
    let config = format!("{}{OPS_SINK}{RELAY_ALL}", config_for(&scripted_source(&vcenter), "notify = \"ops\""));
    let mut daemon = harness::start_with_slack(&config, PASSWORD, &slack).await;
    until_up(&daemon).await;
    vcenter.burst(0..10);
    assert_stored(&daemon, 0..10).await;
    daemon.kill().await;
    vcenter.burst(10..100);
    vcenter.purge_all_but(40);
    daemon.start_again().await;
    let text = slack.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log())).text;
    let why = "source.gap vc: vCenter no longer has what followed the last event that was read (50 events, ";
    assert!(text.starts_with(why) && text.ends_with("Z)"), "{text}");
    let data = sqlite(&daemon.state_file(), "select body from events where type = 'source.gap'");
    let data: serde_json::Value = serde_json::from_str(&data).expect("one gap");
    assert_eq!(data["events"], 50, "{data}");
    let time = |name: &str| data[name].as_str().and_then(|time| time.parse::<Timestamp>().ok()).expect("a time");
    assert!(time("from") <= time("to"), "{data}");
    until_stored(&daemon, 50, LIMIT).await;
    assert_eq!(stored(&daemon), (0..10).chain(60..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_clock_that_is_set_back_hides_no_event() {
    let vcenter = ScriptedVcenter::start();
    let mut daemon = start_relaying(&scripted_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    vcenter.burst(0..120);
    assert_stored(&daemon, 0..120).await;
    daemon.kill().await;
    vcenter.set_clock_ahead(SignedDuration::from_hours(-2));
    vcenter.burst(120..300);
    daemon.start_again().await;
    assert_stored(&daemon, 0..300).await;
    vcenter.burst(300..350);
    assert_stored(&daemon, 0..350).await;
}

#[tokio::test]
async fn a_collector_that_returns_nothing_too_early_is_replaced() {
    let vcenter = ScriptedVcenter::start();
    let slack = slack::start();
    let config = format!("{}{OPS_SINK}{RELAY_ALL}", config_for(&scripted_source(&vcenter), "notify = \"ops\""));
    let daemon = harness::start_with_slack(&config, PASSWORD, &slack).await;
    until_caught_up(&vcenter).await;
    // Every third page is empty: more events are skipped than the latest page shows.
    for after in [2, 2, 2] {
        vcenter.fail("ReadNextEvents", after, Failure::Empty);
    }
    vcenter.burst(0..5_000);
    assert_stored(&daemon, 0..5_000).await;
    assert_eq!(slack.posts().len(), 0, "there was no gap: {:?}", slack.posts());
}

#[tokio::test]
async fn a_burst_between_the_last_reading_and_the_latest_page_is_not_a_gap() {
    let vcenter = ScriptedVcenter::start();
    let slack = slack::start();
    // More than the page shows: first when nothing was read before, then when something was.
    vcenter.fail("RetrievePropertiesEx", 0, Failure::Burst(0, 2_500));
    let config = format!("{}{OPS_SINK}{RELAY_ALL}", config_for(&scripted_source(&vcenter), "notify = \"ops\""));
    let daemon = harness::start_with_slack(&config, PASSWORD, &slack).await;
    assert_stored(&daemon, 0..2_500).await;
    until_caught_up(&vcenter).await;
    vcenter.fail("RetrievePropertiesEx", 0, Failure::Burst(2_700, 5_000));
    vcenter.burst(2_500..2_700);
    assert_stored(&daemon, 0..5_000).await;
    assert_eq!(slack.posts().len(), 0, "there was no gap: {:?}", slack.posts());
}

#[tokio::test]
async fn a_canary_is_not_relayed() {
    let vcenter = ScriptedVcenter::start();
    let daemon = start_relaying(&format!("{}\ncanary = \"1s\"", scripted_source(&vcenter)), PASSWORD).await;
    until_up(&daemon).await;
    vcenter.until("two canaries sent", |vcenter| vcenter.calls("LogUserEvent") >= 2, LIMIT).await;
    vcenter.burst(0..5);
    assert_stored(&daemon, 0..5).await;
    assert_eq!(column(&daemon, "type", "type <> 'vm.powered.on'"), [""; 0]);

    // For an account that may only read, the canary is disabled, which is logged.
    vcenter.log_events(LogEvents::Forbidden);
    until_logged(&daemon, "canary").await;
    vcenter.burst(5..10);
    assert_stored(&daemon, 0..10).await;
    until_up(&daemon).await;
}

/// vCenter answers everything but does not record the canary.
#[tokio::test]
async fn a_missing_canary_pages_once_and_the_next_one_resolves() {
    let vcenter = ScriptedVcenter::start();
    let pagerduty = pagerduty::start();
    let source = format!("{}\ncanary = \"1s\"", scripted_source(&vcenter));
    let daemon = start_paging(&source, &pagerduty).await;
    vcenter.until("a canary sent", |vcenter| vcenter.calls("LogUserEvent") >= 1, LIMIT).await;
    vcenter.log_events(LogEvents::Dropped);
    let page = pagerduty.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log()));
    assert_eq!(page.action, "trigger");
    until_logged(&daemon, "an event written into it did not come back within 500ms").await;
    // Events are still read, and a new log-in does not end the outage.
    vcenter.burst(0..5);
    assert_stored(&daemon, 0..5).await;
    vcenter.until("logged in again", |vcenter| vcenter.usage().logins >= 2, LIMIT).await;
    harness::until_lost(&daemon).await;
    vcenter.log_events(LogEvents::Recorded);
    let page = pagerduty.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log()));
    assert_eq!(page.action, "resolve");
    assert_eq!(pagerduty.offences(), [""; 0]);
    assert_eq!(column(&daemon, "type", "type <> 'vm.powered.on'"), [""; 0]);
}

/// A daemon that pages when its vCenter is lost. The source is up, and the outage of the start is over.
async fn start_paging(source: &str, pagerduty: &PagerDuty) -> Daemon {
    let config = format!(
        r#"{}
        alert = "oncall"
        grace = "200ms"
        steady = "200ms"
        {RELAY_ALL}
        [sink.pagerduty.oncall]
        key = {{ env = "KEY" }}
        url = "{}"
        "#,
        config_for(source, ""),
        pagerduty.url(),
    );
    let daemon = Daemon::start(&config, &[("PASSWORD", PASSWORD), ("KEY", pagerduty.key())]).await;
    until_up(&daemon).await;
    tokio::time::sleep(Duration::from_millis(400)).await; // the end of `steady` cannot be observed
    daemon
}

#[tokio::test]
async fn a_vcenter_that_is_down_pages_once_and_its_return_resolves() {
    let vcenter = ScriptedVcenter::start();
    let pagerduty = pagerduty::start();
    let daemon = start_paging(&scripted_source(&vcenter), &pagerduty).await;
    vcenter.go_down().await;
    vcenter.drop_sessions();
    let page = pagerduty.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log()));
    assert_eq!(page.action, "trigger");
    vcenter.burst(0..5);
    vcenter.come_back();
    let page = pagerduty.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log()));
    assert_eq!(page.action, "resolve");
    assert_stored(&daemon, 0..5).await;
    assert_eq!(pagerduty.offences(), [""; 0]);
}
