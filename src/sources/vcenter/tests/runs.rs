//! The first start, bursts, restarts, lost sessions and refused log-ins.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_first_start_skips_history_and_then_relays_everything_once_and_in_order() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    vcenter.burst(250);
    sleep(Duration::from_secs(3600)).await;
    let mut keys = Vec::new();
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            for count in [1, 60, 90, 3] {
                keys.extend(vcenter.burst(count));
                intake.has(keys.len()).await;
            }
        })
        .await;
    assert_keys(&intake.keys(), &keys);
    assert_once(&intake);
    assert_eq!(intake.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn from_configures_where_the_first_reading_begins() {
    for (from, expected) in [(StartFrom::Ago(Duration::from_secs(7200)), 20), (StartFrom::Beginning, 30)] {
        let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
        vcenter.burst(10);
        sleep(Duration::from_secs(86_400)).await;
        vcenter.burst(20);
        sleep(Duration::from_secs(3600)).await;
        intake.run_source(&vcenter, &ReadOptions { from, ..options() }, intake.has(expected)).await;
        assert_eq!(intake.keys().len(), expected);
        assert_once(&intake);
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_larger_than_a_page_is_committed_whole_and_a_page_at_a_time() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    let mut keys = Vec::new();
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            keys.extend(vcenter.burst(1));
            intake.has(1).await;
            keys.extend(vcenter.burst(12_345));
            intake.has(keys.len()).await;
            keys.extend(vcenter.burst(7));
            intake.has(keys.len()).await;
        })
        .await;
    assert_keys(&intake.keys(), &keys);
    assert_once(&intake);
    assert!(intake.with(|received| received.largest_group) <= 1000);
    assert_eq!(intake.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn what_happened_between_two_runs_is_read_and_nothing_is_repeated() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    let mut keys = Vec::new();
    for _ in 0..3 {
        intake
            .run_source(&vcenter, &options(), async {
                intake.has(keys.len()).await;
                intake.until(|received| received.states.last() == Some(&LinkState::Up)).await;
                keys.extend(vcenter.burst(70));
                intake.has(keys.len()).await;
            })
            .await;
        sleep(Duration::from_secs(60)).await;
        keys.extend(vcenter.burst(70));
        sleep(Duration::from_secs(7200)).await;
    }
    intake.run_source(&vcenter, &options(), intake.has(keys.len())).await;
    assert_keys(&intake.keys(), &keys);
    assert_once(&intake);
    assert_eq!(intake.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn a_run_without_events_has_a_cursor_too() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    intake.run_source(&vcenter, &options(), intake.is_up()).await;
    sleep(Duration::from_secs(60)).await;
    let keys = vcenter.burst(3);
    intake.run_source(&vcenter, &options(), intake.has(3)).await;
    assert_keys(&intake.keys(), &keys);
}

#[tokio::test(start_paused = true)]
async fn a_kill_in_a_burst_loses_and_repeats_nothing() {
    for killed_after in [1, 1000, 2500] {
        let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
        intake.run_source(&vcenter, &options(), intake.is_up()).await;
        let keys = vcenter.burst(3000);
        intake.with(|received| received.killed_after = Some(killed_after));
        intake.run_source(&vcenter, &options(), std::future::pending()).await;
        assert!(intake.keys().len() < 3000);
        intake.run_source(&vcenter, &options(), intake.has(3000)).await;
        let mut read = intake.keys();
        read.sort_unstable();
        assert_keys(&read, &keys);
        assert_eq!(intake.gaps(), [], "{killed_after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_blocks_reading_and_loses_nothing() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    let mut keys = Vec::new();
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            for _ in 0..3 {
                intake.with(|received| received.refused_commits = 20);
                keys.extend(vcenter.burst(1500));
                intake.has(keys.len()).await;
            }
        })
        .await;
    assert_keys(&intake.keys(), &keys);
    assert_once(&intake);
}

#[tokio::test(start_paused = true)]
async fn many_reconnects_leave_nothing_behind_and_make_no_events() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    let mut keys = Vec::new();
    intake
        .run_source(&vcenter, &options(), async {
            for round in 0..40 {
                intake
                    .until(|received| received.states.iter().filter(|line| **line == LinkState::Up).count() > round)
                    .await;
                keys.extend(vcenter.burst(2));
                intake.has(keys.len()).await;
                if round % 2 == 0 {
                    vcenter.forget_sessions();
                } else {
                    vcenter.fail_next("next_pages", ApiError::Transport(Fault::new("timeout", "timeout")));
                    keys.extend(vcenter.burst(1));
                }
            }
            intake.has(keys.len()).await;
        })
        .await;
    assert_keys(&intake.keys(), &keys);
    assert_eq!(vcenter.objects(), (0, 0));
    assert!(vcenter.state().most_collectors <= 2, "{}", vcenter.state().most_collectors);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_lost_within_a_page_is_resumed_there() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    intake.run_source(&vcenter, &options(), intake.is_up()).await;
    let keys = vcenter.burst(3500);
    for call in ["read_next", "read_next", "latest_page", "watch", "create_collector"] {
        vcenter.fail_next(call, ApiError::SessionLost);
    }
    intake.run_source(&vcenter, &options(), intake.has(3500)).await;
    assert_keys(&intake.keys(), &keys);
    assert_once(&intake);
    assert_eq!(intake.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_collector_is_replaced_in_the_same_session() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    let mut keys = Vec::new();
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            sleep(Duration::from_secs(600)).await;
            vcenter.forget_collectors();
            keys.extend(vcenter.burst(5));
            intake.has(5).await;
        })
        .await;
    assert_keys(&intake.keys(), &keys);
    assert_eq!(vcenter.state().logins.len(), 1, "no login was needed");
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_retried_slowly() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    vcenter.state().refuses_logins = true;
    intake
        .run_source(&vcenter, &options(), async {
            sleep(Duration::from_secs(3601)).await;
            vcenter.state().refuses_logins = false;
            intake.is_up().await;
        })
        .await;
    let logins = vcenter.state().logins.clone();
    assert_eq!(logins.len(), 14);
    assert!(logins.windows(2).all(|two| two[1] - two[0] >= Duration::from_secs(300)));
    let refused = |line: &LinkState| matches!(line, LinkState::Down(fault) if fault.reason() == "login_refused");
    assert!(intake.with(|received| received.states.iter().any(refused)));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_is_retried_with_backoff() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    for _ in 0..200 {
        vcenter.fail_next("connect", ApiError::Transport(Fault::new("status_503", "vCenter answers 503")));
    }
    intake.run_source(&vcenter, &options(), intake.is_up()).await;
    let logins = vcenter.state().logins.clone();
    assert_eq!(logins.len(), 201);
    assert!(logins.windows(2).all(|two| two[1] - two[0] <= Duration::from_secs(60)));
    let late = logins[200] - logins[100];
    assert!(late > Duration::from_secs(1500), "the waits grow to about a minute: {late:?}");
}
