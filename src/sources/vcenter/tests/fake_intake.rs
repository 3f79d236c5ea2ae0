//! Everything behind the outbox, over several runs of the daemon.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::LONG;
use super::fake_vcenter::FakeVcenter;
use crate::backoff::Backoff;
use crate::event::{Event, EventId, Name};
use crate::fault::Fault;
use crate::outbox::{Arrival, Cursor, LinkState, Outbox, SourceStatus};
use crate::reconnect::{Reconnect, ReconnectConfig};
use crate::sources::vcenter::config::ReadOptions;
use crate::sources::vcenter::reader::{Reader, run};
use crate::stop::Stop;

#[derive(Clone, Default)]
pub(super) struct FakeIntake(Arc<Mutex<Received>>);

#[derive(Default)]
pub(super) struct Received {
    pub(super) cursor: Option<String>,
    pub(super) events: Vec<Event>,
    ids: HashSet<String>,
    /// Events that came again, which the store recognises by their ids.
    pub(super) repeated: usize,
    /// The largest group of events that was committed at once.
    pub(super) largest_group: usize,
    pub(super) gaps: Vec<(Timestamp, Timestamp, Option<u64>, String)>,
    pub(super) states: Vec<LinkState>,
    pub(super) skipped: u64,
    /// So many of the next commits are refused, as by a full disk.
    pub(super) refused_commits: usize,
    /// Nothing is taken meanwhile, as while nothing can be stored.
    pub(super) is_held: bool,
    /// The daemon is killed when so many events were committed, whatever it does at that moment.
    pub(super) killed_after: Option<usize>,
}

impl FakeIntake {
    pub(super) fn with<T>(&self, access: impl FnOnce(&mut Received) -> T) -> T {
        access(&mut self.0.lock().expect("unpoisoned"))
    }

    /// The keys of the relayed events.
    pub(super) fn keys(&self) -> Vec<i64> {
        let key = |event: &Event| event.data.value()["key"].as_i64().expect("a key");
        self.with(|received| received.events.iter().map(key).collect())
    }

    pub(super) fn gaps(&self) -> Vec<(Option<u64>, String)> {
        self.with(|received| received.gaps.iter().map(|(_, _, events, why)| (*events, why.clone())).collect())
    }

    /// Waits until so many events were committed.
    pub(super) async fn has(&self, count: usize) {
        self.until(|received| received.events.len() >= count).await;
    }

    pub(super) async fn until(&self, condition: impl Fn(&Received) -> bool) {
        let met = async {
            while !self.with(|received| condition(received)) {
                sleep(Duration::from_millis(200)).await;
            }
        };
        timeout(LONG, met).await.expect("the condition never held");
    }

    /// Waits until the source is up.
    pub(super) async fn is_up(&self) {
        self.until(|received| received.states.last() == Some(&LinkState::Up)).await;
    }

    /// One run of the daemon: until `story` ends, or until the daemon is killed.
    pub(super) async fn run_source(
        &self,
        vcenter: &FakeVcenter,
        options: &ReadOptions,
        story: impl Future<Output = ()>,
    ) {
        let (sender, arrivals) = mpsc::channel(8);
        let (out, status) = Outbox::new(Name::from("vc"), Name::from("vcenter"), sender);
        out.resume_at(self.with(|received| received.cursor.clone()));
        let stop = Stop::new();
        let retry = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(60) };
        let config = ReconnectConfig { retry, ..ReconnectConfig::default() };
        let source = async {
            let reconnect = Reconnect::new(out.source(), "vc.example.com", config, &stop);
            run(vcenter, Reader::new(options, &vcenter.own_sessions, &out, &stop), reconnect).await;
        };
        let story = async {
            story.await;
            stop.trigger();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = source => {}
            () = self.receive(arrivals, status) => {}
            () = story => {}
        }
    }

    /// Ends when the daemon is killed.
    async fn receive(&self, mut arrivals: mpsc::Receiver<Arrival>, mut status: SourceStatus) {
        loop {
            while self.with(|received| received.is_held) {
                sleep(Duration::from_millis(200)).await;
            }
            tokio::select! {
                biased;
                Some(arrival) = arrivals.recv() => if !self.commit(arrival) { return },
                Some(gap) = status.gaps.recv() => {
                    self.with(|received| received.gaps.push((gap.from, gap.to, gap.events, gap.why)));
                    gap.committed.map(|committed| committed.send(Ok(())));
                }
                Ok(()) = status.link.changed() => {
                    let state = status.link.borrow_and_update().clone();
                    let skipped = status.skipped.load(Ordering::Relaxed);
                    self.with(|received| (received.states.push(state), received.skipped = skipped));
                }
                else => return,
            }
        }
    }

    /// False: the daemon is killed.
    fn commit(&self, arrival: Arrival) -> bool {
        self.with(|received| {
            let Arrival { group, cursor, committed } = arrival;
            if received.refused_commits > 0 {
                received.refused_commits -= 1;
                cursor.iter().for_each(Cursor::refused);
                let refused = Err(Fault::new("state_file", "the disk is full"));
                committed.map(|waiting| waiting.send(refused));
                return true;
            }
            let events = Arrival { group, cursor: None, committed: None }.into_events();
            received.largest_group = received.largest_group.max(events.len());
            for event in events {
                assert!(matches!(event.id, EventId::Given(_)));
                if received.ids.insert(event.id.to_string()) {
                    received.events.push(event);
                } else {
                    received.repeated += 1;
                }
            }
            if let Some(cursor) = cursor {
                received.cursor = Some(cursor.position().to_owned());
                cursor.moved();
            }
            if received.killed_after.is_some_and(|count| received.events.len() >= count) {
                received.killed_after = None;
                return false;
            }
            committed.map(|waiting| waiting.send(Ok(())));
            true
        })
    }
}
