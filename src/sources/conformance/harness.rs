//! Runs a source between a stand-in server and an intake.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::super::{AnySource, Source};
use super::row::Row;
use crate::event::Name;
use crate::outbox::{Arrival, Cursor, Gap, Group, LinkState, Outbox};
use crate::stop::Stop;
use crate::websocket::peer::soon;

const STOP_LIMIT: Duration = Duration::from_secs(1);

/// What a running source reports.
pub(super) struct Observer {
    pub(super) out: Outbox,
    pub(super) link: watch::Receiver<LinkState>,
    /// How many events are committed.
    pub(super) events: watch::Receiver<usize>,
    pub(super) skipped: Arc<AtomicU64>,
}

impl Observer {
    pub(super) async fn up(&mut self) {
        soon(self.link.wait_for(|link| *link == LinkState::Up)).await.expect("the source runs");
    }

    pub(super) async fn down(&mut self) -> LinkState {
        soon(self.link.wait_for(|link| matches!(link, LinkState::Down(_)))).await.expect("the source runs").clone()
    }

    pub(super) async fn event(&mut self) {
        soon(self.events.wait_for(|events| *events > 0)).await.expect("the source runs");
    }
}

/// Runs the source until `script` ends, with an intake that commits everything. The source must stop in time.
pub(super) async fn run<T>(
    row: &Row,
    source: &AnySource,
    cursor: Option<String>,
    script: impl AsyncFnOnce(&mut Observer) -> T,
) -> T {
    let (sender, arrivals) = mpsc::channel(8);
    let (out, status) = Outbox::new(Name::from("in"), Name::from(row.kind), sender);
    out.resume_at(cursor);
    let (count, events) = watch::channel(0);
    let mut observer = Observer { out: out.clone(), link: status.link, events, skipped: status.skipped };
    let stop = Stop::new();
    let scripted = async {
        let done = Box::pin(script(&mut observer)).await;
        stop.trigger();
        done
    };
    tokio::select! {
        () = commit_all(arrivals, status.gaps, count) => unreachable!("the intake ends with its sources"),
        done = run_until_stopped(row, source, &out, &stop, scripted) => done,
    }
}

/// Runs the source with an intake that takes one arrival and commits nothing, until that arrived.
pub(super) async fn run_with_full_intake(row: &Row, source: &AnySource, during: impl AsyncFnOnce(&Outbox)) {
    let (sender, arrivals) = mpsc::channel(1);
    let (out, _status) = Outbox::new(Name::from("in"), Name::from(row.kind), sender);
    let stop = Stop::new();
    let scripted = async {
        let full = async {
            while arrivals.is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // Until the source waits for the commit, or for room.
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        tokio::select! {
            () = Box::pin(during(&out)) => panic!("{}: nothing is committed", row.kind),
            () = soon(full) => stop.trigger(),
        }
    };
    run_until_stopped(row, source, &out, &stop, scripted).await;
}

async fn run_until_stopped<T>(
    row: &Row,
    source: &AnySource,
    out: &Outbox,
    stop: &Stop,
    scripted: impl Future<Output = T>,
) -> T {
    let running = async {
        let ran = source.run(out, stop).await;
        assert!(stop.is_triggered(), "{}: ended by itself: {ran:?}", row.kind);
        assert_eq!(ran, Ok(()), "{}", row.kind);
        Instant::now()
    };
    let stopped = async {
        let done = scripted.await;
        (done, Instant::now())
    };
    let (ended, (done, stopped)) = soon(async { tokio::join!(Box::pin(running), Box::pin(stopped)) }).await;
    let took = ended.saturating_duration_since(stopped);
    assert!(took < STOP_LIMIT, "{}: stopped only after {took:?}", row.kind);
    done
}

async fn commit_all(mut arrivals: mpsc::Receiver<Arrival>, mut gaps: mpsc::Receiver<Gap>, count: watch::Sender<usize>) {
    loop {
        let (committed, events) = tokio::select! {
            Some(Arrival { group, cursor, committed }) = arrivals.recv() => {
                cursor.into_iter().for_each(Cursor::moved);
                let events = match group {
                    Group::One(_) => 1,
                    Group::Many { events, .. } => events.len(),
                };
                (committed, events)
            }
            Some(gap) = gaps.recv() => (gap.committed, 0),
            else => return std::future::pending().await,
        };
        if let Some(committed) = committed {
            committed.send(Ok(())).unwrap_or_default();
        }
        count.send_modify(|count| *count += events);
    }
}

/// Whether `work` is still waiting after a moment.
pub(super) async fn is_waiting(work: impl Future<Output = ()>) -> bool {
    timeout(Duration::from_millis(100), work).await.is_err()
}
