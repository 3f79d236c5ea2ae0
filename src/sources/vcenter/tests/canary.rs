//! The canary event, which must return.

use super::*;

fn with_canary() -> ReadOptions {
    ReadOptions { canary: Some(Duration::from_secs(900)), ..options() }
}

fn downs(received: &Received) -> usize {
    received.states.iter().filter(|line| matches!(line, LinkState::Down(fault) if fault.reason() == "canary")).count()
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_returns_is_not_relayed() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    intake.run_source(&vcenter, &with_canary(), sleep(Duration::from_secs(10_000))).await;
    let recorded = vcenter.state().next_key;
    assert!(recorded > 10, "{recorded}: a log-in, and a canary each quarter of an hour");
    assert_eq!(intake.keys(), [0_i64; 0]);
    assert_eq!(intake.with(|received| received.states.clone()), [LinkState::Up]);
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_does_not_return_is_an_outage_until_one_does() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    intake
        .run_source(&vcenter, &with_canary(), async {
            intake.is_up().await;
            sleep(Duration::from_secs(2000)).await;
            vcenter.state().drops_log_events = true;
            intake.until(|received| downs(received) >= 1 && vcenter.state().logins.len() >= 3).await;
            let ups = |received: &Received| received.states.iter().filter(|line| **line == LinkState::Up).count();
            assert_eq!(intake.with(|received| ups(received)), 1, "a new log-in alone does not end the outage");
            vcenter.state().drops_log_events = false;
            intake.until(|received| ups(received) == 2).await;
        })
        .await;
    assert!(vcenter.state().logins.len() >= 3, "it logged in again");
}

#[tokio::test(start_paused = true)]
async fn a_stalled_tail_does_not_fail_the_canary() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    intake
        .run_source(&vcenter, &with_canary(), async {
            intake.is_up().await;
            sleep(Duration::from_secs(60)).await;
            vcenter.stall_watches();
            sleep(Duration::from_secs(5000)).await;
        })
        .await;
    assert_eq!(intake.with(|received| downs(received)), 0);
}

#[tokio::test(start_paused = true)]
async fn a_vcenter_that_refuses_canaries_is_read_without() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    vcenter.state().refuses_log_events = true;
    intake
        .run_source(&vcenter, &with_canary(), async {
            intake.is_up().await;
            sleep(Duration::from_secs(5000)).await;
            vcenter.burst(1);
            intake.has(1).await;
        })
        .await;
    assert_eq!(intake.with(|received| received.states.clone()), [LinkState::Up]);
}

#[tokio::test(start_paused = true)]
async fn a_frequent_canary_is_missed_soon() {
    for (every, soonest, latest) in [(10, 5, 9), (60, 30, 34), (900, 120, 124), (86_400, 120, 124)] {
        let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
        vcenter.state().drops_log_events = true;
        let options = ReadOptions { canary: Some(Duration::from_secs(every)), ..options() };
        let asked = tokio::time::Instant::now();
        intake.run_source(&vcenter, &options, intake.until(|received| downs(received) > 0)).await;
        let within = Duration::from_secs(soonest)..=Duration::from_secs(latest);
        assert!(within.contains(&asked.elapsed()), "{every}: {:?}", asked.elapsed());
    }
}
