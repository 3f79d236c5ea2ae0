//! What an operator of a vCenter relies on, against the simulator, over TLS.

use tidings::demo::standins::Slack;
use tokio::time::{Duration, Instant, sleep};

use super::house::{self, KEEP, OPS, hearing, holds, holds_exactly, keeping, signal, to_simulator, up};
use super::sim::{PASSWORD, Simulator};
use crate::daemon::LIMIT;

/// One story's simulator; where there is none, it has been said, and the story ends.
macro_rules! simulator {
    ($start:expr) => {
        match $start.await {
            Some(simulator) => simulator,
            None => return,
        }
    };
}

#[tokio::test]
async fn a_machine_that_is_powered_off_is_told_in_the_chat_with_the_folders_it_lies_in() {
    let mut vcenter = simulator!(Simulator::start());
    vcenter.order("folder DC0_H0_VM0 web/shop").await;
    let slack = Slack::start().await.expect("loopback");
    let config = format!(
        r#"{}{OPS}
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
        hearing(&to_simulator(&vcenter), ""),
    );
    let mut daemon = house::with_slack(&config, PASSWORD, &slack).await;
    up(&daemon).await;
    let next = async || slack.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log())).text;
    vcenter.power_off("DC0_H0_VM0").await;
    assert_eq!(
        next().await,
        "DC0_H0_VM0 on DC0_H0 in DC0 is powered off: /DC0/vm/web/shop/DC0_H0_VM0, DC0_H0_VM0 is poweredOff"
    );
    vcenter.order("clone DC0_H0_VM0 web-02").await;
    assert_eq!(next().await, "vm.cloned web-02");
    vcenter.order("annotate web-02 owner: <db> & co").await;
    assert_eq!(next().await, "vm.reconfigured web-02");
    vcenter.order("destroy web-02").await;
    assert_eq!(next().await, "vm.removed web-02");
    vcenter.order("eventex com.example.disk.failed disk sda failed").await;
    assert!(next().await.starts_with("com.example.disk.failed"));
    assert_eq!(vcenter.sessions().await, 1);
    assert!(daemon.stop().await.success());
    assert_eq!(vcenter.sessions().await, 0, "a planned stop logs out");
    assert_eq!(slack.log().unread().len(), 0);
    assert_eq!(slack.offences(), [""; 0]);
    assert!(!daemon.log().contains(PASSWORD), "the password is in the log");
}

#[tokio::test]
async fn a_burst_arrives_whole_and_in_order_although_the_reader_was_stalled() {
    let mut vcenter = simulator!(Simulator::start());
    vcenter.burst(9_000, 5).await;
    let daemon = keeping(&to_simulator(&vcenter), PASSWORD).await;
    up(&daemon).await;
    // It has caught up and only waits for news when this one arrives.
    vcenter.burst(0, 1).await;
    holds_exactly(&daemon, 0..1).await;
    signal(daemon.pid(), "STOP").await;
    vcenter.burst(1, 899).await;
    signal(daemon.pid(), "CONT").await;
    // The simulator gives the whole page for each of them: some forty megabytes, which nobody needs to hold.
    house::holds_exactly_within(&daemon, 0..900, 3 * LIMIT).await;
    assert!(house::held(&daemon).is_sorted(), "and nothing from before the start");
    let peak = daemon.peak_memory_kib();
    println!("peak memory {peak} KiB");
    assert!(peak < 90 << 10, "{peak} KiB: it held every page at once");
}

#[tokio::test]
async fn a_daemon_that_is_killed_in_a_burst_has_every_event_once() {
    let mut vcenter = simulator!(Simulator::start());
    let mut daemon = keeping(&to_simulator(&vcenter), PASSWORD).await;
    up(&daemon).await;
    let (daemon, ()) = tokio::join!(
        async {
            for enough in [50, 300] {
                holds(&daemon, enough, LIMIT).await;
                daemon.kill().await;
                daemon.start_again().await;
            }
            daemon
        },
        vcenter.burst(0, 900),
    );
    holds_exactly(&daemon, 0..900).await;
}

#[tokio::test]
async fn a_vcenter_that_dies_and_counts_anew_repeats_and_loses_nothing() {
    let mut vcenter = simulator!(Simulator::start());
    let daemon = keeping(&to_simulator(&vcenter), PASSWORD).await;
    up(&daemon).await;
    vcenter.burst(0, 150).await;
    holds_exactly(&daemon, 0..150).await;
    vcenter.kill().await;
    house::lost(&daemon).await;
    vcenter.start_again().await;
    // Before it is connected again, and after.
    vcenter.burst(150, 100).await;
    up(&daemon).await;
    vcenter.burst(250, 50).await;
    holds_exactly(&daemon, 0..300).await;
    let keys = "json_extract(body, '$.key')";
    let twice =
        format!("{keys} in (select {keys} from events where source = 'vc' group by {keys} having count(*) > 1)");
    assert!(!house::column(&daemon, keys, &twice).is_empty(), "no key came again, so this proved nothing");
}

#[tokio::test]
async fn a_vcenter_that_stands_still_on_a_live_line_is_heard_again_when_it_goes_on_or_begins_anew() {
    let mut vcenter = simulator!(Simulator::start());
    let daemon = keeping(&to_simulator(&vcenter), PASSWORD).await;
    up(&daemon).await;
    vcenter.burst(0, 50).await;
    holds_exactly(&daemon, 0..50).await;
    // Its sockets stay, and what is asked meanwhile waits in them.
    signal(vcenter.pid(), "STOP").await;
    sleep(Duration::from_secs(2)).await; // longer than a poll, so that one waits in vain
    signal(vcenter.pid(), "CONT").await;
    vcenter.burst(50, 50).await;
    holds_exactly(&daemon, 0..100).await;
    // It stands still and never goes on: what takes its place has other sessions, and counts from one.
    signal(vcenter.pid(), "STOP").await;
    vcenter.kill().await;
    vcenter.start_again().await;
    vcenter.burst(100, 50).await;
    holds_exactly(&daemon, 0..150).await;
    up(&daemon).await;
}

#[tokio::test]
async fn a_session_that_is_terminated_is_followed_by_another() {
    let mut vcenter = simulator!(Simulator::start());
    let mut daemon = keeping(&to_simulator(&vcenter), PASSWORD).await;
    up(&daemon).await;
    for round in 0..3 {
        vcenter.burst(100 * round, 50).await;
        assert_eq!(vcenter.order("terminate-sessions").await, "1");
        vcenter.burst(100 * round + 50, 50).await;
        holds_exactly(&daemon, 0..100 * (round + 1)).await;
        // The wait that was under way may still have told them.
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
async fn a_session_that_expired_while_the_reader_slept_is_followed_by_another() {
    let mut vcenter = simulator!(Simulator::start_with("2s"));
    let daemon = keeping(&to_simulator(&vcenter), PASSWORD).await;
    up(&daemon).await;
    vcenter.burst(0, 50).await;
    holds_exactly(&daemon, 0..50).await;
    signal(daemon.pid(), "STOP").await;
    let limit = Instant::now() + LIMIT;
    while vcenter.sessions().await > 0 {
        assert!(Instant::now() < limit, "the session never expired");
        sleep(Duration::from_millis(100)).await;
    }
    vcenter.burst(50, 50).await;
    signal(daemon.pid(), "CONT").await;
    holds_exactly(&daemon, 0..100).await;
}

#[tokio::test]
async fn what_left_the_history_while_nobody_listened_is_told_as_a_gap() {
    let mut vcenter = simulator!(Simulator::start());
    let slack = Slack::start().await.expect("loopback");
    let config = format!("{}{OPS}{KEEP}", hearing(&to_simulator(&vcenter), "notify = \"ops\""));
    let mut daemon = house::with_slack(&config, PASSWORD, &slack).await;
    up(&daemon).await;
    vcenter.burst(0, 10).await;
    holds_exactly(&daemon, 0..10).await;
    daemon.kill().await;
    // The simulator keeps a thousand, and the daemon's own new login is one of them.
    vcenter.burst(10, 1_200).await;
    daemon.start_again().await;
    let told = slack.next(LIMIT).await.unwrap_or_else(|late| panic!("{late}\n{}", daemon.log())).text;
    assert!(told.starts_with("source.gap vc: ") && told.contains(" events, "), "{told}");
    holds(&daemon, 1_009, LIMIT).await;
    let held = house::held(&daemon);
    assert_eq!(held.last(), Some(&1_209));
    assert!(held.is_sorted() && (1_009..=1_010).contains(&held.len()), "{}", held.len());
}
