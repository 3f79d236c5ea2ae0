//! What the supervisor does when tasks fall, against a frozen clock.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

fn trouble() -> Fault {
    Fault::new("lost", "the line is dead")
}

#[tokio::test(start_paused = true)]
async fn a_kept_task_is_started_again_after_faults_panics_and_quiet_ends() {
    let stop = Stop::new();
    let counted = Arc::new(Mutex::new(Vec::new()));
    let seen = counted.clone();
    let mut supervisor = Supervisor::new(stop.clone())
        .count_restarts(move |name, more| seen.lock().expect("no panic holds it").push((name.to_string(), more)));
    let starts = Arc::new(AtomicU32::new(0));
    let (round, house) = (starts.clone(), stop.clone());
    supervisor.keep("source prod", move || {
        let (start, house) = (round.fetch_add(1, Ordering::Relaxed), house.clone());
        async move {
            match start {
                0 => Err(trouble()),
                1 => panic!("a surprise"),
                2 => Ok(()),
                _ => {
                    house.trigger();
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
async fn the_panic_of_whoever_makes_the_task_is_survived_too() {
    let stop = Stop::new();
    let mut supervisor = Supervisor::new(stop.clone());
    let mut first = true;
    supervisor.keep("source prod", move || {
        assert!(!std::mem::take(&mut first), "not yet");
        stop.trigger();
        async { Ok(()) }
    });
    assert_eq!(supervisor.wait().await, Ended::Stopped);
}

/// When each run of a task that falls after `life` begins, until there were `runs`.
async fn begins(runs: usize, life: Duration) -> Vec<Duration> {
    let stop = Stop::new();
    let (origin, begins) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
    let (seen, house) = (begins.clone(), stop.clone());
    let mut supervisor = Supervisor::new(stop);
    supervisor.keep("source prod", move || {
        let mut begins = seen.lock().expect("no panic holds it");
        begins.push(origin.elapsed());
        if begins.len() == runs {
            house.trigger();
        }
        async move {
            sleep(life).await;
            Err(trouble())
        }
    });
    supervisor.wait().await;
    let begins = begins.lock().expect("no panic holds it");
    begins.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect()
}

#[tokio::test(start_paused = true)]
async fn waits_grow_while_it_keeps_falling_and_begin_anew_after_a_steady_minute() {
    let hasty = begins(12, Duration::ZERO).await;
    assert!(hasty[0] < Duration::from_secs(3), "{hasty:?}");
    assert_eq!(hasty[10].as_secs(), 300, "{hasty:?}");
    let steady = begins(12, STEADY).await;
    assert!(steady.iter().all(|gap| *gap < STEADY + Duration::from_secs(3)), "{steady:?}");
}

#[tokio::test(start_paused = true)]
async fn the_stop_is_heard_while_waiting_to_start_again() {
    let stop = Stop::new();
    let mut supervisor = Supervisor::new(stop.clone());
    supervisor.keep("source prod", || async { Err(trouble()) });
    sleep(Duration::from_secs(600)).await;
    stop.trigger();
    assert_eq!(supervisor.drain(Duration::ZERO + Duration::from_millis(1)).await, []);
}

#[tokio::test(start_paused = true)]
async fn a_part_of_the_house_that_ends_by_itself_is_the_end_of_the_house() {
    for (task, reason) in [(Ok(()), "ended"), (Err(trouble()), "lost")] {
        let mut supervisor = Supervisor::new(Stop::new());
        supervisor.run("delivery", async { task });
        let Ended::Failed { name, fault } = supervisor.wait().await else { panic!("it said it was stopped") };
        assert_eq!((&*name, fault.reason()), ("delivery", reason));
    }
    let mut supervisor = Supervisor::new(Stop::new());
    supervisor.run("delivery", async { panic!("no {}", "way") });
    let fault = Fault::new("panicked", "panicked: no way");
    assert_eq!(supervisor.wait().await, Ended::Failed { name: "delivery".into(), fault });
}

#[tokio::test(start_paused = true)]
async fn what_ends_after_the_stop_ends_in_peace() {
    let stop = Stop::new();
    let mut supervisor = Supervisor::new(stop.clone());
    let heard = stop.clone();
    supervisor.run("delivery", async move {
        heard.wait().await;
        Ok(())
    });
    stop.trigger();
    assert_eq!(supervisor.wait().await, Ended::Stopped);
    assert_eq!(supervisor.drain(Duration::from_secs(1)).await, []);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_in_time_is_named_and_broken_off() {
    let stop = Stop::new();
    let mut supervisor = Supervisor::new(stop.clone());
    supervisor.run("desk", std::future::pending());
    supervisor.run("delivery", std::future::pending());
    supervisor.run("intake", async { Ok(()) });
    stop.trigger();
    let left = supervisor.drain(Duration::from_secs(10)).await;
    assert_eq!(left, ["delivery".into(), "desk".into()]);
    assert_eq!(supervisor.drain(Duration::from_secs(10)).await, []);
}
