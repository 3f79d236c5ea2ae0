//! Never deaf: tails that fall silent, keys that mislead, clocks that go back.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_deaf_tail_is_found_by_an_audit_and_made_anew() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    let mut keys = Vec::new();
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            keys.extend(fake.burst(2));
            daemon.has(2).await;
            fake.deafen();
            keys.extend(fake.burst(3));
            daemon.has(5).await;
            // The new tail hears at once.
            sleep(Duration::from_secs(60)).await;
            let asked = tokio::time::Instant::now();
            keys.extend(fake.burst(1));
            daemon.has(6).await;
            assert!(asked.elapsed() < Duration::from_secs(5));
        })
        .await;
    assert_keys(&daemon.keys(), &keys);
    assert_once(&daemon);
    assert_eq!(daemon.with(|kept| kept.lines.clone()), [LinkState::Up], "nobody was alarmed");
}

#[tokio::test(start_paused = true)]
async fn where_every_tail_is_deaf_audits_do_its_work() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    let mut keys = Vec::new();
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            for _ in 0..5 {
                fake.deafen();
                keys.extend(fake.burst(4));
                daemon.has(keys.len()).await;
                fake.deafen();
            }
            let asked = tokio::time::Instant::now();
            keys.extend(fake.burst(4));
            daemon.has(keys.len()).await;
            assert!(asked.elapsed() < Duration::from_secs(120), "{:?}", asked.elapsed());
        })
        .await;
    assert_keys(&daemon.keys(), &keys);
    assert_once(&daemon);
}

#[tokio::test(start_paused = true)]
async fn keys_that_wrap_into_the_negative_mislead_nobody() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    fake.state().next_key = i64::from(i32::MAX) - 1500;
    let mut keys = Vec::new();
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            keys.extend(fake.burst(1400));
            daemon.has(1400).await;
            keys.extend(fake.burst(60));
            daemon.has(1460).await;
            for _ in 0..80 {
                sleep(Duration::from_secs(1)).await;
                keys.push(fake.happen("VmPoweredOffEvent"));
            }
            daemon.has(1540).await;
        })
        .await;
    sleep(Duration::from_secs(60)).await;
    keys.extend(fake.burst(2000));
    daemon.live(&fake, &wants(), daemon.has(3540)).await;
    assert!(keys[3539] < 0);
    assert_keys(&daemon.keys(), &keys);
    assert_eq!(daemon.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn keys_that_stand_still_are_told_apart_by_their_times() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            for many in 1..=150 {
                fake.state().next_key = 42;
                fake.happen("VmPoweredOnEvent");
                daemon.has(many).await;
                sleep(Duration::from_secs(1)).await;
            }
        })
        .await;
    assert_eq!(daemon.keys(), [42; 150]);
    assert_once(&daemon);
}

#[tokio::test(start_paused = true)]
async fn a_restart_with_keys_from_one_is_read_on_and_its_hole_is_told() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    let mut keys = Vec::new();
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            keys.extend(fake.burst(120));
            daemon.has(120).await;
            sleep(Duration::from_secs(20)).await;
            fake.restart();
            keys.extend(fake.burst(30));
            daemon.has(150).await;
        })
        .await;
    assert_keys(&daemon.keys(), &keys);
    assert_once(&daemon);
    let gaps = daemon.gaps();
    assert!(matches!(gaps.as_slice(), [(None, why)] if why.contains("keys began anew")), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_hides_nothing() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    let mut keys = Vec::new();
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            sleep(Duration::from_secs(7200)).await;
            keys.extend(fake.burst(3));
            daemon.has(3).await;
            fake.state().off = -jiff::SignedDuration::from_hours(1);
            keys.extend(fake.burst(2));
            daemon.has(5).await;
            // Also where the tail says nothing, or more came than it holds.
            fake.deafen();
            keys.extend(fake.burst(4));
            daemon.has(9).await;
            keys.extend(fake.burst(400));
            daemon.has(409).await;
        })
        .await;
    sleep(Duration::from_secs(30)).await;
    fake.state().off = -jiff::SignedDuration::from_hours(5);
    keys.extend(fake.burst(2));
    daemon.live(&fake, &wants(), daemon.has(411)).await;
    let mut read = daemon.keys();
    read.sort_unstable();
    assert_keys(&read, &keys);
    // What was read again for that, the queue knew by its ids: the keys above would be there twice.
}

#[tokio::test(start_paused = true)]
async fn what_a_host_tells_late_is_heard() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    let mut keys = Vec::new();
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            keys.extend(fake.burst(5));
            daemon.has(5).await;
            sleep(Duration::from_secs(3600)).await;
            for (many, ago) in [(6, 60), (7, 1200), (8, 7200), (9, 86_400)] {
                keys.push(fake.happened_ago(Duration::from_secs(ago)));
                daemon.has(many).await;
            }
        })
        .await;
    assert_keys(&daemon.keys(), &keys);
    assert_once(&daemon);
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_clock_runs_ahead_hides_nobody() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    let mut keys = Vec::new();
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            let ahead = jiff::SignedDuration::from_hours(24 * 365);
            fake.state().off = ahead;
            let key = fake.happen("VmPoweredOnEvent");
            fake.state().off = jiff::SignedDuration::ZERO;
            keys.push(key);
            daemon.has(1).await;
        })
        .await;
    sleep(Duration::from_secs(60)).await;
    keys.extend(fake.burst(150));
    daemon
        .live(&fake, &wants(), async {
            daemon.has(151).await;
            keys.extend(fake.burst(1100));
            daemon.has(1251).await;
        })
        .await;
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            sleep(Duration::from_secs(60)).await;
            keys.extend(fake.burst(150));
            daemon.has(1401).await;
            fake.deafen();
            keys.extend(fake.burst(4));
            daemon.has(1405).await;
        })
        .await;
    let mut read = daemon.keys();
    read.sort_unstable();
    assert_keys(&read, &keys);
    assert_eq!(daemon.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn the_simulator_of_debian_is_read_as_it_is() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    {
        let mut state = fake.state();
        (state.as_debian, state.keeps) = (true, 1000);
    }
    fake.burst(25);
    sleep(Duration::from_secs(600)).await;
    let mut keys = Vec::new();
    for round in 0..3 {
        daemon
            .live(&fake, &wants(), async {
                daemon.until(|kept| kept.lines.iter().filter(|line| **line == LinkState::Up).count() > round).await;
                for many in [60, 90, 600] {
                    keys.extend(fake.burst(many));
                    daemon.has(keys.len()).await;
                    sleep(Duration::from_secs(5)).await;
                }
                fake.forget_sessions();
                keys.extend(fake.burst(50));
                daemon.has(keys.len()).await;
            })
            .await;
        keys.extend(fake.burst(700));
        sleep(Duration::from_secs(3600)).await;
    }
    daemon.live(&fake, &wants(), daemon.has(keys.len())).await;
    assert_keys(&daemon.keys(), &keys);
    assert_once(&daemon);
    assert_eq!(daemon.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn another_vcenter_is_begun_anew() {
    let (fake, other, daemon) = (Fake::new(), Fake::new(), Daemon::default());
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            fake.burst(3);
            daemon.has(3).await;
        })
        .await;
    other.state().instance = "other".into();
    other.burst(200);
    sleep(Duration::from_secs(600)).await;
    daemon
        .live(&other, &wants(), async {
            daemon.until(|kept| kept.cursor.as_ref().is_some_and(|cursor| cursor.contains("\"other\""))).await;
            daemon.is_up().await;
            sleep(Duration::from_secs(1)).await;
            other.burst(2);
            daemon.has(5).await;
        })
        .await;
    assert_eq!(daemon.keys(), [2, 3, 4, 202, 203]);
    assert_eq!(daemon.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_is_counted_once_and_stops_nobody() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            fake.happen_odd();
            for many in 1..=10 {
                fake.happen("SomeEventOfTheYear2040");
                daemon.has(many).await;
            }
            fake.forget_sessions();
            fake.happen("VmPoweredOnEvent");
            daemon.has(11).await;
        })
        .await;
    assert_eq!(daemon.with(|kept| kept.skipped), 1);
    assert_once(&daemon);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_comes_back_tells_more_than_a_page_of_what_is_long_past() {
    for many in [150, 1500] {
        let (fake, daemon) = (Fake::new(), Daemon::default());
        let mut keys = Vec::new();
        daemon
            .live(&fake, &wants(), async {
                daemon.is_up().await;
                for _ in 0..3 {
                    keys.extend(fake.burst(5));
                    daemon.has(keys.len()).await;
                    sleep(Duration::from_secs(3600)).await;
                }
                keys.extend((0..many).map(|_| fake.happened_ago(Duration::from_secs(3600))));
                daemon.has(keys.len()).await;
            })
            .await;
        let mut read = daemon.keys();
        read.sort_unstable();
        assert_keys(&read, &keys);
        assert_eq!(daemon.gaps(), []);
        assert_once(&daemon);
    }
}

#[tokio::test(start_paused = true)]
async fn an_audit_looks_back_to_the_one_before() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    let mut keys = Vec::new();
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            keys.extend(fake.burst(5));
            daemon.has(5).await;
            sleep(Duration::from_secs(400)).await;
            fake.deafen();
            // Told late by less than the time between audits, and before the newest by more than the overlap.
            keys.push(fake.happened_ago(Duration::from_secs(390)));
            sleep(Duration::from_secs(10)).await;
            keys.extend(fake.burst(3));
            daemon.has(9).await;
        })
        .await;
    let mut read = daemon.keys();
    read.sort_unstable();
    assert_keys(&read, &keys);
    assert_once(&daemon);
}
