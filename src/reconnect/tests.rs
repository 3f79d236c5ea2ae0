//! The waits that an owner sees. The arithmetic is tested in `pace`.

use super::*;
use crate::backoff::Backoff;

const FIRST: Duration = Duration::from_secs(10);
const MAX: Duration = Duration::from_secs(80);

fn reconnect(stop: &Stop) -> Reconnect<'_> {
    let config = ReconnectConfig { retry: Backoff { first: FIRST, max: MAX }, ..ReconnectConfig::default() };
    Reconnect::new("prod", "wss://stream.example", config, stop)
}

fn closed() -> Fault {
    Fault::new("closed", "the connection was closed")
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_retried_at_once_and_a_failed_attempt_is_not() {
    let stop = Stop::new();
    let mut reconnect = reconnect(&stop);
    reconnect.connected();
    reconnect.lost(&closed());
    assert_eq!(reconnect.pause(), Duration::ZERO);
    reconnect.lost(&closed());
    assert!(reconnect.pause() >= FIRST);
    let before = Instant::now();
    reconnect.wait().await.expect("no stop");
    assert!(before.elapsed() >= FIRST);
    assert_eq!(reconnect.pause(), Duration::ZERO, "waited for");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_delivered_is_made_again_at_once_whatever_failed_before() {
    let stop = Stop::new();
    let mut reconnect = reconnect(&stop);
    for _ in 0..3 {
        reconnect.lost(&closed());
    }
    for pause in [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(1)] {
        reconnect.connected();
        reconnect.delivered();
        reconnect.lost(&closed());
        assert_eq!(reconnect.pause(), pause);
        reconnect.wait().await.expect("no stop");
    }
    reconnect.connected();
    reconnect.lost(&closed());
    assert!(reconnect.pause() >= FIRST, "it delivered nothing");
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_wait_for_five_minutes_however_they_are_reported() {
    let stop = Stop::new();
    let mut reconnect = reconnect(&stop);
    reconnect.connected();
    reconnect.lost(&Fault::new(REFUSED, "401"));
    assert_eq!(reconnect.pause(), Duration::from_secs(300));
    reconnect.lost(&closed());
    assert!(reconnect.pause() >= FIRST, "the refused connection is not lost twice");
    reconnect.refused(&Fault::new("no_permission", "the role lacks a privilege"));
    assert_eq!(reconnect.pause(), Duration::from_secs(300));
}

#[tokio::test(start_paused = true)]
async fn polled_peers_are_never_retried_at_once_and_an_answer_ends_the_backoff() {
    let stop = Stop::new();
    let mut reconnect = reconnect(&stop);
    reconnect.answered();
    for _ in 0..10 {
        reconnect.lost(&closed());
        assert!(reconnect.pause() >= FIRST);
    }
    assert_eq!(reconnect.pause(), MAX);
    reconnect.answered();
    reconnect.lost(&closed());
    assert!(reconnect.pause() < MAX);
    reconnect.lost_until(&closed(), MAX * 10);
    assert_eq!(reconnect.pause(), MAX * 10, "the peer asked for this");
}

#[tokio::test]
async fn a_stop_ends_the_wait() {
    let stop = Stop::new();
    let mut reconnect = reconnect(&stop);
    reconnect.lost(&closed());
    stop.trigger();
    assert_eq!(reconnect.wait().await, None);
}
