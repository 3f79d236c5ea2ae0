//! What an Engine drops while its events cannot be stored.

use super::*;
use crate::outbox::STATE_FILE;
use crate::reconnect::STANDSTILL;

/// The number in the subject of each event, as the intake received them, and the gaps; until the event `last`.
async fn received_until(harness: &mut Harness, last: usize) -> (Vec<usize>, Vec<Gap>) {
    let (mut numbers, mut gaps) = (Vec::new(), Vec::new());
    while !numbers.contains(&last) {
        tokio::select! {
            arrival = soon(harness.arrivals.recv()) => {
                let events = Harness::commit(arrival.expect("the source runs"));
                numbers.extend(events.iter().map(|event| event.subject.parse::<usize>().expect("a number")));
            }
            gap = harness.status.gaps.recv() => {
                let mut gap = gap.expect("the source runs");
                gap.committed.take().expect("a put that waits").send(Ok(())).expect("the put still waits");
                gaps.push(gap);
            }
        }
    }
    (numbers, gaps)
}

/// Events with the numbers as subjects and times.
async fn emit(engine: &FakeEngine, numbers: std::ops::Range<usize>) {
    for n in numbers {
        engine.emit(i64::try_from(n).expect("small"), "start", &n.to_string());
        if n % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn after_a_standstill_the_engine_is_asked_again_and_what_it_forgot_is_one_gap() {
    /// More bytes than the source buffers, and then more events than the Engine keeps for it.
    const LARGE: usize = 270;
    const COUNT: usize = LARGE + 2000;
    let (engine, mut harness) = (FakeEngine::start(), Harness::new());
    let label = "x".repeat(64 << 10);
    with(&docker(&engine, ""), &mut harness, async |harness| {
        harness.up().await;
        // Nothing is committed, so the source stops reading, and the Engine drops the rest.
        for n in 0..LARGE {
            engine.emit_with(i64::try_from(n).expect("small"), "start", &n.to_string(), &label);
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
        emit(&engine, LARGE..COUNT).await;
        tokio::time::sleep(STANDSTILL + Duration::from_millis(500)).await;
        let (mut numbers, gaps) = received_until(harness, COUNT - 1).await;
        numbers.sort_unstable();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "nothing is repeated");
        let missing: Vec<_> = (0..COUNT).filter(|n| numbers.binary_search(n).is_err()).collect();
        let [first, .., last] = missing[..] else { panic!("nothing was dropped: the buffers are too large") };
        assert_eq!(last - first + 1, missing.len(), "there is one hole");
        assert_eq!(last + 1, COUNT - 256, "all that the Engine remembered was read");
        let times = |n: usize| at(i64::try_from(n).expect("small"));
        assert_eq!(
            gaps.iter().map(|gap| (gap.from, gap.to)).collect::<Vec<_>>(),
            [(times(first - 1), times(last + 1))]
        );
        emit(&engine, COUNT..COUNT + 300).await;
        let (numbers, gaps) = received_until(harness, COUNT + 299).await;
        assert_eq!((numbers, gaps.len()), ((COUNT..COUNT + 300).collect(), 0), "it goes on");
    })
    .await;
}

#[tokio::test]
async fn after_a_standstill_that_the_engine_remembers_nothing_is_missing() {
    let (engine, mut harness) = (FakeEngine::start(), Harness::new());
    with(&docker(&engine, "max_frame = \"64KiB\""), &mut harness, async |harness| {
        harness.up().await;
        emit(&engine, 0..10).await;
        let waiting = soon(harness.arrivals.recv()).await.expect("events");
        // The source waits until this gap is written, and reads nothing.
        engine.send(&format!("{{\"Type\":\"container\",\"Action\":\"start\",\"x\":\"{}\"}}\n", "x".repeat(1 << 17)));
        let gap = soon(harness.status.gaps.recv()).await.expect("the source runs");
        emit(&engine, 10..200).await;
        tokio::time::sleep(STANDSTILL + Duration::from_millis(500)).await;
        gap.committed.expect("a put that waits").send(Ok(())).expect("the put still waits");
        let first = Harness::commit(waiting).len();
        let (mut numbers, gaps) = received_until(harness, 199).await;
        numbers.sort_unstable();
        assert_eq!((numbers, gaps.len()), ((first..200).collect(), 0));
        let asked_again = async {
            while engine.requests().iter().filter(|path| path.contains("/events")).count() < 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        soon(asked_again).await;
    })
    .await;
}

#[tokio::test]
async fn while_nothing_can_be_stored_more_events_wait_than_the_engine_remembers() {
    let (engine, mut harness) = (FakeEngine::start(), Harness::new());
    with(&docker(&engine, ""), &mut harness, async |harness| {
        harness.up().await;
        emit(&engine, 0..10).await;
        for round in 1..3 {
            let refused = soon(harness.arrivals.recv()).await.expect("events");
            emit(&engine, (round * 500 - 500).max(10)..round * 500).await;
            let full = Fault::new(STATE_FILE, "the disk is full");
            refused.committed.expect("a put that waits").send(Err(full)).expect("the put still waits");
            soon(harness.status.held.wait_for(|held| *held)).await.expect("the source runs");
        }
        let (numbers, gaps) = received_until(harness, 999).await;
        assert_eq!((numbers, gaps.len()), ((0..1000).collect(), 0));
        soon(harness.status.held.wait_for(|held| !*held)).await.expect("the source runs");
        assert_eq!(*harness.status.link.borrow(), LinkState::Up, "the connection is the same");
    })
    .await;
}
