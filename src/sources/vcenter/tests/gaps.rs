//! Events that cannot be read any more are reported as gaps: from when to when, and how many if that is known.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_vcenter_purged_between_two_runs_is_a_gap_with_its_size() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    vcenter.state().retention = 1000;
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            vcenter.burst(10);
            intake.has(10).await;
            sleep(Duration::from_secs(700)).await;
        })
        .await;
    let lost_from = vcenter.state().now();
    sleep(Duration::from_secs(60)).await;
    // The daemon's own logout and login are among the keys.
    let keys = vcenter.burst(1500);
    intake.run_source(&vcenter, &options(), intake.has(10 + 999)).await;
    assert_keys(&intake.keys()[10..], &keys[501..]);
    let gaps = intake.with(|received| received.gaps.clone());
    let [(from, to, Some(502), why)] = gaps.as_slice() else { panic!("{gaps:?}") };
    assert!(why.contains("no longer has"), "{why}");
    assert!(lost_from.duration_since(*from) < jiff::SignedDuration::from_mins(11), "{from} {lost_from}");
    let first = intake.with(|received| received.events[10].time);
    assert_eq!(*to, first);
}

#[tokio::test(start_paused = true)]
async fn a_burst_beyond_the_retention_is_a_gap_while_connected_too() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    vcenter.state().retention = 1000;
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            vcenter.burst(10);
            intake.has(10).await;
            vcenter.burst(3000);
            intake.has(1010).await;
        })
        .await;
    assert_eq!(intake.gaps().len(), 1);
    assert_eq!(intake.gaps()[0].0, Some(2000));
}

#[tokio::test(start_paused = true)]
async fn with_a_filter_the_size_of_a_gap_is_unknown() {
    let (vcenter, intake, options) =
        (FakeVcenter::new(), FakeIntake::default(), ReadOptions { filter: 7, ..options() });
    vcenter.state().retention = 1000;
    intake
        .run_source(&vcenter, &options, async {
            intake.is_up().await;
            vcenter.burst(10);
            intake.has(10).await;
            vcenter.burst(3000);
            intake.has(1010).await;
        })
        .await;
    assert_eq!(intake.gaps().len(), 1);
    assert_eq!(intake.gaps()[0].0, None);
}

#[tokio::test(start_paused = true)]
async fn events_that_only_the_latest_page_shows_are_relayed() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            vcenter.burst(3);
            intake.has(3).await;
        })
        .await;
    sleep(Duration::from_secs(60)).await;
    for _ in 0..1200 {
        vcenter.happen_hidden();
    }
    vcenter.burst(2);
    // The page holds the newest thousand, with our own log-in; what lies before it cannot be read.
    intake.run_source(&vcenter, &options(), intake.has(3 + 999)).await;
    assert_once(&intake);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_reading_is_a_gap_and_the_newest_events_are_relayed() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            vcenter.burst(3);
            intake.has(3).await;
        })
        .await;
    sleep(Duration::from_secs(60)).await;
    vcenter.state().stuck = true;
    let keys = vcenter.burst(2500);
    // One of the thousand is our own log-in.
    intake.run_source(&vcenter, &options(), intake.has(3 + 999)).await;
    assert_keys(&intake.keys()[3..], &keys[1501..]);
    let gaps = intake.gaps();
    assert!(matches!(gaps.as_slice(), [(Some(_), why)] if why.contains("not those between")), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_cursor_is_a_gap_and_reading_goes_on() {
    for damage in ["", "{", "null", "{\"form\":1}", "\u{0}"] {
        let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
        vcenter.burst(50);
        sleep(Duration::from_secs(3600)).await;
        let keys = vcenter.burst(5);
        sleep(Duration::from_secs(60)).await;
        intake.with(|received| received.cursor = Some(damage.to_owned()));
        intake.run_source(&vcenter, &options(), intake.has(5)).await;
        // The overlap before now is read again.
        assert_keys(&intake.keys(), &keys);
        assert_eq!(intake.gaps().len(), 1, "{damage}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_filter_is_not_a_gap() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            vcenter.burst(3);
            intake.has(3).await;
        })
        .await;
    vcenter.burst(2);
    intake.run_source(&vcenter, &ReadOptions { filter: 9, ..options() }, intake.has(5)).await;
    assert_eq!(intake.gaps(), []);
    assert_once(&intake);
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_is_stuck_from_the_start_is_a_gap_too() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    vcenter.state().stuck = true;
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            vcenter.burst(2500);
            intake.has(1000).await;
        })
        .await;
    let gaps = intake.gaps();
    assert!(matches!(gaps.as_slice(), [(_, why)] if why.contains("not those between")), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn what_one_collector_skips_the_next_one_brings() {
    for skipped_reads in [vec![2, 2, 2], vec![0], vec![0, 0], vec![4, 0], vec![1; 4]] {
        let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
        let mut keys = Vec::new();
        intake
            .run_source(&vcenter, &options(), async {
                intake.is_up().await;
                keys.extend(vcenter.burst(3));
                intake.has(3).await;
                vcenter.state().skipped_reads = skipped_reads.iter().copied().collect();
                // Two seconds apart, so that each collector gets a little further.
                for _ in 0..5 {
                    keys.extend(vcenter.burst(1000));
                    tokio::time::advance(Duration::from_secs(2)).await;
                }
                intake.has(keys.len()).await;
            })
            .await;
        assert_eq!(intake.gaps(), [], "{skipped_reads:?}");
        assert_keys(&intake.keys(), &keys);
        assert_once(&intake);
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_after_the_last_reading_is_not_a_gap() {
    for later in [0, 3] {
        let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
        intake
            .run_source(&vcenter, &options(), async {
                vcenter.state().bursts_at_latest_page.extend([2500, 1001, 5]);
                intake.has(3506).await;
                vcenter.burst(later);
                intake.has(3506 + later).await;
                vcenter.state().bursts_at_latest_page.extend([4000]);
                vcenter.burst(200);
                intake.has(7706 + later).await;
            })
            .await;
        assert_eq!(intake.keys().len(), 7706 + later);
        assert_once(&intake);
        assert_eq!(intake.gaps(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_after_the_last_reading_beyond_the_retention_is_a_gap() {
    let (vcenter, intake) = (FakeVcenter::new(), FakeIntake::default());
    vcenter.state().retention = 1000;
    intake
        .run_source(&vcenter, &options(), async {
            intake.is_up().await;
            vcenter.burst(10);
            intake.has(10).await;
            vcenter.state().bursts_at_latest_page.extend([3000]);
            vcenter.burst(200);
            intake.has(1210).await;
        })
        .await;
    assert_eq!(intake.gaps().len(), 1);
    assert_eq!(intake.gaps()[0].0, Some(2000));
}
