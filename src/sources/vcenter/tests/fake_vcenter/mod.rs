//! A vCenter in memory, with the faults of real ones. Without sockets, so the clock can be frozen.

mod api;
mod state;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::vsphere::{ApiError, Element, OwnSessions};
use state::VcenterState;

/// Cheap to clone: the same vCenter.
#[derive(Clone)]
pub(super) struct FakeVcenter {
    state: Arc<Mutex<VcenterState>>,
    changed: Arc<Notify>,
    pub(super) own_sessions: Arc<OwnSessions>,
}

pub(super) fn leaf(name: &str, text: impl std::fmt::Display) -> Element {
    Element { name: name.into(), text: text.to_string(), ..Element::default() }
}

pub(super) fn event(class: &str, key: i64, time: Timestamp) -> Element {
    let children = vec![leaf("key", key), leaf("chainId", key), leaf("createdTime", time), leaf("userName", "")];
    Element { name: "Event".into(), class: Some(class.into()), children, ..Element::default() }
}

impl FakeVcenter {
    pub(super) fn new() -> Self {
        let state = Arc::new(Mutex::new(VcenterState::new()));
        Self { state, changed: Arc::default(), own_sessions: Arc::default() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, VcenterState> {
        self.state.lock().expect("unpoisoned")
    }

    /// Adds an event and returns its key.
    pub(super) fn happen(&self, class: &str) -> i64 {
        self.happen_with(class, Vec::new())
    }

    fn happen_with(&self, class: &str, members: Vec<Element>) -> i64 {
        self.change(|state| state.record(class, members, SignedDuration::ZERO, false))
    }

    /// Adds an event that a host sends late.
    pub(super) fn happen_late(&self, ago: Duration) -> i64 {
        let offset = -SignedDuration::try_from(ago).expect("short");
        self.change(|state| state.record("VmPoweredOnEvent", Vec::new(), offset, false))
    }

    /// Adds an event that readings leave out, for lack of a permission.
    pub(super) fn happen_hidden(&self) {
        self.change(|state| state.record("VmPoweredOnEvent", Vec::new(), SignedDuration::ZERO, true));
    }

    /// Adds an element that is not an event: it has neither key nor time.
    pub(super) fn happen_malformed(&self) {
        self.change(|state| {
            state.record("VmPoweredOnEvent", Vec::new(), SignedDuration::ZERO, false);
            state.empty_last();
        });
    }

    pub(super) fn burst(&self, count: usize) -> Vec<i64> {
        let one = |state: &mut VcenterState| state.record("VmPoweredOnEvent", Vec::new(), SignedDuration::ZERO, false);
        self.change(|state| (0..count).map(|_| one(state)).collect())
    }

    /// Every existing watch reports nothing more.
    pub(super) fn stall_watches(&self) {
        self.state().stall_watches();
    }

    /// Drops every session, as a restart of its service does.
    pub(super) fn forget_sessions(&self) {
        self.change(VcenterState::forget_sessions);
    }

    /// Drops all collectors; the session lives.
    pub(super) fn forget_collectors(&self) {
        self.change(VcenterState::forget_collectors);
    }

    /// Starts over with an empty history.
    pub(super) fn restart(&self) {
        self.change(VcenterState::restart);
    }

    /// The numbers of collectors and watches.
    pub(super) fn objects(&self) -> (usize, usize) {
        self.state().objects()
    }

    pub(super) fn fail_next(&self, call: &'static str, error: ApiError) {
        self.state().failures.push_back((call, error));
    }

    fn change<T>(&self, change: impl FnOnce(&mut VcenterState) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.notify_waiters();
        result
    }
}
