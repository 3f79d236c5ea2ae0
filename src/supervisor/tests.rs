//! What the supervisor does when tasks end, against a frozen clock.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

fn failure() -> Fault {
    Fault::new("lost", "the line is dead")
}

#[tokio::test(start_paused = true)]
async fn a_task_is_restarted_after_faults_panics_and_successful_ends() {
    let stop = Stop::new();
    let counted = Arc::new(Mutex::new(Vec::new()));
    let seen = counted.clone();
    let mut supervisor = Supervisor::new(stop.clone())
        .count_restarts(move |name, more| seen.lock().expect("no panic holds it").push((name.to_string(), more)));
    let starts = Arc::new(AtomicU32::new(0));
    let (round, stops) = (starts.clone(), stop.clone());
    supervisor.restart("source prod", move || {
        let (start, stops) = (round.fetch_add(1, Ordering::Relaxed), stops.clone());
        async move {
            match start {
                0 => Err(failure()),
                1 => panic!("a surprise"),
                2 => Ok(()),
                _ => {
                    stops.trigger();
                    Ok(())
                }
            }
        }
    });
    assert_eq!(supervisor.wait().await, Ended::Stopped);
    assert_eq!(supervisor.drain(Duration::from_secs(1)).await, []);
    assert_eq!(starts.load(Ordering::Relaxed), 4);
    let counted: Vec<u64> = counted.lock().expect("no panic holds it").iter().map(|(_, more)| *more).collect();
    assert_eq!(counted, [0, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_the_task_is_made_is_survived_too() {
    let stop = Stop::new();
    let mut supervisor = Supervisor::new(stop.clone());
    let mut first = true;
    supervisor.restart("source prod", move || {
        assert!(!std::mem::take(&mut first), "not yet");
        stop.trigger();
        async { Ok(()) }
    });
    assert_eq!(supervisor.wait().await, Ended::Stopped);
}

/// The pauses between the begins of `runs` runs of a task that fails after `lifetime`.
async fn begins(runs: usize, lifetime: Duration) -> Vec<Duration> {
    let stop = Stop::new();
    let (origin, begins) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
    let (seen, stops) = (begins.clone(), stop.clone());
    let mut supervisor = Supervisor::new(stop);
    supervisor.restart("source prod", move || {
        let mut begins = seen.lock().expect("no panic holds it");
        begins.push(origin.elapsed());
        if begins.len() == runs {
            stops.trigger();
        }
        async move {
            sleep(lifetime).await;
            Err(failure())
        }
    });
    supervisor.wait().await;
    let begins = begins.lock().expect("no panic holds it");
    begins.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect()
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_while_a_task_keeps_failing_and_start_over_after_a_steady_minute() {
    let hasty = begins(12, Duration::ZERO).await;
    assert!(hasty[0] < Duration::from_secs(3), "{hasty:?}");
    assert_eq!(hasty[10].as_secs(), 300, "{hasty:?}");
    let steady = begins(12, STEADY).await;
    assert!(steady.iter().all(|gap| *gap < STEADY + Duration::from_secs(3)), "{steady:?}");
}

#[tokio::test(start_paused = true)]
async fn the_stop_ends_the_pause_before_a_restart() {
    let stop = Stop::new();
    let mut supervisor = Supervisor::new(stop.clone());
    supervisor.restart("source prod", || async { Err(failure()) });
    sleep(Duration::from_secs(600)).await;
    stop.trigger();
    assert_eq!(supervisor.drain(Duration::ZERO + Duration::from_millis(1)).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_part_of_the_daemon_that_ends_by_itself_ends_the_daemon() {
    for (task, reason) in [(Ok(()), "ended"), (Err(failure()), "lost")] {
        let mut supervisor = Supervisor::new(Stop::new());
        supervisor.run("delivery", async { task });
        let Ended::Failed { name, fault } = supervisor.wait().await else { panic!("it was not stopped") };
        assert_eq!((&*name, fault.reason()), ("delivery", reason));
    }
    let mut supervisor = Supervisor::new(Stop::new());
    supervisor.run("delivery", async { panic!("no {}", "way") });
    let fault = Fault::new("panicked", "panicked: no way");
    assert_eq!(supervisor.wait().await, Ended::Failed { name: "delivery".into(), fault });
}

#[tokio::test(start_paused = true)]
async fn what_ends_after_the_stop_ends_as_planned() {
    let stop = Stop::new();
    let mut supervisor = Supervisor::new(stop.clone());
    let stops = stop.clone();
    supervisor.run("delivery", async move {
        stops.wait().await;
        Ok(())
    });
    stop.trigger();
    assert_eq!(supervisor.wait().await, Ended::Stopped);
    assert_eq!(supervisor.drain(Duration::from_secs(1)).await, []);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_in_time_is_aborted_and_named() {
    let stop = Stop::new();
    let mut supervisor = Supervisor::new(stop.clone());
    supervisor.run("admin API", std::future::pending());
    supervisor.run("delivery", std::future::pending());
    supervisor.run("intake", async { Ok(()) });
    stop.trigger();
    let left = supervisor.drain(Duration::from_secs(10)).await;
    assert_eq!(left, ["admin API".into(), "delivery".into()]);
    assert_eq!(supervisor.drain(Duration::from_secs(10)).await, []);
}
