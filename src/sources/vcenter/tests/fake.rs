//! A vCenter made of memory, with the habits and the vices of real ones. No sockets, so its clock may be frozen.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::fault::Fault;
use crate::sources::vcenter::history::{Gate, History, Pages};
use crate::vsphere::{Element, Reference, Trouble};

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

pub(super) struct Watch {
    id: u64,
    collector: String,
    told: Option<u64>,
}

pub(super) struct Inside {
    fake: Fake,
    session: u64,
    key: String,
    instance: String,
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

impl Gate for Fake {
    type Inside = Inside;

    async fn enter(&self) -> Result<Inside, Trouble> {
        let mut state = self.state();
        state.tries.push(Instant::now());
        if state.refuses {
            return Err(Trouble::Refused(Fault::new("login_refused", "vCenter refuses this user name or password")));
        }
        if let Some(at) = state.faults.iter().position(|(call, _)| *call == "enter") {
            return Err(state.faults.remove(at).expect("there").1);
        }
        state.sessions += 1;
        state.alive = Some(state.sessions);
        let (session, instance) = (state.sessions, state.instance.clone());
        let key = format!("session-{session}");
        state.write("UserLoginSessionEvent", trace(&key), SignedDuration::ZERO, false);
        drop(state);
        Ok(Inside { fake: self.clone(), session, key, instance })
    }
}

impl Inside {
    /// What every call meets first.
    fn on(&self, call: &'static str) -> Result<MutexGuard<'_, State>, Trouble> {
        let mut state = self.fake.state();
        if state.faults.front().is_some_and(|(name, _)| *name == call) {
            return Err(state.faults.pop_front().expect("there").1);
        }
        if state.alive == Some(self.session) { Ok(state) } else { Err(Trouble::LoggedOut) }
    }
}

fn gone() -> Trouble {
    Trouble::Gone(Fault::new("gone", "the collector is not there any more"))
}

impl History for Inside {
    type Watch = Watch;

    fn instance(&self) -> &str {
        &self.instance
    }

    fn session_key(&self) -> &str {
        &self.key
    }

    fn user_agent(&self) -> &str {
        AGENT
    }

    async fn now(&self) -> Result<Timestamp, Trouble> {
        Ok(self.on("now")?.now())
    }

    async fn collect(&self, begin: Option<Timestamp>, most: u32) -> Result<Reference, Trouble> {
        let mut state = self.on("collect")?;
        if state.collectors.len() >= 32 {
            let fault = Fault::new("invalid_state", "too many event collectors");
            return Err(Trouble::Server { name: "InvalidState".into(), fault });
        }
        state.made += 1;
        let id = format!("collector-{}", state.made);
        state.collectors.insert(id.clone(), Collector { begin, most: most as usize, next: 0 });
        state.most_collectors = state.most_collectors.max(state.collectors.len());
        Ok(Reference::new("EventHistoryCollector", id))
    }

    async fn read_on(&self, of: &Reference, most: u32) -> Result<Vec<Element>, Trouble> {
        // Others have their turn, as they do while one waits for a server.
        tokio::task::yield_now().await;
        let mut state = self.on("read_on")?;
        let collector = state.collectors.get(&of.id).ok_or_else(gone)?;
        if state.stuck {
            return Ok(Vec::new());
        }
        if state.as_debian {
            let page = if collector.next == 0 { state.page(collector, u64::MAX) } else { Vec::new() };
            state.collectors.get_mut(&of.id).expect("there").next = 1;
            return Ok(page);
        }
        let (begin, next) = (collector.begin, collector.next);
        let behind = state
            .events
            .iter()
            .filter(|written| written.number >= next && begin.is_none_or(|begin| written.time >= begin));
        let page: Vec<_> = behind.take(most as usize).cloned().collect();
        if let Some(last) = page.last() {
            state.collectors.get_mut(&of.id).expect("there").next = last.number + 1;
        }
        Ok(page.into_iter().filter(|written| !written.hidden).map(|written| written.event).collect())
    }

    async fn latest(&self, of: &Reference) -> Result<Vec<Element>, Trouble> {
        let state = self.on("latest")?;
        Ok(state.page(state.collectors.get(&of.id).ok_or_else(gone)?, u64::MAX))
    }

    async fn watch(&self, of: &Reference) -> Result<Watch, Trouble> {
        let mut state = self.on("watch")?;
        state.made += 1;
        let id = state.made;
        state.watches.insert(id);
        Ok(Watch { id, collector: of.id.clone(), told: None })
    }

    async fn changes(&self, watch: &mut Watch, wait: Duration) -> Result<Option<Pages>, Trouble> {
        let until = Instant::now() + wait;
        loop {
            let news = self.fake.news.notified();
            {
                let state = self.on("changes")?;
                let collector = state.collectors.get(&watch.collector).ok_or_else(gone)?;
                let written = state.written;
                let from = watch.told.unwrap_or(written.saturating_sub(1));
                if watch.told.is_none() || (from < written && watch.id > state.deaf_up_to) {
                    watch.told = Some(written);
                    let steps = if state.as_debian { from + 1..=written } else { written..=written };
                    return Ok(Some(steps.map(|up_to| state.page(collector, up_to)).collect()));
                }
            }
            if timeout_at(until, news).await.is_err() {
                return Ok(None);
            }
        }
    }

    async fn unwatch(&self, watch: Watch) -> Result<(), Trouble> {
        self.on("unwatch")?.watches.remove(&watch.id);
        Ok(())
    }

    async fn destroy(&self, collector: &Reference) -> Result<(), Trouble> {
        self.on("destroy")?.collectors.remove(&collector.id).map(|_| ()).ok_or_else(gone)
    }

    async fn note(&self, message: &str) -> Result<(), Trouble> {
        let state = self.on("note")?;
        if state.takes_no_notes {
            let fault = Fault::new("soap_fault", "vCenter answers LogUserEvent with MethodNotFound");
            return Err(Trouble::Server { name: "MethodNotFound".into(), fault });
        }
        let swallowed = state.swallows_notes;
        drop(state);
        if !swallowed {
            self.fake.happen_with("GeneralUserEvent", vec![leaf("message", message)]);
        }
        Ok(())
    }

    async fn found_dead(&self) {
        std::future::pending::<()>().await;
    }

    /// As a real one, it keeps nothing of a session that logged out.
    async fn leave(&self) {
        let mut state = self.fake.state();
        if state.alive == Some(self.session) {
            state.alive = None;
            state.collectors.clear();
            state.watches.clear();
            state.write("UserLogoutSessionEvent", trace(&self.key), SignedDuration::ZERO, false);
        }
    }
}
