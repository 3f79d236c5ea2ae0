//! A voice of our own that must come back.

use super::*;

fn with_canary() -> Wants {
    Wants { canary: Some(Duration::from_secs(900)), ..wants() }
}

fn downs(kept: &Kept) -> usize {
    kept.lines.iter().filter(|line| matches!(line, LinkState::Down(fault) if fault.reason() == "canary")).count()
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_comes_back_is_heard_and_told_to_nobody() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    daemon.live(&fake, &with_canary(), sleep(Duration::from_secs(10_000))).await;
    let written = fake.state().next_key;
    assert!(written > 10, "{written}: a login, and a canary each quarter of an hour");
    assert_eq!(daemon.keys(), [0_i64; 0]);
    assert_eq!(daemon.with(|kept| kept.lines.clone()), [LinkState::Up]);
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_does_not_come_back_is_an_alarm_until_one_does() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    daemon
        .live(&fake, &with_canary(), async {
            daemon.is_up().await;
            sleep(Duration::from_secs(2000)).await;
            fake.state().swallows_notes = true;
            daemon.until(|kept| downs(kept) >= 1 && fake.state().tries.len() >= 3).await;
            let ups = |kept: &Kept| kept.lines.iter().filter(|line| **line == LinkState::Up).count();
            assert_eq!(daemon.with(|kept| ups(kept)), 1, "a new login alone is no sign of health");
            fake.state().swallows_notes = false;
            daemon.until(|kept| ups(kept) == 2).await;
        })
        .await;
    assert!(fake.state().tries.len() >= 3, "it logged in anew");
}

#[tokio::test(start_paused = true)]
async fn a_deaf_tail_does_not_kill_the_canary() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    daemon
        .live(&fake, &with_canary(), async {
            daemon.is_up().await;
            sleep(Duration::from_secs(60)).await;
            fake.deafen();
            sleep(Duration::from_secs(5000)).await;
        })
        .await;
    assert_eq!(daemon.with(|kept| downs(kept)), 0);
}

#[tokio::test(start_paused = true)]
async fn where_vcenter_takes_none_the_source_works_without() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    fake.state().takes_no_notes = true;
    daemon
        .live(&fake, &with_canary(), async {
            daemon.is_up().await;
            sleep(Duration::from_secs(5000)).await;
            fake.burst(1);
            daemon.has(1).await;
        })
        .await;
    assert_eq!(daemon.with(|kept| kept.lines.clone()), [LinkState::Up]);
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_flies_often_is_missed_soon() {
    for (every, soonest, latest) in [(10, 5, 9), (60, 30, 34), (900, 120, 124), (86_400, 120, 124)] {
        let (fake, daemon) = (Fake::new(), Daemon::default());
        fake.state().swallows_notes = true;
        let wants = Wants { canary: Some(Duration::from_secs(every)), ..wants() };
        let asked = tokio::time::Instant::now();
        daemon.live(&fake, &wants, daemon.until(|kept| downs(kept) > 0)).await;
        let within = Duration::from_secs(soonest)..=Duration::from_secs(latest);
        assert!(within.contains(&asked.elapsed()), "{every}: {:?}", asked.elapsed());
    }
}
