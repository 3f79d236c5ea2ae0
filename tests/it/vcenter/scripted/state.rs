//! Who is logged in, and what each of them has made.

use std::collections::BTreeMap;

use super::history::{Entry, Filter, History};
use super::soap::Node;
use super::{Canary, Deaf, Held, Trouble};

/// For one client, says the vendor.
const MOST_COLLECTORS: usize = 32;

pub(super) struct State {
    pub(super) history: History,
    pub(super) sessions: BTreeMap<String, Session>,
    /// The request, how many of them go well before, and what befalls the one after them.
    pub(super) script: Vec<(&'static str, usize, Trouble)>,
    pub(super) canary: Canary,
    pub(super) asked: BTreeMap<String, usize>,
    pub(super) offences: Vec<String>,
    /// What cannot be seen from what is there now.
    counted: Held,
    made: usize,
}

#[derive(Default)]
pub(super) struct Session {
    pub(super) collectors: BTreeMap<String, Collector>,
    pub(super) waiters: BTreeMap<String, Waiter>,
}

pub(super) struct Collector {
    pub(super) filter: Filter,
    /// On the latest page.
    pub(super) most: usize,
    /// The first event that `ReadNextEvents` has not passed yet.
    cursor: usize,
    deaf_reads: bool,
    pub(super) deaf_waits: bool,
}

/// A property collector of the session's own.
#[derive(Default)]
pub(super) struct Waiter {
    /// The property filter, and the event collector whose page it is about.
    pub(super) watched: Option<(String, String)>,
    pub(super) version: u32,
    /// The newest that was told, and how many there were.
    pub(super) told: Option<usize>,
    pub(super) cancelled: bool,
}

/// Why not: the fault's name, its words and its detail.
pub(super) struct Refusal(pub(super) &'static str, pub(super) String, pub(super) String);

pub(super) fn refusal<T>(name: &'static str, words: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(name, words.into(), String::new()))
}

pub(super) fn not_there<T>(object: &Node) -> Result<T, Refusal> {
    let (kind, id) = (&object.kind, &object.text);
    let words = format!("The object 'vim.{kind}:{id}' has already been deleted or has not been completely created");
    Err(Refusal("ManagedObjectNotFound", words, format!("<obj type=\"{kind}\">{id}</obj>")))
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            history: History::new(),
            sessions: BTreeMap::new(),
            script: Vec::new(),
            canary: Canary::default(),
            asked: BTreeMap::new(),
            offences: Vec::new(),
            counted: Held::default(),
            made: 0,
        }
    }

    pub(super) fn held(&self) -> Held {
        let collectors = self.sessions.values().map(|session| session.collectors.len()).sum();
        Held { sessions: self.sessions.len(), collectors, ..self.counted.clone() }
    }

    /// What befalls this request, which is one of those that the script counts.
    pub(super) fn draw(&mut self, request: &str) -> Option<Trouble> {
        let at = self.script.iter().position(|(wanted, ..)| *wanted == request)?;
        if self.script[at].1 > 0 {
            self.script[at].1 -= 1;
            return None;
        }
        Some(self.script.remove(at).2)
    }

    /// The session's key.
    pub(super) fn log_in(&mut self, good: bool, again: bool) -> Result<String, Refusal> {
        self.counted.logins += 1;
        if again {
            self.offences.push("Login with the cookie of a session that is logged in".to_owned());
        }
        if !good || again {
            self.counted.refused_logins += 1;
            return refusal("InvalidLogin", "Anmeldung nicht möglich: falscher Benutzername oder falsches Kennwort.");
        }
        let key = format!("52{:06x}-{:08x}", self.counted.logins, fastrand::u32(..));
        self.sessions.insert(key.clone(), Session::default());
        Ok(key)
    }

    pub(super) fn log_out(&mut self, session: &str) {
        self.counted.logouts += 1;
        self.sessions.remove(session);
    }

    /// For what the session makes.
    pub(super) fn fresh_id(&mut self, session: &str) -> String {
        self.made += 1;
        format!("session[{session}]52{:06x}", self.made)
    }

    pub(super) fn make_collector(&mut self, session: &str, filter: Filter, most: usize) -> Result<String, Refusal> {
        let id = self.fresh_id(session);
        let Some(held) = self.sessions.get_mut(session) else { return refusal("NotAuthenticated", "") };
        if held.collectors.len() >= MOST_COLLECTORS {
            return refusal("InvalidState", "Too many event collectors to create");
        }
        let collector = Collector { filter, most, cursor: 0, deaf_reads: false, deaf_waits: false };
        held.collectors.insert(id.clone(), collector);
        self.counted.most_collectors = self.counted.most_collectors.max(held.collectors.len());
        Ok(id)
    }

    /// Oldest first, and from where the last reading ended.
    pub(super) fn read_next(&mut self, session: &str, this: &Node, most: usize) -> Result<Vec<Entry>, Refusal> {
        let found = self.sessions.get_mut(session).and_then(|held| held.collectors.get_mut(&this.text));
        let Some(collector) = found else { return not_there(this) };
        let mut page = Vec::new();
        if collector.deaf_reads {
            return Ok(page);
        }
        let entries = self.history.entries.get(collector.cursor..).unwrap_or_default();
        for entry in entries {
            if page.len() == most {
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
    pub(super) fn latest_page(&self, session: &str, this: &Node) -> Result<Vec<Entry>, Refusal> {
        let found = self.sessions.get(session).and_then(|held| held.collectors.get(&this.text));
        let Some(collector) = found else { return not_there(this) };
        let wanted = self.history.entries.iter().rev().filter(|entry| collector.filter.wants(entry));
        Ok(wanted.take(collector.most).cloned().collect())
    }

    pub(super) fn go_deaf(&mut self, deaf: Deaf) {
        for collector in self.sessions.values_mut().flat_map(|session| session.collectors.values_mut()) {
            match deaf {
                Deaf::Reads => collector.deaf_reads = true,
                Deaf::Waits => collector.deaf_waits = true,
            }
        }
    }

    pub(super) fn forget_all_but(&mut self, latest: usize) {
        let gone = self.history.entries.len().saturating_sub(latest);
        self.history.entries.drain(..gone);
        for session in self.sessions.values_mut() {
            for collector in session.collectors.values_mut() {
                collector.cursor = collector.cursor.saturating_sub(gone);
            }
            for waiter in session.waiters.values_mut() {
                waiter.told = waiter.told.map(|told| told.saturating_sub(gone));
            }
        }
    }
}
