//! The sessions, and the objects of each.

use std::collections::BTreeMap;

use super::history::{Entry, Filter, History};
use super::soap::Node;
use super::{Failure, LogEvents, Stall, Usage};

/// The vendor's limit for one client.
const MAX_COLLECTORS: usize = 32;

pub(super) struct State {
    pub(super) history: History,
    pub(super) sessions: BTreeMap<String, Session>,
    /// The call, how many of them succeed first, and how the next one fails.
    pub(super) script: Vec<(&'static str, usize, Failure)>,
    pub(super) log_events: LogEvents,
    pub(super) calls: BTreeMap<String, usize>,
    pub(super) violations: Vec<String>,
    /// Totals that cannot be derived from the sessions.
    counted: Usage,
    made: usize,
}

#[derive(Default)]
pub(super) struct Session {
    pub(super) collectors: BTreeMap<String, Collector>,
    pub(super) property_collectors: BTreeMap<String, PropertyCollector>,
}

pub(super) struct Collector {
    pub(super) filter: Filter,
    /// The size of the latest page.
    pub(super) page: usize,
    /// The first event that `ReadNextEvents` has not returned yet.
    cursor: usize,
    stalled_reads: bool,
    pub(super) stalled_waits: bool,
}

/// A property collector, which waits for changes.
#[derive(Default)]
pub(super) struct PropertyCollector {
    /// The property filter, and the event collector whose page it watches.
    pub(super) watched: Option<(String, String)>,
    pub(super) version: u32,
    /// How many events there were at the last answer.
    pub(super) announced: Option<usize>,
    pub(super) cancelled: bool,
}

/// The fault's name, its text and its detail.
pub(super) struct SoapFault(pub(super) &'static str, pub(super) String, pub(super) String);

pub(super) fn fail<T>(name: &'static str, text: impl Into<String>) -> Result<T, SoapFault> {
    Err(SoapFault(name, text.into(), String::new()))
}

pub(super) fn not_there<T>(object: &Node) -> Result<T, SoapFault> {
    let (kind, id) = (&object.kind, &object.text);
    let text = format!("The object 'vim.{kind}:{id}' has already been deleted or has not been completely created");
    Err(SoapFault("ManagedObjectNotFound", text, format!("<obj type=\"{kind}\">{id}</obj>")))
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            history: History::new(),
            sessions: BTreeMap::new(),
            script: Vec::new(),
            log_events: LogEvents::default(),
            calls: BTreeMap::new(),
            violations: Vec::new(),
            counted: Usage::default(),
            made: 0,
        }
    }

    pub(super) fn usage(&self) -> Usage {
        let collectors = self.sessions.values().map(|session| session.collectors.len()).sum();
        Usage { sessions: self.sessions.len(), collectors, ..self.counted.clone() }
    }

    /// How this call fails, if the script says so; counts the call.
    pub(super) fn next_failure(&mut self, call: &str) -> Option<Failure> {
        let at = self.script.iter().position(|(wanted, ..)| *wanted == call)?;
        if self.script[at].1 > 0 {
            self.script[at].1 -= 1;
            return None;
        }
        Some(self.script.remove(at).2)
    }

    /// Returns the session's key. `again`: the cookie of a live session was sent.
    pub(super) fn log_in(&mut self, valid: bool, again: bool) -> Result<String, SoapFault> {
        self.counted.logins += 1;
        if again {
            self.violations.push("Login with the cookie of a session that is logged in".to_owned());
        }
        if !valid || again {
            self.counted.refused_logins += 1;
            return fail("InvalidLogin", "Anmeldung nicht möglich: falscher Benutzername oder falsches Kennwort.");
        }
        let key = format!("52{:06x}-{:08x}", self.counted.logins, fastrand::u32(..));
        self.sessions.insert(key.clone(), Session::default());
        Ok(key)
    }

    pub(super) fn log_out(&mut self, session: &str) {
        self.counted.logouts += 1;
        self.sessions.remove(session);
    }

    /// The id of a new object of the session.
    pub(super) fn new_id(&mut self, session: &str) -> String {
        self.made += 1;
        format!("session[{session}]52{:06x}", self.made)
    }

    pub(super) fn make_collector(&mut self, session: &str, filter: Filter, page: usize) -> Result<String, SoapFault> {
        let id = self.new_id(session);
        let Some(objects) = self.sessions.get_mut(session) else { return fail("NotAuthenticated", "") };
        if objects.collectors.len() >= MAX_COLLECTORS {
            return fail("InvalidState", "Too many event collectors to create");
        }
        let collector = Collector { filter, page, cursor: 0, stalled_reads: false, stalled_waits: false };
        objects.collectors.insert(id.clone(), collector);
        self.counted.most_collectors = self.counted.most_collectors.max(objects.collectors.len());
        Ok(id)
    }

    /// Oldest first, after the last reading.
    pub(super) fn read_next(&mut self, session: &str, this: &Node, max: usize) -> Result<Vec<Entry>, SoapFault> {
        let found = self.sessions.get_mut(session).and_then(|objects| objects.collectors.get_mut(&this.text));
        let Some(collector) = found else { return not_there(this) };
        let mut page = Vec::new();
        if collector.stalled_reads {
            return Ok(page);
        }
        let entries = self.history.entries.get(collector.cursor..).unwrap_or_default();
        for entry in entries {
            if page.len() == max {
                break;
            }
            collector.cursor += 1;
            if collector.filter.wants(entry) {
                page.push(entry.clone());
            }
        }
        Ok(page)
    }

    /// Newest first.
    pub(super) fn latest_page(&self, session: &str, this: &Node) -> Result<Vec<Entry>, SoapFault> {
        let found = self.sessions.get(session).and_then(|objects| objects.collectors.get(&this.text));
        let Some(collector) = found else { return not_there(this) };
        let wanted = self.history.entries.iter().rev().filter(|entry| collector.filter.wants(entry));
        Ok(wanted.take(collector.page).cloned().collect())
    }

    pub(super) fn stall(&mut self, stall: Stall) {
        for collector in self.sessions.values_mut().flat_map(|session| session.collectors.values_mut()) {
            match stall {
                Stall::Reads => collector.stalled_reads = true,
                Stall::Waits => collector.stalled_waits = true,
            }
        }
    }

    pub(super) fn purge_all_but(&mut self, latest: usize) {
        let gone = self.history.entries.len().saturating_sub(latest);
        self.history.entries.drain(..gone);
        for session in self.sessions.values_mut() {
            for collector in session.collectors.values_mut() {
                collector.cursor = collector.cursor.saturating_sub(gone);
            }
            for property_collector in session.property_collectors.values_mut() {
                property_collector.announced =
                    property_collector.announced.map(|announced| announced.saturating_sub(gone));
            }
        }
    }
}
