//! What cannot be recovered is told: from when to when, and how many, if that can be known.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_retention_took_while_nobody_listened_is_a_gap_with_its_size() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    fake.state().keeps = 1000;
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            fake.burst(10);
            daemon.has(10).await;
            sleep(Duration::from_secs(700)).await;
        })
        .await;
    let lost_from = fake.state().now();
    sleep(Duration::from_secs(60)).await;
    // The daemon's own logout and login are among the keys.
    let keys = fake.burst(1500);
    daemon.live(&fake, &wants(), daemon.has(10 + 999)).await;
    assert_keys(&daemon.keys()[10..], &keys[501..]);
    let gaps = daemon.with(|kept| kept.gaps.clone());
    let [(from, to, Some(502), why)] = gaps.as_slice() else { panic!("{gaps:?}") };
    assert!(why.contains("no longer has"), "{why}");
    assert!(lost_from.duration_since(*from) < jiff::SignedDuration::from_mins(11), "{from} {lost_from}");
    let first = daemon.with(|kept| kept.events[10].time);
    assert_eq!(*to, first);
}

#[tokio::test(start_paused = true)]
async fn a_burst_beyond_what_vcenter_keeps_is_a_gap_while_listening_too() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    fake.state().keeps = 1000;
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            fake.burst(10);
            daemon.has(10).await;
            fake.burst(3000);
            daemon.has(1010).await;
        })
        .await;
    assert_eq!(daemon.gaps().len(), 1);
    assert_eq!(daemon.gaps()[0].0, Some(2000));
}

#[tokio::test(start_paused = true)]
async fn behind_a_filter_nobody_knows_how_many() {
    let (fake, daemon, wants) = (Fake::new(), Daemon::default(), Wants { filter: 7, ..wants() });
    fake.state().keeps = 1000;
    daemon
        .live(&fake, &wants, async {
            daemon.is_up().await;
            fake.burst(10);
            daemon.has(10).await;
            fake.burst(3000);
            daemon.has(1010).await;
        })
        .await;
    assert_eq!(daemon.gaps().len(), 1);
    assert_eq!(daemon.gaps()[0].0, None);
}

#[tokio::test(start_paused = true)]
async fn events_that_reading_hides_but_the_latest_page_shows_are_relayed() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            fake.burst(3);
            daemon.has(3).await;
        })
        .await;
    sleep(Duration::from_secs(60)).await;
    for _ in 0..1200 {
        fake.happen_hidden();
    }
    fake.burst(2);
    // The page holds the newest thousand, our own login among them; what lies before it cannot be had.
    daemon.live(&fake, &wants(), daemon.has(3 + 999)).await;
    assert_once(&daemon);
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_is_stuck_is_told_and_the_newest_are_relayed() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            fake.burst(3);
            daemon.has(3).await;
        })
        .await;
    sleep(Duration::from_secs(60)).await;
    fake.state().stuck = true;
    let keys = fake.burst(2500);
    // One of the thousand is our own login.
    daemon.live(&fake, &wants(), daemon.has(3 + 999)).await;
    assert_keys(&daemon.keys()[3..], &keys[1501..]);
    let gaps = daemon.gaps();
    assert!(matches!(gaps.as_slice(), [(Some(_), why)] if why.contains("not those between")), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_place_is_survived() {
    for damage in ["", "{", "null", "{\"form\":1}", "\u{0}"] {
        let (fake, daemon) = (Fake::new(), Daemon::default());
        fake.burst(50);
        sleep(Duration::from_secs(3600)).await;
        let keys = fake.burst(5);
        sleep(Duration::from_secs(60)).await;
        daemon.with(|kept| kept.cursor = Some(damage.to_owned()));
        daemon.live(&fake, &wants(), daemon.has(5)).await;
        // The overlap before now is read again.
        assert_keys(&daemon.keys(), &keys);
        assert_eq!(daemon.gaps().len(), 1, "{damage}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_filter_is_no_loss() {
    let (fake, daemon) = (Fake::new(), Daemon::default());
    daemon
        .live(&fake, &wants(), async {
            daemon.is_up().await;
            fake.burst(3);
            daemon.has(3).await;
        })
        .await;
    fake.burst(2);
    daemon.live(&fake, &Wants { filter: 9, ..wants() }, daemon.has(5)).await;
    assert_eq!(daemon.gaps(), []);
    assert_once(&daemon);
}
