//! From the first start on, over bursts, restarts and lost sessions.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_first_start_skips_history_and_then_hears_everything_once_and_in_order() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    fake.burst(250);
    sleep(Duration::from_secs(3600)).await;
    let mut keys = Vec::new();
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            for many in [1, 60, 90, 3] {
                keys.extend(fake.burst(many));
                daemon.has(keys.len()).await;
            }
        })
        .await;
    assert_keys(&daemon.keys(), &keys);
    assert_once(&daemon);
    assert_eq!(daemon.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn from_says_where_the_very_first_reading_begins() {
    for (from, expected) in [(From::Ago(Duration::from_secs(7200)), 20), (From::Beginning, 30)] {
        let (fake, daemon) = (Fake::new(), Daemon::default());
        fake.burst(10);
        sleep(Duration::from_secs(86_400)).await;
        fake.burst(20);
        sleep(Duration::from_secs(3600)).await;
        daemon.live(&fake, &Wants { from, ..wants() }, daemon.has(expected)).await;
        assert_eq!(daemon.keys().len(), expected);
        assert_once(&daemon);
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_larger_than_a_page_arrives_whole_and_a_page_at_a_time() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    let mut keys = Vec::new();
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            keys.extend(fake.burst(1));
            daemon.has(1).await;
            keys.extend(fake.burst(12_345));
            daemon.has(keys.len()).await;
            keys.extend(fake.burst(7));
            daemon.has(keys.len()).await;
        })
        .await;
    assert_keys(&daemon.keys(), &keys);
    assert_once(&daemon);
    assert!(daemon.with(|kept| kept.largest) <= 1000);
    assert_eq!(daemon.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn what_happened_between_two_lives_is_read_and_nothing_is_repeated() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    let mut keys = Vec::new();
    for _ in 0..3 {
        daemon
            .live(&fake, &wants(), async {
                daemon.has(keys.len()).await;
                daemon.until(|kept| kept.lines.last() == Some(&LinkState::Up)).await;
                keys.extend(fake.burst(70));
                daemon.has(keys.len()).await;
            })
            .await;
        sleep(Duration::from_secs(60)).await;
        keys.extend(fake.burst(70));
        sleep(Duration::from_secs(7200)).await;
    }
    daemon.live(&fake, &wants(), daemon.has(keys.len())).await;
    assert_keys(&daemon.keys(), &keys);
    assert_once(&daemon);
    assert_eq!(daemon.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_heard_nothing_yet_has_a_place_all_the_same() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    daemon.live(&fake, &wants(), daemon.is_up()).await;
    sleep(Duration::from_secs(60)).await;
    let keys = fake.burst(3);
    daemon.live(&fake, &wants(), daemon.has(3)).await;
    assert_keys(&daemon.keys(), &keys);
}

#[tokio::test(start_paused = true)]
async fn a_death_in_a_burst_loses_and_repeats_nothing() {
    for dies_after in [1, 1000, 2500] {
        let (fake, daemon) = (Fake::new(), Daemon::default());
        daemon.live(&fake, &wants(), daemon.is_up()).await;
        let keys = fake.burst(3000);
        daemon.with(|kept| kept.dies_after = Some(dies_after));
        daemon.live(&fake, &wants(), std::future::pending()).await;
        assert!(daemon.keys().len() < 3000);
        daemon.live(&fake, &wants(), daemon.has(3000)).await;
        let mut read = daemon.keys();
        read.sort_unstable();
        assert_keys(&read, &keys);
        assert_eq!(daemon.gaps(), [], "{dies_after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_stops_the_reading_and_loses_nothing() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    let mut keys = Vec::new();
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            for _ in 0..3 {
                daemon.with(|kept| kept.refuse = 20);
                keys.extend(fake.burst(1500));
                daemon.has(keys.len()).await;
            }
        })
        .await;
    assert_keys(&daemon.keys(), &keys);
    assert_once(&daemon);
}

#[tokio::test(start_paused = true)]
async fn reconnecting_for_ever_leaves_nothing_behind_and_tells_nothing_of_itself() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    let mut keys = Vec::new();
    daemon
        .live(&fake, &wants(), async {
            for round in 0..40 {
                daemon.until(|kept| kept.lines.iter().filter(|line| **line == LinkState::Up).count() > round).await;
                keys.extend(fake.burst(2));
                daemon.has(keys.len()).await;
                if round % 2 == 0 {
                    fake.forget_sessions();
                } else {
                    fake.fail_next("changes", Trouble::Road(Fault::new("timeout", "timeout")));
                    keys.extend(fake.burst(1));
                }
            }
            daemon.has(keys.len()).await;
        })
        .await;
    assert_keys(&daemon.keys(), &keys);
    assert_eq!(fake.left_behind(), (0, 0));
    assert!(fake.state().most_collectors <= 2, "{}", fake.state().most_collectors);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_in_mid_page_is_gone_on_with_where_it_was() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    daemon.live(&fake, &wants(), daemon.is_up()).await;
    let keys = fake.burst(3500);
    for call in ["read_on", "read_on", "latest", "watch", "collect"] {
        fake.fail_next(call, Trouble::LoggedOut);
    }
    daemon.live(&fake, &wants(), daemon.has(3500)).await;
    assert_keys(&daemon.keys(), &keys);
    assert_once(&daemon);
    assert_eq!(daemon.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_is_gone_is_made_anew_in_the_same_session() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    let mut keys = Vec::new();
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            sleep(Duration::from_secs(600)).await;
            fake.forget_collectors();
            keys.extend(fake.burst(5));
            daemon.has(5).await;
        })
        .await;
    assert_keys(&daemon.keys(), &keys);
    assert_eq!(fake.state().tries.len(), 1, "no login was needed");
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_tried_again_slowly() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    fake.state().refuses = true;
    daemon
        .live(&fake, &wants(), async {
            sleep(Duration::from_secs(3601)).await;
            fake.state().refuses = false;
            daemon.is_up().await;
        })
        .await;
    let tries = fake.state().tries.clone();
    assert_eq!(tries.len(), 14);
    assert!(tries.windows(2).all(|two| two[1] - two[0] >= Duration::from_secs(300)));
    let refused = |line: &LinkState| matches!(line, LinkState::Down(fault) if fault.reason() == "login_refused");
    assert!(daemon.with(|kept| kept.lines.iter().any(refused)));
}

#[tokio::test(start_paused = true)]
async fn a_server_in_trouble_is_asked_ever_more_slowly() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    for _ in 0..200 {
        fake.fail_next("enter", Trouble::Road(Fault::new("status_503", "vCenter answers 503")));
    }
    daemon.live(&fake, &wants(), daemon.is_up()).await;
    let tries = fake.state().tries.clone();
    assert_eq!(tries.len(), 201);
    assert!(tries.windows(2).all(|two| two[1] - two[0] <= Duration::from_secs(60)));
    let late = tries[200] - tries[100];
    assert!(late > Duration::from_secs(1500), "full jitter, half a minute in the middle: {late:?}");
}
