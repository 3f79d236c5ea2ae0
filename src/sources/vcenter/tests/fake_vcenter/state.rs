//! Its history, clock, sessions and collectors.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::event;
use crate::vsphere::{ApiError, Element};

#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
pub(in crate::sources::vcenter::tests) struct VcenterState {
    pub(in crate::sources::vcenter::tests) instance: String,
    pub(super) events: VecDeque<RecordedEvent>,
    /// How many events were ever recorded. Watches find new events by this, never by keys.
    pub(super) recorded: u64,
    pub(in crate::sources::vcenter::tests) next_key: i64,
    /// How many events the history holds.
    pub(in crate::sources::vcenter::tests) retention: usize,
    pub(in crate::sources::vcenter::tests) clock_offset: SignedDuration,
    started: Instant,
    pub(super) collectors: HashMap<String, FakeCollector>,
    pub(super) watches: HashMap<String, FakeWatch>,
    pub(super) created: u64,
    /// Watches up to this one report nothing more.
    pub(super) stalled_up_to: u64,
    /// For each: after so many good readings, one skips its page and returns nothing.
    pub(in crate::sources::vcenter::tests) skipped_reads: VecDeque<usize>,
    /// A burst of so many events happens at each read of a latest page.
    pub(in crate::sources::vcenter::tests) bursts_at_latest_page: VecDeque<usize>,
    /// Collectors return nothing, only their latest page is right.
    pub(in crate::sources::vcenter::tests) stuck: bool,
    /// As Debian's simulator: ignores times, reads the newest first, reports one change for each event.
    pub(in crate::sources::vcenter::tests) debian_bugs: bool,
    /// These calls fail next, in this order.
    pub(in crate::sources::vcenter::tests) failures: VecDeque<(&'static str, ApiError)>,
    /// Accepts no user events.
    pub(in crate::sources::vcenter::tests) refuses_log_events: bool,
    /// Accepts user events and does not record them.
    pub(in crate::sources::vcenter::tests) drops_log_events: bool,
    pub(super) sessions: u64,
    pub(super) live_session: Option<u64>,
    pub(in crate::sources::vcenter::tests) refuses_logins: bool,
    /// When each log-in was tried.
    pub(in crate::sources::vcenter::tests) logins: Vec<Instant>,
    /// The largest number of collectors at one time.
    pub(in crate::sources::vcenter::tests) most_collectors: usize,
}

#[derive(Clone)]
pub(super) struct RecordedEvent {
    pub(super) number: u64,
    pub(super) time: Timestamp,
    pub(super) event: Element,
    pub(super) hidden: bool,
}

pub(super) struct FakeWatch {
    pub(super) number: u64,
    pub(super) collector: String,
}

pub(super) struct FakeCollector {
    pub(super) begin: Option<Timestamp>,
    pub(super) page: usize,
    /// The number of the next event to read; with Debian's bugs: whether it was read.
    pub(super) next: u64,
}

impl VcenterState {
    pub(super) fn new() -> Self {
        Self {
            instance: "dbed6e0c".into(),
            events: VecDeque::new(),
            recorded: 0,
            next_key: 1,
            retention: usize::MAX,
            clock_offset: SignedDuration::ZERO,
            started: Instant::now(),
            collectors: HashMap::new(),
            watches: HashMap::new(),
            created: 0,
            stalled_up_to: 0,
            skipped_reads: VecDeque::new(),
            bursts_at_latest_page: VecDeque::new(),
            stuck: false,
            debian_bugs: false,
            failures: VecDeque::new(),
            refuses_log_events: false,
            drops_log_events: false,
            sessions: 0,
            live_session: None,
            refuses_logins: false,
            logins: Vec::new(),
            most_collectors: 0,
        }
    }

    pub(in crate::sources::vcenter::tests) fn now(&self) -> Timestamp {
        let start = Timestamp::from_second(1_763_675_357).expect("a time");
        // Every event has its own time, though the clock is frozen.
        let unique = SignedDuration::from_micros(i64::try_from(self.recorded).expect("few"));
        start + SignedDuration::try_from(self.started.elapsed()).expect("short") + self.clock_offset + unique
    }

    pub(super) fn record(&mut self, class: &str, members: Vec<Element>, offset: SignedDuration, hidden: bool) -> i64 {
        let (key, time) = (self.next_key, self.now() + offset);
        // As an int32 does.
        self.next_key = i64::from(i32::try_from(key).unwrap_or_default().wrapping_add(1));
        self.recorded += 1;
        let mut event = event(class, key, time);
        event.children.extend(members);
        self.events.push_back(RecordedEvent { number: self.recorded, time, event, hidden });
        while self.events.len() > self.retention {
            self.events.pop_front();
        }
        key
    }

    pub(super) fn empty_last(&mut self) {
        if let Some(last) = self.events.back_mut() {
            last.event.children.clear();
        }
    }

    pub(super) fn stall_watches(&mut self) {
        self.stalled_up_to = self.created;
    }

    pub(super) fn forget_sessions(&mut self) {
        self.live_session = None;
        self.forget_collectors();
    }

    pub(super) fn forget_collectors(&mut self) {
        self.collectors.clear();
        self.watches.clear();
    }

    pub(super) fn restart(&mut self) {
        self.events.clear();
        self.next_key = 1;
        self.forget_sessions();
    }

    pub(super) fn objects(&self) -> (usize, usize) {
        (self.collectors.len(), self.watches.len())
    }

    /// The collector's latest page as it was when `up_to` events had been recorded, newest first.
    pub(super) fn page(&self, collector: &FakeCollector, up_to: u64) -> Vec<Element> {
        let held =
            |recorded: &&RecordedEvent| self.debian_bugs || collector.begin.is_none_or(|begin| recorded.time >= begin);
        let held: Vec<_> = self.events.iter().filter(|recorded| recorded.number <= up_to).filter(held).collect();
        let newest_first = held.iter().rev();
        if self.debian_bugs && collector.page < held.len() {
            // Its mistake: the newest one, and the oldest ones.
            let oldest = held.iter().take(collector.page - 1);
            return newest_first.take(1).chain(oldest).map(|recorded| recorded.event.clone()).collect();
        }
        newest_first.take(collector.page).map(|recorded| recorded.event.clone()).collect()
    }
}
