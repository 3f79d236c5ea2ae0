//! The reading against a vCenter that is made of memory, on a frozen clock; and what its events become.

mod canary;
mod captured;
mod config;
mod fake;
mod healing;
mod lives;
mod loss;
mod meaning;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::keeping::keep;
use super::reading::{From, Reader, Wants};
use crate::backoff::Backoff;
use crate::event::{Event, EventId, Name};
use crate::fault::Fault;
use crate::outbox::{Arrival, LinkState, Outbox, SourceStatus};
use crate::stop::Stop;
use crate::vsphere::Trouble;
use fake::Fake;

/// Longer than any story here, by the frozen clock.
const LONG: Duration = Duration::from_secs(6 * 3600);

fn wants() -> Wants {
    Wants { from: From::Now, overlap: Duration::from_secs(300), poll: Duration::from_secs(30), canary: None, filter: 0 }
}

/// What stands in for the rest of the daemon, over several of its lives.
#[derive(Clone, Default)]
struct Daemon(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    cursor: Option<String>,
    events: Vec<Event>,
    ids: HashSet<String>,
    /// What came again, and the queue knew by its id.
    repeated: usize,
    /// Handed over in one group, the last time.
    largest: usize,
    gaps: Vec<(Timestamp, Timestamp, Option<u64>, String)>,
    lines: Vec<LinkState>,
    skipped: u64,
    /// The next groups are refused, as by a full disk.
    refuse: usize,
    /// Dies when so many events were committed, in the middle of whatever it does.
    dies_after: Option<usize>,
}

impl Daemon {
    fn with<T>(&self, look: impl FnOnce(&mut Kept) -> T) -> T {
        look(&mut self.0.lock().expect("unpoisoned"))
    }

    /// Keys of what was relayed, without our own story's beginnings.
    fn keys(&self) -> Vec<i64> {
        self.with(|kept| kept.events.iter().map(key).collect())
    }

    fn gaps(&self) -> Vec<(Option<u64>, String)> {
        self.with(|kept| kept.gaps.iter().map(|(_, _, events, why)| (*events, why.clone())).collect())
    }

    async fn has(&self, many: usize) {
        self.until(|kept| kept.events.len() >= many).await;
    }

    async fn until(&self, condition: impl Fn(&Kept) -> bool) {
        let met = async {
            while !self.with(|kept| condition(kept)) {
                sleep(Duration::from_millis(200)).await;
            }
        };
        timeout(LONG, met).await.expect("it never happened");
    }

    fn commit(&self, arrival: Arrival) -> bool {
        self.with(|kept| {
            let Arrival { group, cursor, committed } = arrival;
            if kept.refuse > 0 {
                kept.refuse -= 1;
                cursor.iter().for_each(crate::outbox::Cursor::refused);
                let refused = Err(Fault::new("state_file", "the disk is full"));
                committed.map(|waiting| waiting.send(refused));
                return true;
            }
            let events = Arrival { group, cursor: None, committed: None }.into_events();
            kept.largest = kept.largest.max(events.len());
            for event in events {
                assert!(matches!(event.id, EventId::Given(_)));
                if kept.ids.insert(event.id.to_string()) {
                    kept.events.push(event);
                } else {
                    kept.repeated += 1;
                }
            }
            if let Some(cursor) = cursor {
                kept.cursor = Some(cursor.position().to_owned());
                cursor.moved();
            }
            if kept.dies_after.is_some_and(|many| kept.events.len() >= many) {
                kept.dies_after = None;
                return false;
            }
            committed.map(|waiting| waiting.send(Ok(())));
            true
        })
    }

    /// Everything behind the outbox. Ends when the daemon dies.
    async fn behind(&self, mut arrivals: mpsc::Receiver<Arrival>, mut status: SourceStatus) {
        loop {
            tokio::select! {
                biased;
                Some(arrival) = arrivals.recv() => if !self.commit(arrival) { return },
                Some(gap) = status.gaps.recv() => {
                    self.with(|kept| kept.gaps.push((gap.from, gap.to, gap.events, gap.why)));
                    gap.committed.map(|committed| committed.send(Ok(())));
                }
                Ok(()) = status.line.changed() => {
                    let line = status.line.borrow_and_update().clone();
                    let skipped = status.skipped.load(std::sync::atomic::Ordering::Relaxed);
                    self.with(|kept| (kept.lines.push(line), kept.skipped = skipped));
                }
                else => return,
            }
        }
    }

    /// One life of the daemon: until the story is told, or until it dies.
    async fn live(&self, fake: &Fake, wants: &Wants, story: impl Future<Output = ()>) {
        let (sender, arrivals) = mpsc::channel(8);
        let (out, status) = Outbox::new(Name::from("vc"), Name::from("vcenter"), sender);
        out.resume_at(self.with(|kept| kept.cursor.clone()));
        let stop = Stop::new();
        let retry = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60) };
        let source = async {
            let mut reader = Reader::new(wants, &out, &stop);
            keep(fake, &mut reader, retry, &out, &stop).await;
        };
        let told = async {
            story.await;
            stop.trigger();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = source => {}
            () = self.behind(arrivals, status) => {}
            () = told => {}
        }
    }

    /// Waits until the source is up for the first time in this life.
    async fn is_up(&self) {
        self.until(|kept| kept.lines.last() == Some(&LinkState::Up)).await;
    }
}

fn key(event: &Event) -> i64 {
    event.data.value()["key"].as_i64().expect("a key")
}

/// Just these, in this order. Says where they part, not thousands of numbers.
fn assert_keys(read: &[i64], expected: &[i64]) {
    let same = read.iter().zip(expected).take_while(|(read, expected)| read == expected).count();
    let next = |keys: &[i64]| keys.iter().skip(same).take(5).copied().collect::<Vec<_>>();
    let (read_next, expected_next) = (next(read), next(expected));
    assert!(
        read == expected,
        "of {} {same} are as expected, then {read_next:?}, not {expected_next:?}",
        expected.len()
    );
}

/// Nothing was even offered twice.
fn assert_once(daemon: &Daemon) {
    assert_eq!(daemon.with(|kept| kept.repeated), 0, "some events came twice");
}
