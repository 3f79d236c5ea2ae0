//! Keys, clocks and late events of a history, none of which may hide an event.

use super::*;

#[tokio::test(start_paused = true)]
async fn keys_may_wrap_into_the_negative() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    vcenter.state().next_key = i64::from(i32::MAX) - 1500;
    let mut keys = Vec::new();
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            keys.extend(vcenter.burst(1400));
            intake.has(1400).await;
            keys.extend(vcenter.burst(60));
            intake.has(1460).await;
            for _ in 0..80 {
                sleep(Duration::from_secs(1)).await;
                keys.push(vcenter.happen("VmPoweredOffEvent"));
            }
            intake.has(1540).await;
        })
        .await;
    sleep(Duration::from_secs(60)).await;
    keys.extend(vcenter.burst(2000));
    intake.run_source(&vcenter, &options(), intake.has(3540)).await;
    assert!(keys[3539] < 0);
    assert_keys(&intake.keys(), &keys);
    assert_eq!(intake.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn events_with_equal_keys_are_told_apart_by_their_times() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            for count in 1..=150 {
                vcenter.state().next_key = 42;
                vcenter.happen("VmPoweredOnEvent");
                intake.has(count).await;
                sleep(Duration::from_secs(1)).await;
            }
        })
        .await;
    assert_eq!(intake.keys(), [42; 150]);
    assert_once(&intake);
}

#[tokio::test(start_paused = true)]
async fn a_restart_with_keys_from_one_is_read_on_and_reported_as_a_gap() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    let mut keys = Vec::new();
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            keys.extend(vcenter.burst(120));
            intake.has(120).await;
            sleep(Duration::from_secs(20)).await;
            vcenter.restart();
            keys.extend(vcenter.burst(30));
            intake.has(150).await;
        })
        .await;
    assert_keys(&intake.keys(), &keys);
    assert_once(&intake);
    let gaps = intake.gaps();
    assert!(matches!(gaps.as_slice(), [(None, why)] if why.contains("keys started over")), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_hides_no_event() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    let mut keys = Vec::new();
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            sleep(Duration::from_secs(7200)).await;
            keys.extend(vcenter.burst(3));
            intake.has(3).await;
            vcenter.state().clock_offset = -jiff::SignedDuration::from_hours(1);
            keys.extend(vcenter.burst(2));
            intake.has(5).await;
            // Also where the tail stalls, or a burst is larger than its page.
            vcenter.stall_watches();
            keys.extend(vcenter.burst(4));
            intake.has(9).await;
            keys.extend(vcenter.burst(400));
            intake.has(409).await;
        })
        .await;
    sleep(Duration::from_secs(30)).await;
    vcenter.state().clock_offset = -jiff::SignedDuration::from_hours(5);
    keys.extend(vcenter.burst(2));
    intake.run_source(&vcenter, &options(), intake.has(411)).await;
    let mut read = intake.keys();
    read.sort_unstable();
    assert_keys(&read, &keys);
    // The store recognised what was read again by its ids: otherwise the keys above would be there twice.
}

#[tokio::test(start_paused = true)]
async fn late_events_of_a_host_are_relayed() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    let mut keys = Vec::new();
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            keys.extend(vcenter.burst(5));
            intake.has(5).await;
            sleep(Duration::from_secs(3600)).await;
            for (count, ago) in [(6, 60), (7, 1200), (8, 7200), (9, 86_400)] {
                keys.push(vcenter.happen_late(Duration::from_secs(ago)));
                intake.has(count).await;
            }
        })
        .await;
    assert_keys(&intake.keys(), &keys);
    assert_once(&intake);
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_clock_runs_ahead_hides_no_event() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    let mut keys = Vec::new();
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            let ahead = jiff::SignedDuration::from_hours(24 * 365);
            vcenter.state().clock_offset = ahead;
            let key = vcenter.happen("VmPoweredOnEvent");
            vcenter.state().clock_offset = jiff::SignedDuration::ZERO;
            keys.push(key);
            intake.has(1).await;
        })
        .await;
    sleep(Duration::from_secs(60)).await;
    keys.extend(vcenter.burst(150));
    intake
        .run_source(&vcenter, &options(), async {
            intake.has(151).await;
            keys.extend(vcenter.burst(1100));
            intake.has(1251).await;
        })
        .await;
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            sleep(Duration::from_secs(60)).await;
            keys.extend(vcenter.burst(150));
            intake.has(1401).await;
            vcenter.stall_watches();
            keys.extend(vcenter.burst(4));
            intake.has(1405).await;
        })
        .await;
    let mut read = intake.keys();
    read.sort_unstable();
    assert_keys(&read, &keys);
    assert_eq!(intake.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn a_different_vcenter_is_read_from_its_start() {
    let (vcenter, other, intake) = (FakeVcenter::new(), FakeVcenter::new(), FakeIntake::default());
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            vcenter.burst(3);
            intake.has(3).await;
        })
        .await;
    other.state().instance = "other".into();
    other.burst(200);
    sleep(Duration::from_secs(600)).await;
    intake
        .run_source(&other, &options(), async {
            intake.until(|received| received.cursor.as_ref().is_some_and(|cursor| cursor.contains("\"other\""))).await;
            intake.is_up().await;
            sleep(Duration::from_secs(1)).await;
            other.burst(2);
            intake.has(5).await;
        })
        .await;
    assert_eq!(intake.keys(), [2, 3, 4, 202, 203]);
    assert_eq!(intake.gaps(), []);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_an_event_is_counted_once_and_blocks_nothing() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            vcenter.happen_malformed();
            for count in 1..=10 {
                vcenter.happen("SomeEventOfTheYear2040");
                intake.has(count).await;
            }
            vcenter.forget_sessions();
            vcenter.happen("VmPoweredOnEvent");
            intake.has(11).await;
        })
        .await;
    assert_eq!(intake.with(|received| received.skipped), 1);
    assert_once(&intake);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_reconnects_may_send_more_than_a_page_of_old_events() {
    for count in [150, 1500] {
        let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
        let mut keys = Vec::new();
        intake
            .run_source(&vcenter, &options(), async {
                intake.is_up().await;
                for _ in 0..3 {
                    keys.extend(vcenter.burst(5));
                    intake.has(keys.len()).await;
                    sleep(Duration::from_secs(3600)).await;
                }
                keys.extend((0..count).map(|_| vcenter.happen_late(Duration::from_secs(3600))));
                intake.has(keys.len()).await;
            })
            .await;
        let mut read = intake.keys();
        read.sort_unstable();
        assert_keys(&read, &keys);
        assert_eq!(intake.gaps(), []);
        assert_once(&intake);
    }
}
