//! Tails that stall without an error, and the simulator with its bugs.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_stalled_tail_is_found_by_an_audit_and_opened_again() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    let mut keys = Vec::new();
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            keys.extend(vcenter.burst(2));
            intake.has(2).await;
            vcenter.stall_watches();
            keys.extend(vcenter.burst(3));
            intake.has(5).await;
            // The new tail works at once.
            sleep(Duration::from_secs(60)).await;
            let asked = tokio::time::Instant::now();
            keys.extend(vcenter.burst(1));
            intake.has(6).await;
            assert!(asked.elapsed() < Duration::from_secs(5));
        })
        .await;
    assert_keys(&intake.keys(), &keys);
    assert_once(&intake);
    assert_eq!(intake.with(|received| received.states.clone()), [LinkState::Up], "the source stayed up");
}

#[tokio::test(start_paused = true)]
async fn where_every_tail_stalls_audits_replace_it() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    let mut keys = Vec::new();
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            for _ in 0..5 {
                vcenter.stall_watches();
                keys.extend(vcenter.burst(4));
                intake.has(keys.len()).await;
                vcenter.stall_watches();
            }
            let asked = tokio::time::Instant::now();
            keys.extend(vcenter.burst(4));
            intake.has(keys.len()).await;
            assert!(asked.elapsed() < Duration::from_secs(120), "{:?}", asked.elapsed());
        })
        .await;
    assert_keys(&intake.keys(), &keys);
    assert_once(&intake);
}

#[tokio::test(start_paused = true)]
async fn the_simulator_of_debian_is_read_despite_its_bugs() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    {
        let mut state = vcenter.state();
        (state.debian_bugs, state.retention) = (true, 1000);
    }
    vcenter.burst(25);
    sleep(Duration::from_secs(600)).await;
    let mut keys = Vec::new();
    for round in 0..3 {
        intake
            .run_source(&vcenter, &options(), async {
                intake
                    .until(|received| received.states.iter().filter(|line| **line == LinkState::Up).count() > round)
                    .await;
                for count in [60, 90, 600] {
                    keys.extend(vcenter.burst(count));
                    intake.has(keys.len()).await;
                    sleep(Duration::from_secs(5)).await;
                }
                vcenter.forget_sessions();
                keys.extend(vcenter.burst(50));
                intake.has(keys.len()).await;
            })
            .await;
        keys.extend(vcenter.burst(700));
        sleep(Duration::from_secs(3600)).await;
    }
    intake.run_source(&vcenter, &options(), intake.has(keys.len())).await;
    assert_keys(&intake.keys(), &keys);
    assert_once(&intake);
    assert_eq!(intake.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn an_audit_reads_back_to_the_one_before() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    let mut keys = Vec::new();
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            keys.extend(vcenter.burst(5));
            intake.has(5).await;
            sleep(Duration::from_secs(400)).await;
            vcenter.stall_watches();
            // Late by less than the time between audits, and older than the newest by more than the overlap.
            keys.push(vcenter.happen_late(Duration::from_secs(390)));
            sleep(Duration::from_secs(10)).await;
            keys.extend(vcenter.burst(3));
            intake.has(9).await;
        })
        .await;
    let mut read = intake.keys();
    read.sort_unstable();
    assert_keys(&read, &keys);
    assert_once(&intake);
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_nothing_can_be_stored_is_read_afterwards() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    let mut keys = Vec::new();
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            for (pause, forgets_sessions) in [(5, false), (300, false), (7200, true)] {
                keys.extend(vcenter.burst(5));
                intake.has(keys.len()).await;
                intake.with(|received| received.is_held = true);
                // More than a page of the tail holds, and more than one of a collector.
                for _ in 0..4 {
                    keys.extend(vcenter.burst(400));
                    sleep(Duration::from_secs(pause) / 4).await;
                }
                if forgets_sessions {
                    vcenter.forget_sessions();
                }
                intake.with(|received| (received.is_held, received.refused_commits) = (false, 3));
                intake.has(keys.len()).await;
            }
        })
        .await;
    let mut read = intake.keys();
    read.sort_unstable();
    assert_keys(&read, &keys);
    assert_once(&intake);
    assert_eq!(intake.gaps(), []);
}
