//! A vCenter made of memory, with the habits and the vices of real ones. No sockets, so its clock may be frozen.

mod calls;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::vsphere::{Element, Trouble};

const AGENT: &str = "tidings/test";

/// Cheap to clone: the same vCenter.
#[derive(Clone)]
pub(super) struct Fake {
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a vice of its own")]
pub(super) struct State {
    pub(super) instance: String,
    events: VecDeque<Written>,
    /// How many were ever written: what is new is told by this, never by keys.
    written: u64,
    pub(super) next_key: i64,
    /// How many it keeps.
    pub(super) keeps: usize,
    /// What its clock is off by.
    pub(super) off: SignedDuration,
    began: Instant,
    collectors: HashMap<String, Collector>,
    watches: HashSet<u64>,
    made: u64,
    /// Watches up to this one say nothing any more.
    deaf_up_to: u64,
    /// Collectors give nothing to read, and only their latest page is right.
    pub(super) stuck: bool,
    /// As Debian's simulator: ignores times, reads the newest first, tells one change for each event.
    pub(super) as_debian: bool,
    /// These calls fail next, in this order.
    pub(super) faults: VecDeque<(&'static str, Trouble)>,
    /// Takes no events of users.
    pub(super) takes_no_notes: bool,
    /// Takes them and forgets them.
    pub(super) swallows_notes: bool,
    sessions: u64,
    alive: Option<u64>,
    pub(super) refuses: bool,
    /// When each login was tried.
    pub(super) tries: Vec<Instant>,
    /// The largest number of collectors that there ever was.
    pub(super) most_collectors: usize,
}

#[derive(Clone)]
struct Written {
    number: u64,
    time: Timestamp,
    event: Element,
    hidden: bool,
}

struct Collector {
    begin: Option<Timestamp>,
    most: usize,
    /// The next to be read, by number; for Debian's: whether it was read.
    next: u64,
}

pub(super) fn leaf(name: &str, text: impl std::fmt::Display) -> Element {
    Element { name: name.into(), text: text.to_string(), ..Element::default() }
}

pub(super) fn event(class: &str, key: i64, time: Timestamp) -> Element {
    let children = vec![leaf("key", key), leaf("chainId", key), leaf("createdTime", time), leaf("userName", "")];
    Element { name: "Event".into(), class: Some(class.into()), children, ..Element::default() }
}

/// What a session leaves in the history.
fn trace(key: &str) -> Vec<Element> {
    vec![leaf("sessionId", key), leaf("userAgent", AGENT)]
}

impl Fake {
    pub(super) fn new() -> Self {
        let state = State {
            instance: "dbed6e0c".into(),
            events: VecDeque::new(),
            written: 0,
            next_key: 1,
            keeps: usize::MAX,
            off: SignedDuration::ZERO,
            began: Instant::now(),
            collectors: HashMap::new(),
            watches: HashSet::new(),
            made: 0,
            deaf_up_to: 0,
            stuck: false,
            as_debian: false,
            faults: VecDeque::new(),
            takes_no_notes: false,
            swallows_notes: false,
            sessions: 0,
            alive: None,
            refuses: false,
            tries: Vec::new(),
            most_collectors: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), news: Arc::default() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("unpoisoned")
    }

    /// Something happens. Gives its key.
    pub(super) fn happen(&self, class: &str) -> i64 {
        self.happen_with(class, Vec::new())
    }

    pub(super) fn happen_with(&self, class: &str, members: Vec<Element>) -> i64 {
        let key = self.state().write(class, members, SignedDuration::ZERO, false);
        self.news.notify_waiters();
        key
    }

    /// Something that a host tells late.
    pub(super) fn happened_ago(&self, ago: Duration) -> i64 {
        let key =
            self.state().write("VmPoweredOnEvent", Vec::new(), -SignedDuration::try_from(ago).expect("short"), false);
        self.news.notify_waiters();
        key
    }

    /// Something that reading skips, for want of a right.
    pub(super) fn happen_hidden(&self) {
        self.state().write("VmPoweredOnEvent", Vec::new(), SignedDuration::ZERO, true);
        self.news.notify_waiters();
    }

    /// Something that is no event: it has neither key nor time.
    pub(super) fn happen_odd(&self) {
        let mut state = self.state();
        state.write("VmPoweredOnEvent", Vec::new(), SignedDuration::ZERO, false);
        if let Some(written) = state.events.back_mut() {
            written.event.children.clear();
        }
        drop(state);
        self.news.notify_waiters();
    }

    pub(super) fn burst(&self, many: usize) -> Vec<i64> {
        let keys = (0..many).map(|_| self.state().write("VmPoweredOnEvent", Vec::new(), SignedDuration::ZERO, false));
        let keys = keys.collect();
        self.news.notify_waiters();
        keys
    }

    /// Every watch there is falls silent, for ever.
    pub(super) fn deafen(&self) {
        let mut state = self.state();
        state.deaf_up_to = state.made;
    }

    /// Every session is forgotten, as when its service starts again.
    pub(super) fn forget_sessions(&self) {
        let mut state = self.state();
        state.alive = None;
        state.collectors.clear();
        state.watches.clear();
        drop(state);
        self.news.notify_waiters();
    }

    /// All collectors are gone, and the session lives.
    pub(super) fn forget_collectors(&self) {
        let mut state = self.state();
        state.collectors.clear();
        state.watches.clear();
        drop(state);
        self.news.notify_waiters();
    }

    /// It begins anew, without what was.
    pub(super) fn restart(&self) {
        let mut state = self.state();
        state.events.clear();
        state.next_key = 1;
        drop(state);
        self.forget_sessions();
    }

    pub(super) fn left_behind(&self) -> (usize, usize) {
        let state = self.state();
        (state.collectors.len(), state.watches.len())
    }

    pub(super) fn fail_next(&self, call: &'static str, trouble: Trouble) {
        self.state().faults.push_back((call, trouble));
    }
}

impl State {
    pub(super) fn now(&self) -> Timestamp {
        let start = Timestamp::from_second(1_763_675_357).expect("a time");
        // No two moments are the same, though the clock is frozen.
        let moments = SignedDuration::from_micros(i64::try_from(self.written).expect("few"));
        start + SignedDuration::try_from(self.began.elapsed()).expect("short") + self.off + moments
    }

    fn write(&mut self, class: &str, members: Vec<Element>, off: SignedDuration, hidden: bool) -> i64 {
        let (key, time) = (self.next_key, self.now() + off);
        // As an int32 does.
        self.next_key = i64::from(i32::try_from(key).unwrap_or_default().wrapping_add(1));
        self.written += 1;
        let mut event = event(class, key, time);
        event.children.extend(members);
        self.events.push_back(Written { number: self.written, time, event, hidden });
        while self.events.len() > self.keeps {
            self.events.pop_front();
        }
        key
    }

    /// The collector's latest page as it was when `up_to` had been written, newest first.
    fn page(&self, collector: &Collector, up_to: u64) -> Vec<Element> {
        let held = |written: &&Written| self.as_debian || collector.begin.is_none_or(|begin| written.time >= begin);
        let held: Vec<_> = self.events.iter().filter(|written| written.number <= up_to).filter(held).collect();
        let newest_first = held.iter().rev();
        if self.as_debian && collector.most < held.len() {
            // Its mistake: the newest one, and the oldest ones.
            let oldest = held.iter().take(collector.most - 1);
            return newest_first.take(1).chain(oldest).map(|written| written.event.clone()).collect();
        }
        newest_first.take(collector.most).map(|written| written.event.clone()).collect()
    }
}
