//! The behaviour that operators rely on, against the simulator over TLS.

use tokio::time::{Duration, Instant, sleep};

use super::harness::{
    self, OPS_SINK, RELAY_ALL, assert_stored, config_for, simulator_source, start_relaying, until_stored, until_up,
};
use super::sim::{PASSWORD, Simulator};
use crate::daemon::LIMIT;
use crate::slack;

/// Starts a simulator. Where there is none, which was printed, the test ends.
macro_rules! simulator {
    ($start:expr) => {
        match $start.await {
            Some(simulator) => simulator,
            None => return,
        }
    };
}

#[tokio::test]
async fn a_machine_that_is_powered_off_is_posted_with_its_folders() {
    let mut vcenter = simulator!(Simulator::start());
    vcenter.command("folder DC0_H0_VM0 web/shop").await;
    let slack = slack::start();
    let config = format!(
        r#"{}{OPS_SINK}
        [[relay]]
        name = "off"
        from = "vc"
        match = {{ type = "vm.powered.off" }}
        fetch.vm = "{{{{ data.vm.id }}}}"
        text = "{{{{ data.message }}}}: {{{{ vm.path }}}}, {{{{ vm.name }}}} is {{{{ vm.power_state }}}}"
        to = "ops"
        [[relay]]
        name = "others"
        from = "vc"
        match = {{ type = ["vm.cloned", "vm.removed", "vm.reconfigured", "com.example.disk.failed"] }}
        text = "{{{{ event.type }}}} {{{{ event.subject }}}}"
        to = "ops"
        "#,
        config_for(&simulator_source(&vcenter), ""),
    );
    let mut daemon = harness::start_with_slack(&config, PASSWORD, &slack).await;
    until_up(&daemon).await;
    let next = async || slack.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log())).text;
    vcenter.power_off("DC0_H0_VM0").await;
    assert_eq!(
        next().await,
        "DC0_H0_VM0 on DC0_H0 in DC0 is powered off: /DC0/vm/web/shop/DC0_H0_VM0, DC0_H0_VM0 is poweredOff"
    );
    vcenter.command("clone DC0_H0_VM0 web-02").await;
    assert_eq!(next().await, "vm.cloned web-02");
    vcenter.command("annotate web-02 owner: <db> & co").await;
    assert_eq!(next().await, "vm.reconfigured web-02");
    vcenter.command("destroy web-02").await;
    assert_eq!(next().await, "vm.removed web-02");
    vcenter.command("eventex com.example.disk.failed disk sda failed").await;
    assert!(next().await.starts_with("com.example.disk.failed"));
    assert_eq!(vcenter.sessions().await, 1);
    assert!(daemon.stop().await.success());
    assert_eq!(vcenter.sessions().await, 0, "a planned stop logs out");
    assert_eq!(slack.log().unread().len(), 0);
    assert_eq!(slack.offences(), [""; 0]);
    assert!(!daemon.log().contains(PASSWORD), "the password is in the log");
}

#[tokio::test]
async fn a_burst_is_stored_whole_and_in_order_after_the_daemon_was_suspended() {
    let mut vcenter = simulator!(Simulator::start());
    vcenter.burst(9_000, 5).await;
    let daemon = start_relaying(&simulator_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    // The source has caught up and waits for new events.
    vcenter.burst(0, 1).await;
    assert_stored(&daemon, 0..1).await;
    daemon.signal("STOP").await;
    vcenter.burst(1, 899).await;
    daemon.signal("CONT").await;
    // The simulator sends the whole page for each event: about forty megabytes, which need not be held in memory.
    harness::assert_stored_within(&daemon, 0..900, 3 * LIMIT).await;
    assert!(harness::stored(&daemon).is_sorted(), "without events from before the start");
    let peak = daemon.peak_memory_kib();
    println!("peak memory {peak} KiB");
    assert!(peak < 90 << 10, "{peak} KiB: all pages were in memory at once");
}

#[tokio::test]
async fn a_daemon_that_is_killed_in_a_burst_stores_every_event_once() {
    let mut vcenter = simulator!(Simulator::start());
    let mut daemon = start_relaying(&simulator_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    let (daemon, ()) = tokio::join!(
        async {
            for enough in [50, 300] {
                until_stored(&daemon, enough, LIMIT).await;
                daemon.kill().await;
                daemon.start_again().await;
            }
            daemon
        },
        vcenter.burst(0, 900),
    );
    assert_stored(&daemon, 0..900).await;
}

#[tokio::test]
async fn a_vcenter_that_restarts_its_keys_repeats_and_loses_nothing() {
    let mut vcenter = simulator!(Simulator::start());
    let daemon = start_relaying(&simulator_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    vcenter.burst(0, 150).await;
    assert_stored(&daemon, 0..150).await;
    vcenter.kill().await;
    harness::until_lost(&daemon).await;
    vcenter.start_again().await;
    // Before it is connected again, and after.
    vcenter.burst(150, 100).await;
    until_up(&daemon).await;
    vcenter.burst(250, 50).await;
    assert_stored(&daemon, 0..300).await;
    let keys = "json_extract(body, '$.key')";
    let twice =
        format!("{keys} in (select {keys} from events where source = 'vc' group by {keys} having count(*) > 1)");
    assert!(!harness::column(&daemon, keys, &twice).is_empty(), "no key was repeated, so this proves nothing");
}

#[tokio::test]
async fn a_suspended_vcenter_is_read_again_after_it_resumes_or_restarts() {
    let mut vcenter = simulator!(Simulator::start());
    let daemon = start_relaying(&simulator_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    vcenter.burst(0, 50).await;
    assert_stored(&daemon, 0..50).await;
    // Its sockets stay open, and calls wait in them.
    vcenter.signal("STOP").await;
    sleep(Duration::from_secs(2)).await; // longer than a poll, so that one times out
    vcenter.signal("CONT").await;
    vcenter.burst(50, 50).await;
    assert_stored(&daemon, 0..100).await;
    // It never resumes: its replacement has other sessions, and keys from one.
    vcenter.signal("STOP").await;
    vcenter.kill().await;
    vcenter.start_again().await;
    vcenter.burst(100, 50).await;
    assert_stored(&daemon, 0..150).await;
    until_up(&daemon).await;
}

#[tokio::test]
async fn a_terminated_session_is_replaced() {
    let mut vcenter = simulator!(Simulator::start());
    let mut daemon = start_relaying(&simulator_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    for round in 0..3 {
        vcenter.burst(100 * round, 50).await;
        assert_eq!(vcenter.command("terminate-sessions").await, "1");
        vcenter.burst(100 * round + 50, 50).await;
        assert_stored(&daemon, 0..100 * (round + 1)).await;
        // The running wait may still have returned these events.
        let limit = Instant::now() + LIMIT;
        while daemon.log().matches("logged in").count() < round + 2 {
            assert!(Instant::now() < limit, "never logged in again:\n{}", daemon.log());
            sleep(Duration::from_millis(10)).await;
        }
    }
    assert!(daemon.stop().await.success());
    assert_eq!(vcenter.sessions().await, 0, "sessions do not pile up:\n{}", daemon.log());
}

#[tokio::test]
async fn a_session_that_expired_while_the_daemon_was_suspended_is_replaced() {
    let mut vcenter = simulator!(Simulator::start_with("2s"));
    let daemon = start_relaying(&simulator_source(&vcenter), PASSWORD).await;
    until_up(&daemon).await;
    vcenter.burst(0, 50).await;
    assert_stored(&daemon, 0..50).await;
    daemon.signal("STOP").await;
    let limit = Instant::now() + LIMIT;
    while vcenter.sessions().await > 0 {
        assert!(Instant::now() < limit, "the session never expired");
        sleep(Duration::from_millis(100)).await;
    }
    vcenter.burst(50, 50).await;
    daemon.signal("CONT").await;
    assert_stored(&daemon, 0..100).await;
}

#[tokio::test]
async fn events_purged_while_the_daemon_was_down_are_reported_as_a_gap() {
    let mut vcenter = simulator!(Simulator::start());
    let slack = slack::start();
    let config = format!("{}{OPS_SINK}{RELAY_ALL}", config_for(&simulator_source(&vcenter), "notify = \"ops\""));
    let mut daemon = harness::start_with_slack(&config, PASSWORD, &slack).await;
    until_up(&daemon).await;
    vcenter.burst(0, 10).await;
    assert_stored(&daemon, 0..10).await;
    daemon.kill().await;
    // The simulator holds a thousand events, one of them the daemon's new log-in.
    vcenter.burst(10, 1_200).await;
    daemon.start_again().await;
    let announced = slack.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log())).text;
    assert!(announced.starts_with("source.gap vc: ") && announced.contains(" events, "), "{announced}");
    until_stored(&daemon, 1_009, LIMIT).await;
    let stored = harness::stored(&daemon);
    assert_eq!(stored.last(), Some(&1_209));
    assert!(stored.is_sorted() && (1_009..=1_010).contains(&stored.len()), "{}", stored.len());
}
