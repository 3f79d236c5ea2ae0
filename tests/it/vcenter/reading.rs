//! Nothing is lost and nothing is repeated, whatever becomes of keys, clocks, processes and the history itself.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tidings::demo::standins::{PagerDuty, Slack};

use super::house::{
    self, KEEP, OPS, caught_up, column, hearing, held, holds, holds_exactly, holds_exactly_within, keeping, logs,
    to_scripted, up,
};
use super::scripted::{Canary, PASSWORD, Scripted, Trouble};
use crate::daemon::{Daemon, LIMIT, sqlite};

#[tokio::test]
async fn a_daemon_killed_in_a_burst_of_five_thousand_has_every_event_once() {
    let vcenter = Scripted::start();
    let mut daemon = keeping(&to_scripted(&vcenter), PASSWORD).await;
    up(&daemon).await;
    vcenter.burst(0..5_000);
    for enough in [1, 1_500, 3_000] {
        holds(&daemon, enough, LIMIT).await;
        daemon.kill().await;
        daemon.start_again().await;
    }
    holds_exactly(&daemon, 0..5_000).await;
    assert_eq!(vcenter.offences(), [""; 0]);
}

#[tokio::test]
async fn a_storm_of_a_hundred_thousand_arrives_whole_and_in_order_in_little_memory() {
    const MANY: usize = 100_000;
    let vcenter = Scripted::start();
    let daemon = keeping(&to_scripted(&vcenter), PASSWORD).await;
    up(&daemon).await;
    vcenter.burst(0..MANY);
    holds_exactly_within(&daemon, 0..MANY, 8 * LIMIT).await;
    assert!(held(&daemon).is_sorted());
    let peak = daemon.peak_memory_kib();
    println!("peak memory {peak} KiB");
    assert!(peak < 150 << 10, "{peak} KiB: it held more than a page or two");
    assert_eq!(vcenter.offences(), [""; 0]);
}

#[tokio::test]
async fn keys_may_overflow_and_restart_and_nothing_is_lost_or_repeated() {
    let vcenter = Scripted::start();
    vcenter.next_key(i32::MAX - 60);
    let mut daemon = keeping(&to_scripted(&vcenter), PASSWORD).await;
    up(&daemon).await;
    vcenter.burst(0..50);
    holds_exactly(&daemon, 0..50).await;
    vcenter.burst(50..250);
    holds_exactly(&daemon, 0..250).await;
    assert_eq!(column(&daemon, "count(*)", "json_extract(body, '$.key') < 0"), ["189"]);
    daemon.kill().await;
    vcenter.burst(250..400);
    daemon.start_again().await;
    holds_exactly(&daemon, 0..400).await;
    // A database restored: the very keys that were there before.
    vcenter.next_key(i32::MAX - 60);
    vcenter.burst(400..600);
    holds_exactly(&daemon, 0..600).await;
}

#[tokio::test]
async fn the_first_start_begins_where_it_is_told_to_by_the_servers_clock() {
    let vcenter = Scripted::start();
    vcenter.set_clock_ahead(SignedDuration::from_hours(-3));
    vcenter.burst(0..10);
    vcenter.set_clock_ahead(SignedDuration::from_mins(-90));
    vcenter.burst(10..20);
    vcenter.set_clock_ahead(SignedDuration::from_hours(-1));
    let source = |from: &str| format!("{}\nfrom = \"{from}\"", to_scripted(&vcenter));
    // Usual is now.
    let now = keeping(&to_scripted(&vcenter), PASSWORD).await;
    let an_hour = keeping(&source("1h"), PASSWORD).await;
    let beginning = keeping(&source("beginning"), PASSWORD).await;
    for daemon in [&now, &an_hour, &beginning] {
        up(daemon).await;
    }
    vcenter.burst(20..25);
    holds_exactly(&now, 20..25).await;
    holds_exactly(&an_hour, 10..25).await;
    holds_exactly(&beginning, 0..25).await;
}

#[tokio::test]
async fn what_happens_while_the_daemon_is_away_is_read_when_it_is_back() {
    let vcenter = Scripted::start();
    let mut daemon = keeping(&to_scripted(&vcenter), PASSWORD).await;
    up(&daemon).await;
    // Not even one event came before it went.
    assert!(daemon.stop().await.success());
    let held = vcenter.held();
    assert_eq!((held.sessions, held.collectors, held.logouts), (0, 0, 1), "a planned stop leaves nothing behind");
    vcenter.burst(0..1_500);
    daemon.start_again().await;
    holds_exactly(&daemon, 0..1_500).await;
    assert!(daemon.stop().await.success());
    vcenter.burst(1_500..1_501);
    daemon.start_again().await;
    holds_exactly(&daemon, 0..1_501).await;
    assert!(daemon.stop().await.success());
    assert_eq!(vcenter.held().sessions, 0);
    assert_eq!(vcenter.offences(), [""; 0]);
}

#[tokio::test]
async fn what_the_retention_took_is_told_as_a_gap() {
    let vcenter = Scripted::start();
    let slack = Slack::start().await.expect("loopback");
    let config = format!("{}{OPS}{KEEP}", hearing(&to_scripted(&vcenter), "notify = \"ops\""));
    let mut daemon = house::with_slack(&config, PASSWORD, &slack).await;
    up(&daemon).await;
    vcenter.burst(0..10);
    holds_exactly(&daemon, 0..10).await;
    daemon.kill().await;
    vcenter.burst(10..100);
    vcenter.forget_all_but(40);
    daemon.start_again().await;
    let told = slack.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log())).text;
    let why = "source.gap vc: vCenter no longer has what followed the last event that was read (50 events, ";
    assert!(told.starts_with(why) && told.ends_with("Z)"), "{told}");
    let data = sqlite(&daemon.state_file(), "select body from events where type = 'source.gap'");
    let data: serde_json::Value = serde_json::from_str(&data).expect("one gap");
    assert_eq!(data["events"], 50, "{data}");
    let time = |name: &str| data[name].as_str().and_then(|time| time.parse::<Timestamp>().ok()).expect("a time");
    assert!(time("from") <= time("to"), "{data}");
    holds(&daemon, 50, LIMIT).await;
    assert_eq!(held(&daemon), (0..10).chain(60..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_nobody_deaf() {
    let vcenter = Scripted::start();
    let mut daemon = keeping(&to_scripted(&vcenter), PASSWORD).await;
    up(&daemon).await;
    vcenter.burst(0..120);
    holds_exactly(&daemon, 0..120).await;
    daemon.kill().await;
    vcenter.set_clock_ahead(SignedDuration::from_hours(-2));
    vcenter.burst(120..300);
    daemon.start_again().await;
    holds_exactly(&daemon, 0..300).await;
    vcenter.burst(300..350);
    holds_exactly(&daemon, 0..350).await;
}

#[tokio::test]
async fn a_reading_that_says_nothing_though_there_is_more_is_made_anew() {
    let vcenter = Scripted::start();
    let slack = Slack::start().await.expect("loopback");
    let config = format!("{}{OPS}{KEEP}", hearing(&to_scripted(&vcenter), "notify = \"ops\""));
    let daemon = house::with_slack(&config, PASSWORD, &slack).await;
    caught_up(&vcenter).await;
    // The third page is empty, and so are all that follow it: more is hidden than the latest page shows.
    for spared in [2, 2, 2] {
        vcenter.befall("ReadNextEvents", spared, Trouble::Empty);
    }
    vcenter.burst(0..5_000);
    holds_exactly(&daemon, 0..5_000).await;
    assert_eq!(slack.posts().len(), 0, "nothing was missing for good: {:?}", slack.posts());
}

#[tokio::test]
async fn what_happens_between_the_last_reading_and_the_look_at_the_latest_page_is_no_gap() {
    let vcenter = Scripted::start();
    let slack = Slack::start().await.expect("loopback");
    // More than the page shows: at first when nothing was read yet, then when something was.
    vcenter.befall("RetrievePropertiesEx", 0, Trouble::Storm(0, 2_500));
    let config = format!("{}{OPS}{KEEP}", hearing(&to_scripted(&vcenter), "notify = \"ops\""));
    let daemon = house::with_slack(&config, PASSWORD, &slack).await;
    holds_exactly(&daemon, 0..2_500).await;
    caught_up(&vcenter).await;
    vcenter.befall("RetrievePropertiesEx", 0, Trouble::Storm(2_700, 5_000));
    vcenter.burst(2_500..2_700);
    holds_exactly(&daemon, 0..5_000).await;
    assert_eq!(slack.posts().len(), 0, "nothing was missing for good: {:?}", slack.posts());
}

#[tokio::test]
async fn a_canary_sings_and_nobody_is_told_of_it() {
    let vcenter = Scripted::start();
    let daemon = keeping(&format!("{}\ncanary = \"1s\"", to_scripted(&vcenter)), PASSWORD).await;
    up(&daemon).await;
    vcenter.until("sung twice", |vcenter| vcenter.asked("LogUserEvent") >= 2, LIMIT).await;
    vcenter.burst(0..5);
    holds_exactly(&daemon, 0..5).await;
    assert_eq!(column(&daemon, "type", "type <> 'vm.powered.on'"), [""; 0]);

    // An account that may only read has no canary, and is told so.
    vcenter.canary(Canary::Forbidden);
    logs(&daemon, "canary").await;
    vcenter.burst(5..10);
    holds_exactly(&daemon, 0..10).await;
    up(&daemon).await;
}

/// It answers everything, and yet nothing comes back: only the canary finds that out.
#[tokio::test]
async fn a_canary_that_is_missed_pages_once_and_one_that_comes_back_resolves() {
    let vcenter = Scripted::start();
    let pagerduty = PagerDuty::start().await.expect("loopback");
    let source = format!("{}\ncanary = \"1s\"", to_scripted(&vcenter));
    let daemon = alarming(&source, &pagerduty).await;
    vcenter.until("sung", |vcenter| vcenter.asked("LogUserEvent") >= 1, LIMIT).await;
    vcenter.canary(Canary::Silent);
    let page = pagerduty.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log()));
    assert_eq!(page.action, "trigger");
    logs(&daemon, "an event written into it did not come back within 500ms").await;
    // What happens is read all the same, and no login makes it well.
    vcenter.burst(0..5);
    holds_exactly(&daemon, 0..5).await;
    vcenter.until("logged in anew", |vcenter| vcenter.held().logins >= 2, LIMIT).await;
    house::lost(&daemon).await;
    vcenter.canary(Canary::Sings);
    let page = pagerduty.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log()));
    assert_eq!(page.action, "resolve");
    assert_eq!(pagerduty.offences(), [""; 0]);
    assert_eq!(column(&daemon, "type", "type <> 'vm.powered.on'"), [""; 0]);
}

/// A daemon that wakes somebody when its vCenter is lost; it is up, and the outage that every start begins with is over.
async fn alarming(source: &str, pagerduty: &PagerDuty) -> Daemon {
    let config = format!(
        r#"{}
        alert = "oncall"
        grace = "200ms"
        steady = "200ms"
        {KEEP}
        [sink.pagerduty.oncall]
        key = {{ env = "KEY" }}
        url = "{}"
        "#,
        hearing(source, ""),
        pagerduty.url(),
    );
    let daemon = Daemon::start(&config, &[("PASSWORD", PASSWORD), ("KEY", pagerduty.key())]).await;
    up(&daemon).await;
    tokio::time::sleep(Duration::from_millis(400)).await; // nothing shows from outside when `steady` is over
    daemon
}

#[tokio::test]
async fn a_vcenter_that_is_gone_pages_once_and_its_return_resolves() {
    let vcenter = Scripted::start();
    let pagerduty = PagerDuty::start().await.expect("loopback");
    let daemon = alarming(&to_scripted(&vcenter), &pagerduty).await;
    vcenter.go_down().await;
    vcenter.drop_sessions();
    let page = pagerduty.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log()));
    assert_eq!(page.action, "trigger");
    vcenter.burst(0..5);
    vcenter.come_back();
    let page = pagerduty.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log()));
    assert_eq!(page.action, "resolve");
    holds_exactly(&daemon, 0..5).await;
    assert_eq!(pagerduty.offences(), [""; 0]);
}
